//! The systemd units, judged by systemd's own tools and by what they once had wrong.

use std::fs;
use std::process::Command;

use crate::files::text;

const UNITS: [(&str, &str); 2] = [
    // Exposure as `systemd-analyze security` counts it, in tenths: 0 is none, 100 all. The exporter has to see the whole host.
    ("alert-relay", "15"),
    ("gpu-node-exporter", "30"),
];

fn unit(service: &str) -> String {
    text(&format!("deploy/systemd/{service}.service"))
}

/// Every value of a setting, as the unit's lines have it.
fn values<'unit>(unit: &'unit str, key: &str) -> Vec<&'unit str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// Runs `systemd-analyze` on a unit whose program is one that is there.
fn analyze(service: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{service}.service"));
    fs::write(&file, unit(service).replace(&format!("/usr/local/bin/{service}"), "/bin/true")).unwrap();
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(&file)
        .output()
        .expect("`systemd-analyze` is of the package systemd (hint: make install-deps)");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{service}: {arguments:?}:\n{said}");
    // `verify` passes over an unknown key with a warning.
    assert!(!said.contains("Unknown") && !said.contains("ignoring"), "{service}: {said}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for (service, _) in UNITS {
        analyze(service, &["verify"]);
    }
}

#[test]
fn services_are_exposed_no_more_than_they_have_to_be() {
    for (service, threshold) in UNITS {
        analyze(service, &["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}")]);
    }
}

#[test]
fn what_the_units_need_to_work() {
    for (service, _) in UNITS {
        let unit = unit(service);
        // A dynamic user's state directory and /tmp are its own.
        assert_eq!(values(&unit, "User"), [service]);
        assert_eq!(values(&unit, "DynamicUser"), [""; 0]);
        let users = text("deploy/systemd/gpu-monitoring.sysusers");
        assert!(users.lines().any(|line| line.starts_with(&format!("u {service} - "))), "{users}");
        // Mistakes do not mend themselves, and a network that is late does.
        assert_eq!(values(&unit, "RestartPreventExitStatus"), ["2"]);
        assert!(!unit.contains("network-online.target"), "{service} waits for the network");
        for (key, value) in [("UMask", "0077"), ("LimitCORE", "0"), ("NoNewPrivileges", "yes")] {
            assert_eq!(values(&unit, key), [value], "{service}: {key}");
        }
        assert!(values(&unit, "MemoryMax").len() == 1 && values(&unit, "TasksMax").len() == 1, "{service}");
        assert!(values(&unit, "SystemCallFilter").contains(&"@system-service"), "{service}");
    }
}

/// A name like `char-nvidia` is looked up in /proc/devices when the service starts: a driver that comes later is never seen.
#[test]
fn the_exporter_sees_a_driver_that_is_loaded_after_its_start_and_everything_of_the_host() {
    let unit = unit("gpu-node-exporter");
    assert_eq!(values(&unit, "DeviceAllow"), ["char-195 rw", "char-nvidia-caps r", "/dev/kmsg r"]);
    for key in [
        "PrivateTmp",
        "PrivateDevices",
        "PrivateUsers",
        "PrivateMounts",
        "ProtectHome",
        "ProtectProc",
        "ProtectHostname",
    ] {
        assert_eq!(values(&unit, key), [""; 0], "{key} hides what is to be measured");
    }
    // Deleted by `~@privileged`, so that it has to come after: how well the clock is kept.
    let filters = values(&unit, "SystemCallFilter");
    assert_eq!(filters.last(), Some(&"adjtimex clock_adjtime"), "{filters:?}");
    // For who writes *.prom files without being root.
    assert_eq!(values(&unit, "StateDirectoryMode"), ["2775"]);
}

#[test]
fn the_relay_listens_on_loopback_and_a_reload_is_answered() {
    let unit = unit("alert-relay");
    let [reload] = values(&unit, "ExecReload")[..] else { panic!("{unit}") };
    assert_eq!(reload, "/usr/local/bin/alert-relay reload --config /etc/alert-relay/relay.yml");
    assert!(text("deploy/alert-relay/relay.yml").contains("  listen: \"127.0.0.1:8060\"\n"));
}

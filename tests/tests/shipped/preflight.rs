//! `deploy/preflight`, on a checkout whose owner has `umask 077`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::files::path;

/// What the containers are given, copied by somebody whose files are nobody else's.
fn private_checkout() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("sh")
        .args(["-c", r#"umask 077; cp -r --no-preserve=mode deploy rules dashboards "$0""#])
        .arg(folder.path())
        .current_dir(path("."))
        .status()
        .unwrap();
    assert!(copied.success());
    folder
}

/// Whether all is well, and what it says, on a machine whose root passes mounts on, as systemd makes it.
fn preflight(checkout: &Path) -> (bool, String) {
    preflight_where_root_is("shared", checkout)
}

/// The same where mounts below the root are `propagation` (`mount_namespaces(7)`).
fn preflight_where_root_is(propagation: &str, checkout: &Path) -> (bool, String) {
    let Output { status, stdout, stderr } = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--propagation", propagation, "bash"])
        .arg(checkout.join("deploy/preflight"))
        .output()
        .expect("`unshare` is of the package util-linux");
    (status.success(), String::from_utf8([stderr, stdout].concat()).unwrap())
}

#[test]
fn files_that_containers_cannot_read_are_named_with_the_command_that_opens_them() {
    let checkout = private_checkout();
    let (is_well, said) = preflight(checkout.path());
    assert!(!is_well, "{said}");
    for file in [
        "deploy/prometheus/prometheus.yml",
        "deploy/alertmanager/alertmanager.yml",
        "deploy/alert-relay/relay.yml",
        "rules/gpu.rules.yml",
        "dashboards/gpu-node.json",
        "deploy/grafana/provisioning/datasources/prometheus.yml",
    ] {
        let line = format!("{file}: the containers' users cannot read it (hint: chmod o+r {file})");
        assert!(said.lines().any(|other| other == line), "{file}: {said}");
    }

    for hint in said.lines().filter_map(|line| line.split_once("(hint: chmod ")) {
        let command = format!("chmod {}", hint.1.trim_end_matches(')'));
        let done = Command::new("sh").args(["-c", &command]).current_dir(checkout.path()).status().unwrap();
        assert!(done.success(), "{command}");
    }
    let (is_well, said) = preflight(checkout.path());
    assert!(is_well, "{said}");
    let mut folders = vec!["deploy/prometheus", "rules"].into_iter().map(|name| checkout.path().join(name));
    for folder in folders.by_ref() {
        for entry in fs::read_dir(folder).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o004, 0o004, "others still cannot read it");
        }
    }
}

/// Docker refuses to start the exporter there, after the images are built.
#[test]
fn a_root_that_passes_no_mounts_on_is_told() {
    let hint = "(hint: sudo mount --make-rshared /, once after each boot)";
    let checkout = private_checkout();
    for (propagation, expected) in [("private", true), ("shared", false)] {
        let (_, said) = preflight_where_root_is(propagation, checkout.path());
        assert_eq!(said.contains(hint), expected, "{propagation}: {said}");
    }
}

#[test]
fn a_secret_is_its_readers_and_nobody_elses() {
    let checkout = private_checkout();
    let secret = checkout.path().join("deploy/alert-relay/secrets/dingtalk_url");
    fs::write(&secret, "https://oapi.dingtalk.com/robot/send?access_token=x").unwrap();
    let told = |mode: u32| {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let (_, said) = preflight(checkout.path());
        said.lines().find(|line| line.contains("dingtalk_url")).map(str::to_owned)
    };
    assert!(told(0o644).unwrap().ends_with("(hint: chmod 600 deploy/alert-relay/secrets/dingtalk_url)"));
    assert!(
        told(0o600).unwrap().ends_with("(hint: sudo chown 60860 deploy/alert-relay/secrets/dingtalk_url)")
    );
}

/// Whoever has not said where Alertmanager writes by itself is reminded of it.
#[test]
fn a_missing_mailbox_for_the_relays_own_trouble_is_noted() {
    let checkout = private_checkout();
    assert!(preflight(checkout.path()).1.contains("when both relays are down nobody is told"));
    let file = checkout.path().join("deploy/alertmanager/alertmanager.yml");
    let settings = fs::read_to_string(&file).unwrap().replace("    # email_configs:", "    email_configs:");
    fs::write(&file, settings).unwrap();
    assert!(!preflight(checkout.path()).1.contains("nobody is told"));
}

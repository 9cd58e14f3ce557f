use std::time::Duration;

use super::*;

fn arguments(written: &[&str]) -> Vec<OsString> {
    written.iter().map(OsString::from).collect()
}

fn settings(written: &[&str]) -> Settings {
    match parse(arguments(written)) {
        Ok(Command::Serve(settings)) => settings,
        other => panic!("{written:?}: {other:?}"),
    }
}

fn mistakes(written: &[&str]) -> String {
    parse(arguments(written)).unwrap_err().mistakes.join("\n")
}

#[test]
fn help() {
    let Ok(Command::Print(help)) = parse(arguments(&["--help"])) else { panic!("no help") };
    insta::assert_snapshot!(help);
}

#[test]
fn version() {
    let Ok(Command::Print(version)) = parse(arguments(&["--version"])) else { panic!("no version") };
    assert_eq!(version, format!("gpu-node-exporter {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn all_mistakes_at_once() {
    insta::assert_snapshot!(mistakes(&[
        "--colector.cpu",
        "--no-collector.loadavgs",
        "--frobnicate=1",
        "serve",
        "--collector.cpu=true",
        "--web.listen-address=9100",
        "--web.listen-address=vsock://:9100",
        "--web.telemetry-path=metrics",
        "--web.max-requests=-1",
        "--collector.vmstat.fields=(",
        "--collector.netdev.device-include=^eth",
        "--collector.netdev.device-exclude=^veth",
        "--collector.diskstats.ignored-devices=^ram",
        "--collector.diskstats.device-include=^sd",
        "--collector.filesystem.mount-timeout=5",
        "--gpu.sample-interval=1ms",
        "--gpu.probe-timeout=never",
        "--log.level=loud",
        "--log.format=xml",
    ]));
}

#[test]
fn a_missing_value_is_told() {
    let check = |written: &[&str], expected: &[&str]| {
        assert_eq!(mistakes(written).lines().collect::<Vec<_>>(), expected, "{written:?}");
    };
    let no_directory =
        "`--collector.textfile.directory` has no value (hint: write --collector.textfile.directory=VALUE)";
    let no_address = "`--web.listen-address` has no value (hint: write --web.listen-address=VALUE)";
    check(&["--web.listen-address"], &[no_address]);
    check(&["--collector.textfile.directory", "--web.listen-address=127.0.0.1:9100"], &[no_directory]);
    check(&["--collector.textfile.directory", "--web.listen-address"], &[no_directory, no_address]);
    check(
        &["--runtime.gomaxprocs", "--check"],
        &["`--runtime.gomaxprocs` has no value (hint: write --runtime.gomaxprocs=VALUE)"],
    );
    // With an equals sign any value goes, as long as it is text.
    assert_eq!(settings(&["--collector.textfile.directory=--odd"]).warnings, [] as [&str; 0]);
    assert_eq!(settings(&["--collector.textfile.directory", "-"]).warnings, [] as [&str; 0]);
    assert_eq!(settings(&["--collector.textfile.directory="]).warnings, [] as [&str; 0]);
}

#[test]
fn a_value_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let name = "collector.textfile.directory";
    let attached = bytes(&[b"--", name.as_bytes(), b"=\xff"].concat());
    for written in [vec![attached], vec![OsString::from(format!("--{name}")), bytes(b"\xff")]] {
        let mistakes = parse(written).unwrap_err().mistakes;
        assert_eq!(mistakes, [format!("`--{name}=\u{fffd}`: the value is not UTF-8 text")]);
    }
}

#[test]
fn the_help_is_printed_whatever_else_is_written() {
    for written in [["--help", "--frobnicate"], ["--frobnicate", "-h"]] {
        let Ok(Command::Print(help)) = parse(arguments(&written)) else { panic!("no help: {written:?}") };
        assert!(help.contains("--web.listen-address"), "{help}");
    }
}

#[test]
fn a_suggestion_is_another_flag_that_is_near() {
    let check = |written: &str, hint: &str| {
        let said = mistakes(&[written]);
        assert!(said.ends_with(&format!("(hint: {hint})")), "{written}: {said}");
    };
    check("--no-colector.cpu", "did you mean --no-collector.cpu?");
    check("--no-web.listen-address", "leave it out, or write --web.listen-address=VALUE");
    check("--no-web.listen-adress", "--help lists all flags");
    check("--collector.foo", "--help lists all flags");
    check("--collector.cpu.infos", "did you mean --collector.cpu.info?");
    check("--web.lsiten-address=:1", "did you mean --web.listen-address?");
}

#[test]
fn intervals() {
    for (interval, words) in [
        ("3", "has no unit (hint: write 3s or 3ms)"),
        ("50ms", "is too short"),
        ("1h", "is too long"),
        ("fast", "is not a duration"),
        ("", "is not a duration"),
    ] {
        let said = mistakes(&[&format!("--gpu.sample-interval={interval}")]);
        assert!(said.contains(words), "{interval}: {said}");
    }
    let gpu = |interval: &str| settings(&[&format!("--gpu.sample-interval={interval}")]);
    assert!(gpu("500ms").warnings[0].contains("--gpu.sample-interval=500ms"));
    assert_eq!(gpu("2s").warnings, [] as [&str; 0]);
    assert_eq!(gpu("2s").gpu.unwrap().sample_interval, Duration::from_secs(2));
}

#[test]
fn which_collectors_run() {
    let check = |written: &[&str], expected: &[&str], gpu: bool| {
        let settings = settings(written);
        let running: Vec<_> =
            settings.host.collectors.iter().map(|(_, collector)| collector.name()).collect();
        assert_eq!(running, expected, "{written:?}");
        assert_eq!(settings.gpu.is_some(), gpu, "{written:?}");
    };
    let all: Vec<_> =
        host::COLLECTORS.iter().filter(|entry| entry.is_default).map(|entry| entry.name).collect();
    let without = |name: &str| all.iter().copied().filter(|known| *known != name).collect::<Vec<_>>();
    check(&[], &all, true);
    check(&["--no-collector.cpu", "--no-collector.gpu"], &without("cpu"), false);
    check(&["--collector.disable-defaults", "--collector.cpu"], &["cpu"], false);
    check(&["--collector.disable-defaults", "--collector.gpu"], &[], true);
    check(&["--no-collector.cpu", "--collector.cpu"], &all, true);
    let named = ["--collector.disable-defaults", "--collector.cpu", "--collector.cpufreq"];
    check(&named, &["cpu", "cpufreq"], false);
    assert_eq!(settings(&named).warnings, [] as [&str; 0]);
}

#[test]
fn node_exporters_other_flags_are_accepted_with_one_word() {
    let warnings = settings(&[
        "--no-collector.ntp.server-is-local",
        "--collector.runit.servicedir=/etc/service",
        "--collector.supervisord",
        "--no-collector.drbd",
        "--collector.filesystem.stat-workers=8",
        "--collector.netclass.netlink",
        "--runtime.gomaxprocs",
        "2",
    ])
    .warnings;
    assert_eq!(
        warnings,
        [
            "flags of node_exporter for collectors that are not in this version have no effect: --collector.supervisord, \
         --collector.ntp.server-is-local, --collector.runit.servicedir",
            "flags about how node_exporter reads have no effect, since this program reads in its own way: --collector.netclass.netlink, \
         --collector.filesystem.stat-workers, --runtime.gomaxprocs",
        ]
    );
}

#[test]
fn containers_are_shown_unless_turned_off_and_processes_if_asked_for() {
    for (written, processes, containers) in [
        (&[][..], false, true),
        (&["--gpu.processes"], true, true),
        (&["--no-gpu.containers"], false, false),
        (&["--gpu.containers", "--no-gpu.processes"], false, true),
        (&["--gpu.profile=full"], true, true),
        (&["--gpu.profile=minimal"], false, false),
        (&["--gpu.profile=minimal", "--gpu.processes"], true, false),
    ] {
        let gpu = settings(written).gpu.expect("it is on");
        assert_eq!((gpu.processes, gpu.containers), (processes, containers), "{written:?}");
    }
}

#[test]
fn a_container_runtime_has_an_api_and_a_file() {
    let written = "--gpu.container-runtime=cri:/run/crio/crio.sock";
    let runtime = settings(&[written]).gpu.expect("it is on").runtime.map(|address| address.to_string());
    assert_eq!(runtime.as_deref(), Some("cri:/run/crio/crio.sock"));
    assert_eq!(settings(&[]).gpu.expect("it is on").runtime, None);
    let mistakes = parse(arguments(&["--gpu.container-runtime=/run/docker.sock"])).unwrap_err().mistakes;
    assert_eq!(
        mistakes,
        [
            "`--gpu.container-runtime=/run/docker.sock`: expected docker:FILE or cri:FILE (hint: like docker:/var/run/docker.sock or cri:/run/containerd/containerd.sock)"
        ]
    );
}

#[test]
fn a_profile_has_one_of_three_names() {
    let mistakes = parse(arguments(&["--gpu.profile=most"])).unwrap_err().mistakes;
    assert_eq!(mistakes, ["`--gpu.profile=most`: expected one of minimal, default, full"]);
}

#[test]
fn what_was_to_be_served_can_be_looked_at_although_a_flag_is_wrong() {
    let web = |written: &[&str]| parse(arguments(written)).unwrap_err().web;
    let written = ["--log.level=loud", "--web.listen-address=:1", "--web.config.file=web.yml"];
    let found = web(&written).unwrap();
    assert_eq!(found.listen, [":1".parse().unwrap()]);
    assert_eq!(found.config_file, Some("web.yml".into()));
    assert!(web(&[&written[..], &["--check"]].concat()).is_none(), "a check opens no ports");
}

#[test]
fn older_names_count() {
    let settings = settings(&["--collector.filesystem.ignored-mount-points=^/boot"]);
    assert_eq!(
        settings.warnings,
        [
            "--collector.filesystem.ignored-mount-points is called --collector.filesystem.mount-points-exclude now"
        ]
    );
}

#[test]
fn an_xid_has_one_severity() {
    let mistakes = |written: &[&str]| match parse(arguments(written)) {
        Ok(_) => Vec::new(),
        Err(refused) => refused.mistakes,
    };
    assert_eq!(mistakes(&["--gpu.xid-severity=79=info", "--gpu.xid-severity=94=fatal"]), [""; 0]);
    assert_eq!(
        mistakes(&["--gpu.xid-severity=79=info", "--gpu.xid-severity=79=fatal"]),
        ["`--gpu.xid-severity=79=fatal`: XID 79 is there twice (hint: write it once)"]
    );
}

#[test]
fn no_flag_is_there_twice() {
    grammar().check();
}

use super::*;
use crate::host::dbus::peer::{Asked, Given, Peer, answering};
use crate::host::testing::{flags, reading};

/// Name, load state, active state.
const UNITS: [(&str, &str, &str); 7] = [
    ("ssh.service", "loaded", "active"),
    ("old.service", "loaded", "failed"),
    ("gone.service", "not-found", "inactive"),
    ("docker.socket", "loaded", "active"),
    ("fstrim.timer", "loaded", "active"),
    ("data.mount", "loaded", "active"),
    ("reload.target", "loaded", "reloading"),
];

/// What `ListUnits` answers.
fn units<'a>(units: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> (&'static str, Vec<u8>) {
    let body = Peer::body(|body| {
        body.array(8, |body| {
            for (name, load, active) in units {
                body.align(8);
                for word in [name, "A unit.", load, active, "sub", "", &format!("/unit/{name}")] {
                    body.text(word);
                }
                body.u32(0);
                body.text("");
                body.text("/");
            }
        });
    });
    ("a(ssssssouso)", body)
}

fn systemd(asked: &Asked) -> Given {
    let text = |text: &str| {
        Ok((
            "v",
            Peer::body(|body| {
                body.signature("s");
                body.text(text);
            }),
        ))
    };
    let count = |count: u32| {
        Ok((
            "v",
            Peer::body(|body| {
                body.signature("u");
                body.u32(count);
            }),
        ))
    };
    let long = |count: u64| {
        Ok((
            "v",
            Peer::body(|body| {
                body.signature("t");
                body.u64(count);
            }),
        ))
    };
    if asked.member == "ListUnits" {
        return Ok(units(UNITS));
    }
    assert_eq!(asked.member, "Get");
    let interface = asked.arguments[0].strip_prefix("org.freedesktop.systemd1.").unwrap();
    match (asked.path.trim_start_matches("/unit/"), interface, &*asked.arguments[1]) {
        (_, "Manager", "Version") => text("252.39-1~deb12u1"),
        (_, "Manager", "Virtualization") => text(""),
        (_, "Manager", "SystemState") => text("degraded"),
        ("ssh.service", "Service", "Type") => text("notify"),
        ("data.mount", "Mount", "Type") => text("ext4"),
        ("ssh.service", "Service", "NRestarts") => count(3),
        ("ssh.service", "Service", "TasksCurrent") => long(4),
        ("ssh.service", "Service", "TasksMax") => long(u64::MAX),
        (_, "Unit", "ActiveEnterTimestamp") => long(1_700_000_000_500_000),
        ("fstrim.timer", "Timer", "LastTriggerUSec") => long(1_600_000_000_000_000),
        ("docker.socket", "Socket", "NAccepted") => count(11),
        ("docker.socket", "Socket", "NConnections") => count(2),
        _ => Err("org.freedesktop.DBus.Error.UnknownProperty".to_owned()),
    }
}

/// Asks over the bus at the first of these paths, or else systemd itself at the second.
fn over(sockets: &[PathBuf], written: &[&str]) -> SystemdCollector {
    let ways = sockets.iter().cloned().zip([Listener::Bus, Listener::Service]).collect();
    SystemdCollector { ways, ..SystemdCollector::new(&mut flags(written)) }
}

fn shown(written: &[&str]) -> Vec<String> {
    let peer = Peer::start(Listener::Bus, systemd);
    let mut collector = over(&[peer.path()], written);
    let (series, faults) = reading(&mut collector);
    assert_eq!(faults, [] as [&str; 0]);
    series
}

#[test]
fn the_system_and_its_units_are_shown() {
    let series = shown(&[]);
    for line in [
        r#"node_systemd_version{version="252.39-1~deb12u1"} 252.39"#,
        r#"node_systemd_virtualization_info{virtualization_type="none"} 1"#,
        "node_systemd_system_running 0",
        r#"node_systemd_units{state="active"} 4"#,
        r#"node_systemd_units{state="activating"} 0"#,
        r#"node_systemd_units{state="reloading"} 1"#,
        r#"node_systemd_unit_state{name="ssh.service",state="active",type="notify"} 1"#,
        r#"node_systemd_unit_state{name="ssh.service",state="failed",type="notify"} 0"#,
        r#"node_systemd_unit_state{name="old.service",state="failed",type=""} 1"#,
        r#"node_systemd_timer_last_trigger_seconds{name="fstrim.timer"} 1600000000"#,
        r#"node_systemd_socket_accepted_connections_total{name="docker.socket"} 11"#,
        r#"node_systemd_socket_current_connections{name="docker.socket"} 2"#,
    ] {
        assert!(series.iter().any(|shown| shown == line), "{line} is not among {series:#?}");
    }
    // Left out by the flag, and not loaded.
    assert!(
        !series.iter().any(|line| line.contains("data.mount") || line.contains("gone.service")),
        "{series:#?}"
    );
    // A version of systemd that does not count them.
    assert!(!series.iter().any(|line| line.contains("refused")), "{series:#?}");
    assert_eq!(series.len(), 1 + 1 + 1 + 6 + 5 * STATES.len() + 3);
}

#[test]
fn more_of_units_is_shown_where_flags_ask_for_it() {
    let series = shown(&[
        "--collector.systemd.enable-task-metrics",
        "--collector.systemd.enable-restarts-metrics",
        "--collector.systemd.enable-start-time-metrics",
        "--collector.systemd.unit-include=(ssh|old).service|data.mount",
        "--collector.systemd.unit-exclude=",
    ]);
    let of_units: Vec<_> =
        series.iter().filter(|line| line.contains("{name=") && !line.contains("_state{")).collect();
    assert_eq!(
        of_units,
        [
            r#"node_systemd_unit_start_time_seconds{name="ssh.service"} 1700000000.5"#,
            r#"node_systemd_unit_start_time_seconds{name="old.service"} 0"#,
            r#"node_systemd_unit_start_time_seconds{name="data.mount"} 1700000000.5"#,
            r#"node_systemd_service_restart_total{name="ssh.service"} 3"#,
            r#"node_systemd_unit_tasks_current{name="ssh.service"} 4"#,
        ]
    );
    assert!(series.iter().any(|line| line.contains(r#"{name="data.mount",state="active",type="ext4"} 1"#)));
}

#[test]
fn expressions_match_whole_names() {
    let units = |include: &str| {
        let series = shown(&[&format!("--collector.systemd.unit-include={include}")]);
        let active =
            series.iter().filter(|line| line.contains(r#"state="active""#) && line.contains("name="));
        active.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(units("ssh"), [] as [&str; 0]);
    assert_eq!(units("ssh|ssh.service"), ["ssh.service"]);
    assert_eq!(units(""), [] as [&str; 0]);
}

#[test]
fn units_beyond_the_bound_are_told() {
    let peer = Peer::start(Listener::Bus, |asked| match &*asked.member {
        "ListUnits" => Ok(units((0..MOST_UNITS + 3).map(|_| ("a.target", "loaded", "active")))),
        _ => Err("org.freedesktop.DBus.Error.UnknownProperty".to_owned()),
    });
    let (series, faults) = reading(&mut over(&[peer.path()], &[]));
    assert_eq!(faults, ["systemd: 3 units are left out, beyond 10000"]);
    let states = series.iter().filter(|line| line.starts_with("node_systemd_unit_state"));
    assert_eq!(states.count(), MOST_UNITS * STATES.len());
}

#[test]
fn what_does_not_answer_as_systemd_is_told() {
    let check = |socket: PathBuf, expected: &str| {
        let (series, faults) = reading(&mut over(&[socket], &[]));
        assert!(series.is_empty() && faults.len() == 1, "{series:?} {faults:?}");
        assert!(faults[0].starts_with("systemd: ") && faults[0].contains(expected), "{}", faults[0]);
    };
    check("/nonexistent/bus".into(), "there is no /nonexistent/bus");
    let absent = Peer::start(Listener::Bus, |_| Err("org.freedesktop.DBus.Error.ServiceUnknown".to_owned()));
    check(absent.path(), "org.freedesktop.DBus.Error.ServiceUnknown");
    let other = Peer::start(Listener::Bus, |_| Ok(("as", Peer::body(|body| body.array(4, |_| ())))));
    check(other.path(), "the answer is garbled");
    check(answering(b"").path(), "closed the connection");
}

#[test]
fn a_version_is_its_first_number_of_three_digits() {
    for (version, number) in [
        ("252.39-1~deb12u1", Some(252.39)),
        ("v255", Some(255.0)),
        ("12-256.rc1", Some(256.0)),
        ("systemd 44", None),
        ("", None),
    ] {
        assert_eq!(version_number(version), number, "{version}");
    }
}

#[test]
fn root_asks_systemd_itself_where_there_is_no_bus() {
    let absent = PathBuf::from("/nonexistent/bus");
    let itself = Peer::start(Listener::Service, systemd);
    let (series, faults) = reading(&mut over(&[absent.clone(), itself.path()], &[]));
    assert_eq!(faults, [] as [&str; 0]);
    assert!(series.iter().any(|line| line.starts_with("node_systemd_version{")), "{series:?}");
    // Where that is absent too, the bus is what is missed.
    let (_, faults) = reading(&mut over(&[absent, "/nonexistent/private".into()], &[]));
    assert_eq!(faults, ["systemd: there is no /nonexistent/bus"]);
    let ways = |written: &[&str]| {
        let collector = SystemdCollector::new(&mut flags(written));
        collector.ways.iter().map(|(_, listener)| *listener).collect::<Vec<_>>()
    };
    assert_eq!(ways(&["--collector.systemd.private"]), [Listener::Service]);
    let itself = is_root().then_some(Listener::Service);
    assert_eq!(ways(&[]), [Listener::Bus].into_iter().chain(itself).collect::<Vec<_>>());
}

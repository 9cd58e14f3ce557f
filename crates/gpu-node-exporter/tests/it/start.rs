//! Starting and stopping: exit codes, and what is said about settings that cannot be used.

use std::net::TcpListener;
use std::process::{Command, Output};

use rustix::process::{Signal, getpgid, getpgrp};

use crate::exporter::Exporter;

fn run(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gpu-node-exporter"))
        .args(flags)
        .output()
        .expect("the program under test starts")
}

#[track_caller]
fn check(flags: &[&str], code: i32, words: &[&str]) {
    let output = run(flags);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{flags:?}: {said}");
    for words in words {
        assert!(said.contains(words), "{flags:?} said nothing of `{words}`: {said}");
    }
}

#[test]
fn exit_codes() {
    check(&["--version"], 0, &["gpu-node-exporter "]);
    check(&["--help"], 0, &["--web.listen-address", "--collector.filesystem.mount-points-exclude"]);
    check(
        &["--wbe.listen-address=:1", "--log.level=loud"],
        2,
        &["--wbe.listen-address", "`--log.level=loud`"],
    );
    let nothing = ["--check", "--collector.disable-defaults", "--collector.loadavg"];
    check(&nothing, 0, &["ok       loadavg"]);
    let absent = [&nothing[..], &["--path.procfs=/nonexistent"]].concat();
    check(&absent, 1, &["missing  loadavg", "/nonexistent/loadavg"]);
}

#[test]
fn a_taken_port_and_a_missing_file_are_told_together() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("it is bound").to_string();
    let listen = format!("--web.listen-address={taken}");
    check(&[&listen, "--web.config.file=/nonexistent/web.yml"], 2, &[&taken, "/nonexistent/web.yml"]);
}

#[test]
fn a_wrong_flag_hides_no_taken_port_and_no_missing_file() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("it is bound").to_string();
    let listen = format!("--web.listen-address={taken}");
    let file = "--web.config.file=/nonexistent/web.yml";
    check(&["--log.level=loud", &listen, file], 2, &["`--log.level=loud`", &taken, "/nonexistent/web.yml"]);
    check(&["--web.listen-address=9100", file], 2, &["`9100` is not an address", "/nonexistent/web.yml"]);
}

#[test]
fn a_signal_ends_it_with_success() {
    let mut exporter = Exporter::with_flags(&["--no-collector.gpu"]);
    assert!(exporter.scrape().0.contains("node_load1 "));
    let status = exporter.end_with(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{}", exporter.log());
}

/// Ctrl-C and `kill -- -GROUP` mean the exporter, which asks its probe to leave: one that ended first would be told as a failure.
#[test]
fn a_signal_to_its_group_does_not_reach_the_probe() {
    let exporter = Exporter::on_scenario("description: test\ngpus: [{ model: h100-sxm }]\n", &[]);
    exporter.wait_until("a probe reads", |page| page.value("gpu_up", &[]) == Some(1.0));
    let own = getpgrp();
    let groups: Vec<_> = exporter.probes().into_iter().map(|probe| getpgid(Some(probe)).ok()).collect();
    assert!(groups.len() == 1 && groups[0].is_some_and(|group| group != own), "{groups:?}, {own:?}");
}

#[test]
fn a_socket_of_systemd_is_served_and_not_passed_on() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let exporter = Exporter::with_socket(socket, &["--web.systemd-socket"]);
    assert_eq!(exporter.address(), address);
    assert!(exporter.scrape().value("node_load1", &[]).is_some());
    exporter.wait_for_log("--web.listen-address has no effect");
    for probe in exporter.probes() {
        let environment =
            std::fs::read(format!("/proc/{}/environ", probe.as_raw_nonzero())).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains("LISTEN_FDS"), "the probe has no sockets");
    }
}

#[test]
fn without_a_socket_it_says_what_to_start() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gpu-node-exporter"))
        .arg("--web.systemd-socket")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("systemd has passed no socket (hint: start the .socket unit"), "{said}");
}

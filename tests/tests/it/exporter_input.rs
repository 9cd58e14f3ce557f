//! The exporter given nonsense: a garbled kernel file, a library that is not there, flags that cannot be.

use std::path::Path;
use std::process::Command;

use e2e::chain::parts::Gpus;
use e2e::programs;
use test_peers::page::Page;

use crate::exporter_fixture::ExporterFixture;

const NO_LIBRARY: &str = "--gpu.library=/nonexistent/libnvidia-ml.so.1";

#[tokio::test]
async fn a_garbled_file_costs_its_collector_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    copy_proc(root.path());
    std::fs::write(root.path().join("loadavg"), "0.12 \u{1}\u{0}garbled\n").unwrap();
    let procfs = format!("--path.procfs={}", root.path().display());
    let fixture = ExporterFixture::start(&Gpus::Real, &[&procfs, NO_LIBRARY]).await.unwrap();
    let succeeds = |page: &Page, collector: &str, value: f64| {
        page.says("node_scrape_collector_success", &[&format!("collector=\"{collector}\"")], value)
    };
    // A collector may be late on a busy machine.
    let page = fixture
        .page_where("one collector alone to fail", |page| {
            succeeds(page, "loadavg", 0.0) && succeeds(page, "meminfo", 1.0)
        })
        .await
        .unwrap();
    assert_eq!(page.value("node_load1", &[]), None);
    assert!(page.value("node_memory_MemTotal_bytes", &[]).is_some_and(|bytes| bytes > 1e6));

    // It is read again at every scrape.
    std::fs::write(root.path().join("loadavg"), "0.12 0.34 0.56 1/123 4567\n").unwrap();
    let page =
        fixture.page_where("the load average", |page| page.value("node_load1", &[]).is_some()).await.unwrap();
    assert_eq!(page.value("node_load15", &[]), Some(0.56));
}

/// This machine's own files of the collectors asked about below.
fn copy_proc(root: &Path) {
    for file in ["loadavg", "meminfo", "stat", "vmstat", "diskstats", "cpuinfo", "uptime"] {
        let text = std::fs::read(Path::new("/proc").join(file)).unwrap();
        std::fs::write(root.join(file), text).unwrap();
    }
}

#[tokio::test]
async fn a_wrong_library_is_said_once_in_the_log() {
    let flags = [NO_LIBRARY, "--gpu.sample-interval=100ms", "--gpu.probe-timeout=500ms"];
    let fixture = ExporterFixture::start(&Gpus::Real, &flags).await.unwrap();
    fixture
        .page_where("a second probe to fail as the first did", |page| {
            page.value("gpu_probe_restarts_total", &["reason=\"driver\""]).is_some_and(|count| count >= 2.0)
        })
        .await
        .unwrap();
    let output = fixture.process.output();
    let lines = output.lines().filter(|line| line.contains("/nonexistent/libnvidia-ml.so.1"));
    assert_eq!(lines.count(), 1, "{output}");
}

#[test]
fn check_says_what_is_missing() {
    let exporter = programs::ours("gpu-node-exporter").unwrap();
    let output = Command::new(exporter).args(["--check", NO_LIBRARY]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/nonexistent/libnvidia-ml.so.1"), "{said}");
}

/// Runs the exporter, which must refuse to; what it says.
fn refused(flags: &[&str]) -> String {
    let exporter = programs::ours("gpu-node-exporter").unwrap();
    let output = Command::new(exporter).args(flags).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn bad_flags_are_all_named_at_once() {
    let said = refused(&["--web.listen-address=nowhere", "--gpu.sample-interval=soon", "--colector.cpu"]);
    for part in ["nowhere", "soon", "colector.cpu"] {
        assert!(said.contains(part), "`{part}` is not named:\n{said}");
    }
}

#[test]
fn files_and_ports_that_cannot_be_used_are_named_together() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(&[&format!("--web.listen-address={address}"), "--web.config.file=/nonexistent.yml"]);
    for part in [address.as_str(), "/nonexistent.yml"] {
        assert!(said.contains(part), "`{part}` is not named:\n{said}");
    }
}

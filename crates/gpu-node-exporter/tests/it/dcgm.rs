//! The second face: the GPUs under dcgm-exporter's names, on a listener of its own.

use std::net::SocketAddr;

use test_peers::client;
use test_peers::page::Page;

use crate::exporter::{Exporter, check};

const SCENARIO: &str = "description: test\ngpus: [{ model: h100-sxm, count: 2, utilization: { constant: 0.5 }, memory_used: { constant: 0.5 } }]\n";

/// The second listener's address, from the log.
fn second(exporter: &Exporter) -> SocketAddr {
    let words = "the GPUs are under dcgm-exporter's names at ";
    exporter.wait_for_log(words);
    let log = exporter.log();
    let (_, rest) = log.split_once(words).expect(&log);
    rest.split_ascii_whitespace().next().expect(rest).parse().expect(rest)
}

#[test]
fn a_job_of_dcgm_exporter_reads_it_unchanged() {
    let counters = tempfile::NamedTempFile::new().expect("a file");
    let lines = "DCGM_FI_DEV_GPU_UTIL, gauge, x\nDCGM_FI_DEV_FB_USED, gauge, x\nDCGM_FI_DEV_BRAND, label, x\nDCGM_FI_DEV_DIAG_STATUS, gauge, x\n";
    std::fs::write(counters.path(), lines).expect("written");
    let file = format!("--dcgm.counters-file={}", counters.path().display());
    let exporter = Exporter::on_scenario(SCENARIO, &["--dcgm.listen-address=127.0.0.1:0", &file]);
    exporter.wait_until("both GPUs are up", |page| page.says("gpu_up", &[r#"gpu="1""#], 1.0));
    let address = second(&exporter);
    let answer = client::request(address, "GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{answer:?}");
    let page = Page(answer.body);
    let second = [r#"gpu="1""#, r#"device="nvidia1""#, r#"pci_bus_id="00000000:"#, "Hostname="];
    assert_eq!(page.value("DCGM_FI_DEV_GPU_UTIL", &second), Some(50.0), "{}", page.0);
    assert!(page.value("DCGM_FI_DEV_FB_USED", &second) > Some(10_000.0), "MiB: {}", page.0);
    assert!(!page.0.contains("node_") && !page.0.contains("gpu_up"), "nothing else is there");
    assert!(
        exporter.log().contains("line 4: DCGM_FI_DEV_DIAG_STATUS is not read here"),
        "{}",
        exporter.log()
    );
    for (method, path, status) in [("GET", "/health", 200), ("GET", "/x", 404), ("POST", "/metrics", 405)] {
        assert_eq!(client::request(address, method, path, &[], b"").status, status, "{method} {path}");
    }
}

#[test]
fn every_line_that_is_wrong_is_named_at_once() {
    let counters = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(counters.path(), "DCGM_FI_DEV_GPU_UTIL\nGPU_TEMP, gauge, x\n").expect("written");
    let file = format!("--dcgm.counters-file={}", counters.path().display());
    let (code, report) = check(SCENARIO, &["--dcgm.listen-address=127.0.0.1:0", &file]);
    assert_eq!(code, Some(1), "{report}");
    for words in ["line 1: expected FIELD", "line 2: \"GPU_TEMP\" is no field of DCGM"] {
        assert!(report.contains(words), "{report}");
    }
}

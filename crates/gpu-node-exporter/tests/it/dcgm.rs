//! The second face: the GPUs under dcgm-exporter's names, on a listener of its own.

use std::cell::RefCell;
use std::net::SocketAddr;

use test_peers::client;
use test_peers::page::Page;

use crate::exporter::{Exporter, check};
use crate::pod_resources::Kubelet;

const SCENARIO: &str = "description: test\ngpus: [{ model: h100-sxm, count: 2, utilization: { constant: 0.5 }, memory_used: { constant: 0.5 } }]\n";

/// The second listener's address, from the log.
fn second(exporter: &Exporter) -> SocketAddr {
    let words = "the GPUs are under dcgm-exporter's names at ";
    exporter.wait_for_log(words);
    let log = exporter.log();
    let (_, rest) = log.split_once(words).expect(&log);
    rest.split_ascii_whitespace().next().expect(rest).parse().expect(rest)
}

/// The second listener's page, once it is so.
#[track_caller]
fn wait_for_page(exporter: &Exporter, is_so: impl Fn(&Page) -> bool) -> Page {
    let address = second(exporter);
    let found = RefCell::new(Page(String::new()));
    exporter.wait_until("the second listener's page is as expected", |_| {
        *found.borrow_mut() = Page(client::request(address, "GET", "/metrics", &[], b"").body);
        is_so(&found.borrow())
    });
    found.into_inner()
}

#[test]
fn a_job_of_dcgm_exporter_reads_it_unchanged() {
    let counters = tempfile::NamedTempFile::new().expect("a file");
    let lines = "DCGM_FI_DEV_GPU_UTIL, gauge, x\nDCGM_FI_DEV_FB_USED, gauge, x\nDCGM_FI_DEV_BRAND, label, x\nDCGM_FI_DEV_DIAG_STATUS, gauge, x\n";
    std::fs::write(counters.path(), lines).expect("written");
    let file = format!("--dcgm.counters-file={}", counters.path().display());
    let exporter = Exporter::on_scenario(SCENARIO, &["--dcgm.listen-address=127.0.0.1:0", &file]);
    let address = second(&exporter);
    let answer = client::request(address, "GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{answer:?}");
    let second = [r#"gpu="1""#, r#"device="nvidia1""#, r#"pci_bus_id="00000000:"#, "Hostname="];
    let page = wait_for_page(&exporter, |page| page.value("DCGM_FI_DEV_GPU_UTIL", &second) == Some(50.0));
    assert!(page.value("DCGM_FI_DEV_FB_USED", &second) > Some(10_000.0), "MiB: {}", page.0);
    assert!(!page.0.contains("node_") && !page.0.contains("gpu_up"), "nothing else is there");
    exporter.wait_for_log("line 4: DCGM_FI_DEV_DIAG_STATUS is not read here");
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

#[test]
fn series_name_the_pod_that_kubelet_gave_the_gpu_to() {
    let kubelet = Kubelet::that_gave(&["nvidia1"]);
    let exporter = Exporter::on_scenario(
        SCENARIO,
        &["--dcgm.listen-address=127.0.0.1:0", "--gpu.pods", &kubelet.flag()],
    );
    let of = |page: &Page, gpu: &str, labels: &[&str]| {
        page.value("DCGM_FI_DEV_GPU_UTIL", &[&[gpu], labels].concat())
    };
    let pod = [r#"container="vllm""#, r#"namespace="ai""#, r#"pod="qwen-0""#];
    // A GPU that nobody has is there, too.
    let page = wait_for_page(&exporter, |page| {
        of(page, r#"gpu="1""#, &pod) == Some(50.0) && of(page, r#"gpu="0""#, &[]) == Some(50.0)
    });
    assert_eq!(of(&page, r#"gpu="0""#, &pod), None, "{}", page.0);
}

#[test]
fn the_least_profile_says_which_fields_are_absent() {
    let flags = ["--dcgm.listen-address=127.0.0.1:0", "--gpu.profile=minimal"];
    let (_, report) = check(SCENARIO, &flags);
    assert!(report.contains("which have no series: DCGM_FI_DEV_SM_CLOCK, DCGM_FI_DEV_MEM_CLOCK"), "{report}");
    let exporter = Exporter::on_scenario(SCENARIO, &flags);
    exporter.wait_for_log("which have no series: DCGM_FI_DEV_SM_CLOCK");
    let page = wait_for_page(&exporter, |page| page.0.contains("DCGM_FI_DEV_GPU_TEMP{")).0;
    assert!(!page.contains("DCGM_FI_DEV_SM_CLOCK"), "{page}");
    assert!(!page.contains("DCGM_FI_DEV_VGPU_LICENSE_STATUS"), "what is not read is not 0: {page}");
}

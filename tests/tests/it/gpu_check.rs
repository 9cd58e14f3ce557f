//! `tests/gpu-check.sh` from its beginning to its end, with the simulated driver and a stand-in for nvidia-smi.
//!
//! The load is a stand-in too, which loads nothing: what a card does under load needs a card.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::ports::Port;
use e2e::programs;

fn files() -> PathBuf {
    programs::checkout().join("tests/tests/it/gpu_check")
}

fn exporter() -> PathBuf {
    programs::ours("gpu-node-exporter").unwrap()
}

/// `--gpu.library` of the simulated driver.
fn library() -> String {
    format!("--gpu.library={}", programs::ours("libnvml_sim.so").unwrap().display())
}

/// Runs the check of a scenario into a folder, with these programs before others, and says whether nothing failed.
fn check(record: &Path, scenario: &str, programs: &[PathBuf]) -> bool {
    let port = Port::free().unwrap();
    check_at(port.address(), &library(), record, scenario, programs)
}

/// The same with another driver, and at an address that may be taken.
fn check_at(address: SocketAddr, library: &str, record: &Path, scenario: &str, programs: &[PathBuf]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(programs.iter().cloned().chain(std::env::split_paths(&path))).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Command::new("bash")
        .arg(programs::checkout().join("tests/gpu-check.sh"))
        .args([exporter().as_path(), record])
        .arg(library)
        .env("PATH", path)
        .env("NVML_SIM_SCENARIO", files().join(scenario))
        // As a driver's, the simulated counters go on when a process is killed.
        .env("NVML_SIM_START", now.as_millis().to_string())
        .env("GPU_CHECK_SECONDS", "1")
        .env("GPU_CHECK_ADDRESS", address.to_string())
        .status()
        .unwrap()
        .success()
}

#[test]
fn the_check_compares_with_nvidia_smi_and_leaves_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let succeeded = check(folder.path(), "scenario.yaml", &[files()]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (summary, comparison) = (read("summary.txt"), read("comparison.txt"));

    // The stand-in says generation 4 of a link that the driver says is of generation 5.
    let of = |verdict: &str| -> Vec<_> {
        comparison
            .lines()
            .filter(|line| line.starts_with(verdict))
            .filter_map(|line| line.split('\t').nth(2))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(of("DIFFERS"), ["pcie_gen/current_link_gen"], "{comparison}");
    assert_eq!(of("same").len(), 23, "{comparison}");
    assert!(!succeeded, "what differs fails the check: {summary}");
    let failed: Vec<_> = summary.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failed, ["FAIL  no value differs from nvidia-smi's"], "{summary}");
    assert!(summary.contains("cost at 100ms: probe "), "{summary}");
    let of_readings = summary.lines().find_map(|line| line.strip_prefix("readings at 100ms: at most "));
    let oldest: f64 = of_readings.and_then(|rest| rest.split(' ').next()?.parse().ok()).expect(&summary);
    // The interval and a sweep; the rest is a busy machine.
    assert!(oldest > 0.0 && oldest < 15.0, "{summary}");
    assert!(read("before-kill.txt").contains("gpu_energy_joules_total{"), "there are counters to look at");

    // What was recorded is a scenario.
    let again = Command::new(exporter())
        .args(["--check", &library()])
        .env("NVML_SIM_SCENARIO", folder.path().join("scenario.yaml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("NVIDIA H100"), "{}\n{said}", read("scenario.yaml"));
}

/// A GPU without memory of its own, whose load rises by itself.
#[test]
fn what_a_gpu_does_not_tell_has_no_verdict_under_load() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), "unified.yaml", &[files(), files().join("load")]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let summary = read("summary.txt");
    let under_load: Vec<_> =
        summary.lines().filter(|line| line.contains("under load") && !line.contains("listed")).collect();
    assert_eq!(
        under_load,
        [
            "note  memory under load: not looked at, GPU 0 has no gpu_memory_used_bytes",
            "ok    utilisation rises under load",
            "ok    power rises under load",
        ],
        "{summary}"
    );
    assert!(read("scenario.yaml").contains("model: gb10,"), "{summary}");
    assert!(!summary.contains("stands for it"), "{summary}");
}

/// `grep -q` leaves at the first match, and then `curl` fails, on a page that is larger than a pipe holds.
#[test]
fn no_page_is_read_in_part() {
    let script = fs::read_to_string(programs::checkout().join("tests/gpu-check.sh")).unwrap();
    let in_part: Vec<_> =
        script.lines().filter(|line| line.contains("classic |") && line.contains("grep -q")).collect();
    assert!(in_part.is_empty(), "{in_part:?}");
}

#[test]
fn a_check_that_cannot_go_on_says_why_and_where_its_record_is() {
    let folder = tempfile::tempdir().unwrap();
    let summary = |address: SocketAddr, library: &str| {
        assert!(!check_at(address, library, folder.path(), "scenario.yaml", &[files()]));
        fs::read_to_string(folder.path().join("summary.txt")).unwrap()
    };

    let free = Port::free().unwrap();
    let said = summary(free.address(), "--gpu.library=/no/such/driver.so");
    assert!(said.contains("FAIL  a GPU is up within 15 s"), "{said}");
    assert!(said.contains("/no/such/driver.so"), "what the exporter says: {said}");
    assert!(said.lines().last().unwrap().contains("failed; the record is in "), "{said}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = summary(taken.local_addr().unwrap(), &library());
    assert!(said.contains("the exporter has ended by itself"), "{said}");
    assert!(said.lines().last().unwrap().contains("failed; the record is in "), "{said}");
}

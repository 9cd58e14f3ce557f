//! The built library, loaded by path through `nvml-wrapper` by the example program `show`.
//!
//! A scenario is chosen by the environment of the process that loads the library, hence a process a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What cargo built beside this test: `target/debug/deps/it-…` → `target/debug`.
fn built(path: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests are built two folders deep");
    let path = folder.join(path);
    assert!(path.exists(), "{} is missing (hint: cargo build -p nvml-sim --lib --examples)", path.display());
    path
}

/// Shows a scenario as it is `age` after its origin.
fn show(scenario: &Path, age: Duration, events: Option<Duration>) -> Output {
    let origin = SystemTime::now() - age;
    let start = origin.duration_since(UNIX_EPOCH).expect("after 1970");
    let mut command = Command::new(built("examples/show"));
    command.arg(built("deps/libnvml_sim.so"));
    command.env("NVML_SIM_SCENARIO", scenario).env("NVML_SIM_START", start.as_millis().to_string());
    if let Some(wait) = events {
        command.env("NVML_SIM_SHOW_EVENTS_MS", wait.as_millis().to_string());
    }
    command.output().expect("the example runs")
}

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

/// Everything printed by a run that must succeed.
#[track_caller]
fn shown(name: &str, age: Duration) -> String {
    let output = show(&scenario(name), age, None);
    assert!(output.status.success(), "{name}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn eight_gpus_answer_and_are_marked_as_simulated() {
    let text = shown("h100x8.yaml", Duration::from_secs(100));
    assert!(text.starts_with("driver 570.86.15 (simulated) cuda 12080\n8 GPUs\n"), "{text}");
    assert_eq!(text.matches("name=NVIDIA H100 80GB HBM3 (simulated) memory=").count(), 8, "{text}");
    assert_eq!(text.matches("NotSupported").count(), 8, "only the fans, which these cards lack: {text}");
    assert!(text.contains(" samples=119 ") || text.contains(" samples=120 "), "{text}");
}

#[test]
fn a_consumer_card_leaves_out_what_it_cannot_say() {
    let text = shown("consumer.yaml", Duration::from_secs(10));
    assert!(text.contains("ecc=NotSupported"), "{text}");
    assert!(!text.contains("fan=NotSupported"), "{text}");
}

#[test]
fn memory_fills_and_recovers_on_time() {
    let used = |age| {
        let text = shown("memory-leak.yaml", Duration::from_secs(age));
        let (_, rest) = text.split_once("memory=").expect("a reading");
        rest.split(' ').next().expect("a number").parse::<u32>().expect("a number")
    };
    // 60 % and 99.5 % of 81,559 MiB less 551 reserved.
    assert_eq!(used(10), 48_604);
    assert_eq!(used(120), 80_602);
    assert_eq!(used(600), 48_604);
}

#[test]
fn a_lost_gpu_fails_by_index_and_comes_back() {
    let during = shown("gpu-lost.yaml", Duration::from_secs(100));
    assert!(during.contains("\n3: GpuLost\n") && during.contains("\n4: name="), "{during}");
    assert!(shown("gpu-lost.yaml", Duration::from_secs(400)).contains("\n3: name="));
}

#[test]
fn mig_mode_reports_no_utilisation() {
    let text = shown("mig.yaml", Duration::from_secs(10));
    assert!(text.contains("busy=NotSupported samples=NotSupported power="), "{text}");
}

#[test]
fn a_machine_without_gpus_is_a_machine() {
    assert!(shown("no-device.yaml", Duration::ZERO).ends_with("\n0 GPUs\n"));
}

#[test]
fn a_mismatched_driver_refuses_and_later_accepts() {
    let output = show(&scenario("driver-mismatch.yaml"), Duration::from_secs(5), None);
    assert!(String::from_utf8_lossy(&output.stderr).contains("LibRmVersionMismatch"), "{output:?}");
    assert!(shown("driver-mismatch.yaml", Duration::from_mins(3)).contains("2 GPUs"));
}

#[test]
fn a_crash_is_a_real_signal() {
    use std::os::unix::process::ExitStatusExt;
    let output = show(&scenario("crash.yaml"), Duration::from_mins(1), None);
    assert_eq!(output.status.signal(), Some(11), "{output:?}");
}

#[test]
fn xids_are_delivered_to_those_who_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("soon.yaml");
    let text = "description: soon\ngpus: [{ model: h100-sxm, count: 2 }]\n\
        incidents: [{ gpu: 1, at: 61s, kind: xid, xid: 94 }, { gpu: 1, at: 61s, kind: xid, xid: 48 }]\n";
    std::fs::write(&path, text).expect("writable");
    let output = show(&path, Duration::from_mins(1), Some(Duration::from_secs(2)));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with("waiting for events\nxid 94 on 1\nxid 48 on 1\n"), "{output:?}");
}

#[test]
fn a_number_that_is_set_stands_in_the_answer_of_its_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("set.yaml");
    let text = "description: set\ngpus: [{ model: h100-sxm }]\n\
        incidents: [{ gpu: 0, at: 0s, kind: answer, number: 18446744073709551615, call: nvmlDeviceGetPowerUsage }]\n";
    std::fs::write(&path, text).expect("writable");
    let output = show(&path, Duration::from_mins(1), None);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("power=4294967295"), "cut to 32 bits: {output:?}");
    assert!(text.contains("samples=120 ") || text.contains("samples=119 "), "no other call's: {text}");
}

#[test]
fn a_bad_scenario_is_told_with_file_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.yaml");
    std::fs::write(&path, "description: x\ngpus: [{ model: h200 }]\n").expect("writable");
    let output = show(&path, Duration::ZERO, None);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        stderr.contains("bad.yaml") && stderr.contains("gpus[0].model") && stderr.contains("h100-sxm"),
        "{stderr}"
    );

    let stderr = show(&folder.path().join("absent.yaml"), Duration::ZERO, None).stderr;
    assert!(String::from_utf8_lossy(&stderr).contains("absent.yaml"));
}

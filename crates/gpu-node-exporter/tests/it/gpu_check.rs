//! What `--check` tells of GPUs.

use std::time::{Duration, Instant};

use crate::exporter::{Exporter, check, sysfs};

#[test]
fn a_check_tells_what_each_gpu_does_not_report() {
    let (code, told) =
        check("description: test\ngpus: [{ model: rtx4090, utilization: { constant: 0.5 } }]\n", &[]);
    assert!(told.contains("NVIDIA driver 570.86.15 (simulated)"), "{told}");
    assert!(told.contains("GPU 0: NVIDIA GeForce RTX 4090 (simulated), GPU-51b00000"), "{told}");
    assert!(told.contains("does not report") && told.contains("memory temperature"), "{told}");
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_check_fails_on_what_does_not_work() {
    for (driver, incident, reason) in [
        ("init: driver_not_loaded", "", "modprobe nvidia"),
        ("init: ok", "{ gpu: 0, at: 0s, kind: lost }", "GPU 0: fallen off the bus"),
        ("init: ok", "{ gpu: 0, at: 0s, kind: crash }", "GPU 0: calls to it crash"),
    ] {
        let scenario = format!(
            "description: test\ndriver: {{ {driver} }}\ngpus: [{{ model: rtx4090 }}]\nincidents: [{incident}]\n"
        );
        let (code, told) = check(&scenario, &[]);
        assert!(told.contains(reason), "{driver} {incident}: {told}");
        assert_eq!(code, Some(1), "{told}");
    }
}

#[test]
fn a_check_tells_of_the_others_while_a_gpu_hangs() {
    let began = Instant::now();
    let (code, told) = check(include_str!("testdata/hangnow.yaml"), &["--gpu.probe-timeout=2s"]);
    assert!(told.contains("GPU 0: NVIDIA H100") && told.contains("loadavg"), "{told}");
    assert!(told.contains("GPU 1: calls to it do not return within 12s"), "{told}");
    assert_eq!(code, Some(1), "{told}");
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "it was given twelve seconds, and would have waited a minute"
    );

    let scenario = "description: test\ndriver: { init: hang }\ngpus: [{ model: h100-sxm }]\n";
    let (code, told) = check(scenario, &["--gpu.probe-timeout=500ms"]);
    assert!(told.contains("the driver does not answer within 3s") && told.contains("loadavg"), "{told}");
    assert_eq!(code, Some(1), "{told}");
}

#[test]
fn a_check_waits_for_a_gpu_that_has_to_be_woken() {
    let scenario = "description: test\ngpus: [{ model: h100-sxm }]\n\
        incidents: [{ gpu: 0, at: 0s, kind: slow, latency: 6s, call: nvmlDeviceGetHandleByIndex_v2 }]\n";
    let (code, told) = check(scenario, &["--gpu.probe-timeout=5s"]);
    assert!(told.contains("GPU 0: NVIDIA H100"), "{told}");
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_check_misses_a_gpu_that_is_on_the_bus() {
    let sysfs = sysfs(&["0000:17:00.0", "0000:1a:00.0"]);
    let path = format!("--path.sysfs={}", sysfs.path().display());
    let only_gpus = ["--collector.disable-defaults", "--collector.gpu", &path];
    for (count, code) in [(1, Some(1)), (2, Some(0))] {
        let scenario = format!("description: test\ngpus: [{{ model: h100-sxm, count: {count} }}]\n");
        let (left_with, told) = check(&scenario, &only_gpus);
        assert_eq!(left_with, code, "{told}");
        assert_eq!(told.contains("0000:1a:00.0"), count == 1, "{told}");
    }
}

#[test]
fn more_gpus_than_any_machine_has_are_not_believed() {
    let scenario = "description: test\ngpus: [{ model: h100-sxm, count: 65 }]\n";
    let (code, told) = check(scenario, &["--collector.disable-defaults", "--collector.gpu"]);
    assert!(told.contains("the driver lists 65 GPUs; more than 64 are not believed"), "{told}");
    assert_eq!(code, Some(1), "{told}");
    let exporter = Exporter::on_scenario(scenario, &[]);
    exporter.wait_for_log("the driver lists 65 GPUs");
    exporter.wait_until("it is a fault", |page| {
        page.says("node_scrape_collector_success", &[r#"collector="gpu""#], 0.0)
    });
}

//! GPUs and drivers that come, or come back, while the exporter runs: a new probe sees what a running one does not.

use std::time::{Duration, Instant};

use crate::exporter::{Exporter, Trigger, sysfs, wait_until_gone};
use crate::gpu_faults::{FIRST, SECOND, both_up, gpu_success, restarts, second_gpu_suffers, two_gpus};

/// Until a GPU has been tried again: twelve time-outs of a second, twice as many when a busy machine had it given up before.
const RETRIALS: Duration = Duration::from_mins(3);

#[test]
fn a_gpu_that_only_a_new_process_sees_again_is_seen_again() {
    let trigger = Trigger::new();
    let scenario = second_gpu_suffers(&trigger, "kind: lost");
    let exporter = Exporter::on_scenario(&scenario, &["--gpu.probe-timeout=1s"]);
    exporter.wait_for(RETRIALS, "both GPUs are up before the loss", both_up);
    trigger.begin();
    exporter.wait_until("the loss is told", |page| page.says("gpu_up", SECOND, 0.0));
    exporter.play_to_new_probes(&two_gpus(""));
    let page = exporter.wait_for(RETRIALS, "it returns", both_up);
    // A busy machine may have had its process replaced for another reason before.
    let tried = restarts(&page, "retrial").zip(restarts(&page, "stuck"));
    assert!(tried.is_some_and(|(retrial, stuck)| retrial + stuck >= 1.0), "{}", exporter.log());
}

#[test]
fn a_gpu_that_is_added_is_seen() {
    let gpus = |count: u32| format!("description: test\ngpus: [{{ model: h100-sxm, count: {count} }}]\n");
    let sysfs = sysfs(&["0000:17:00.0", "0000:1a:00.0"]);
    let path = format!("--path.sysfs={}", sysfs.path().display());
    let exporter = Exporter::on_scenario(&gpus(1), &[&path, "--gpu.probe-timeout=1s"]);
    let unseen = [r#"pci_bus_id="0000:1a:00.0""#];
    exporter.wait_for(RETRIALS, "the bus has one more than the driver, which is a fault", |page| {
        page.says("gpu_up", FIRST, 1.0) && page.says("gpu_up", &unseen, 0.0) && gpu_success(page) == Some(0.0)
    });
    exporter.play_to_new_probes(&gpus(2));
    exporter.wait_for(RETRIALS, "both GPUs are up, and nothing is wrong", |page| {
        both_up(page) && gpu_success(page) == Some(1.0)
    });
}

#[test]
fn a_driver_that_comes_later_is_taken_up() {
    let scenario = |init: &str| {
        format!(
            "description: test\ndriver: {{ init: {init} }}\ngpus: [{{ model: rtx4090, utilization: {{ constant: 0.5 }} }}]\n"
        )
    };
    let begun = Instant::now();
    let refusing = scenario("lib_rm_version_mismatch");
    let exporter = Exporter::on_scenario(&refusing, &["--gpu.probe-timeout=6s"]);
    let page = exporter.wait_until("it refuses", |page| restarts(page, "driver") >= Some(1.0));
    assert_eq!(gpu_success(&page), Some(0.0));
    // Silence is a fault after twelve.
    exporter.wait_until("it refuses for long", |_| begun.elapsed() > Duration::from_secs(13));
    exporter.play_to_new_probes(&scenario("ok"));
    let page = exporter.wait_until("it works", |page| page.says("gpu_up", FIRST, 1.0));
    assert!(!exporter.log().contains("no GPU readings any more"), "it has only come: {}", exporter.log());
    assert!(page.says("gpu_driver_info", &[r#"version="570.86.15 (simulated)""#], 1.0));
    assert_eq!(gpu_success(&page), Some(1.0), "{}", exporter.log());
    assert!(page.value("gpu_fan_speed_ratio", &[FIRST[0], r#"fan="1""#]).is_some());
    assert!(page.value("gpu_ecc_errors_total", FIRST).is_none(), "what a card lacks is absent, not zero");
    assert!(page.value("gpu_energy_joules_total", FIRST).is_some());
}

#[test]
fn a_released_driver_is_free_until_it_is_acquired() {
    let exporter =
        Exporter::on_scenario(&two_gpus(""), &["--web.enable-lifecycle", "--gpu.probe-timeout=6s"]);
    exporter.wait_until("both GPUs are up", both_up);
    let probes = exporter.probes();
    exporter.request("POST", "/-/gpu/release");
    wait_until_gone(probes[0]);
    let page = exporter.scrape();
    assert_eq!(exporter.probes(), []);
    assert_eq!(page.value("gpu_probe_released", &[]), Some(1.0));
    assert_eq!(gpu_success(&page), Some(1.0), "what was asked for is no fault");
    assert!(page.value("gpu_up", &[]).is_none(), "nobody knows");
    assert!(page.value("node_load1", &[]).is_some());

    // Silence would be a fault by then: after twelve seconds.
    exporter.wait_until("it lasts", |page| page.value("gpu_snapshot_age_seconds", &[]) > Some(12.5));
    exporter.request("POST", "/-/gpu/acquire");
    let page = exporter.wait_until("the GPUs are read again", both_up);
    assert_eq!(page.value("gpu_probe_released", &[]), Some(0.0));
    assert!(!exporter.log().contains("readings any more"), "{}", exporter.log());
}

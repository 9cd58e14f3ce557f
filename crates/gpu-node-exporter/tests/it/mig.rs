//! GPU instances (MIG): each by its number and profile, and as they are after the layout has changed.

use crate::exporter::{Exporter, Page, Trigger, check};

/// The value of a family for an instance of GPU 0.
fn value(page: &Page, name: &str, instance: u32, profile: &str) -> Option<f64> {
    let labels = [format!("gpu_instance=\"{instance}\""), format!("profile=\"{profile}\"")];
    page.value(name, &[r#"gpu="0""#, &labels[0], &labels[1]])
}

#[test]
fn instances_are_shown_as_they_are() {
    let trigger = Trigger::new();
    let exporter = Exporter::on_scenario(
        &format!(
            "description: test\n\
             gpus: [{{ model: h100-sxm, mig: true, mig_instances: [3g.40gb, 1g.10gb], utilization: {{ constant: 0.5 }}, memory_used: {{ constant: 0.5 }} }}, {{ model: h100-sxm }}]\n\
             incidents: [{{ gpu: 0, trigger: {0}, kind: mig_layout, instances: [4g.40gb] }}, \
               {{ gpu: 0, trigger: {0}, kind: error, code: 3, call: nvmlDeviceGetRowRemapperHistogram }}]\n",
            trigger.path().display()
        ),
        &[],
    );
    let page = exporter.wait_until("both instances are measured", |page| {
        value(page, "gpu_mig_sm_active_ratio", 1, "3g.40gb") == Some(0.45)
            && value(page, "gpu_mig_sm_active_ratio", 2, "1g.10gb") == Some(0.45)
    });
    let gibibytes = |count: u32| Some(f64::from(count) * f64::from(1 << 30));
    assert_eq!(value(&page, "gpu_mig_memory_total_bytes", 1, "3g.40gb"), gibibytes(40));
    assert_eq!(value(&page, "gpu_mig_memory_used_bytes", 2, "1g.10gb"), gibibytes(5));
    assert_eq!(page.value("gpu_mig_instance_info", &[r#"gpu_instance="1""#, "mig_uuid=\"MIG-"]), Some(1.0));
    assert!(
        page.value("gpu_row_remap_banks", &[r#"gpu="0""#, r#"availability="max""#]).is_some(),
        "{}",
        exporter.log()
    );
    let hmma = page.value("gpu_mig_tensor_pipe_active_ratio", &[r#"gpu_instance="1""#, r#"pipe="hmma""#]);
    assert_eq!(hmma, Some(0.25));
    assert_eq!(page.value("gpu_sm_active_ratio", &[r#"gpu="0""#]), None, "the counters are the instances'");
    assert_eq!(page.value("gpu_gpm_supported", &[r#"gpu="0""#]), Some(1.0));
    let mut of_instances = page.samples().filter(|sample| sample.labels.contains_key("gpu_instance"));
    assert!(of_instances.all(|sample| sample.labels["gpu"] == "0"), "the other is not divided");

    trigger.begin();
    let page = exporter.wait_until("the new layout is shown", |page| {
        value(page, "gpu_mig_sm_active_ratio", 8, "4g.40gb") == Some(0.45)
    });
    assert_eq!(value(&page, "gpu_mig_memory_total_bytes", 8, "4g.40gb"), gibibytes(40));
    let numbers: Vec<_> = page
        .samples()
        .filter(|sample| sample.name == "gpu_mig_instance_info")
        .map(|sample| sample.labels["gpu_instance"].clone())
        .collect();
    assert_eq!(numbers, ["8"], "nothing is left of the old layout");
    exporter.wait_until("what the GPU no longer has is no fault", |page| {
        page.value("gpu_row_remap_banks", &[r#"gpu="0""#, r#"availability="max""#]).is_none()
            && page.says("node_scrape_collector_success", &[r#"collector="gpu""#], 1.0)
    });
}

/// One GPU in MIG mode whose memory, or whose instances alone, this user may not see.
const FORBIDDEN: &str = include_str!("../../../nvml-sim/scenarios/mig-forbidden.yaml");

#[test]
fn what_this_user_may_not_see_is_told_once_with_what_to_do() {
    let exporter = Exporter::on_scenario(FORBIDDEN, &[]);
    let energy = |page: &Page| page.value("gpu_energy_joules_total", &[]);
    let page = exporter.wait_until("the GPU is read", |page| energy(page).is_some());
    let first = energy(&page);
    let is_told =
        |page: &Page| page.value("node_scrape_collector_success", &[r#"collector="gpu""#]) == Some(0.0);
    // A second of 350 W.
    let page = exporter.wait_until("ten sweeps later", |page| {
        energy(page) > first.map(|first| first + 300.0) && is_told(page)
    });
    assert_eq!(page.value("gpu_up", &[]), Some(1.0));
    assert_eq!(page.value("gpu_memory_total_bytes", &[]), None);
    for reading in ["memory", "MIG instances"] {
        let words = format!("{reading}: not permitted to the user as which this runs (hint: ");
        exporter.wait_for_log(&words);
        assert_eq!(exporter.log().matches(&words).count(), 1, "{reading}: {}", exporter.log());
    }
    let log = exporter.log();
    for words in ["NVIDIA_CAPS in .env", "DeviceAllow=char-nvidia-caps", "see \"MIG\" in deploy/README.md"] {
        assert!(log.replace("\\\"", "\"").contains(words), "{words}: {log}");
    }
    let (code, told) = check(FORBIDDEN, &[]);
    assert!(code == Some(1) && told.contains("GPU 0: MIG instances: not permitted"), "{told}");
}

#[test]
fn a_mode_that_cannot_be_read_is_what_it_was() {
    let trigger = Trigger::new();
    let scenario = format!(
        "description: test\n\
         gpus: [{{ model: h100-sxm, mig: true, mig_instances: [3g.40gb], memory_used: {{ constant: 0.5 }} }}]\n\
         incidents: [{{ gpu: 0, trigger: {}, kind: error, code: 999, call: nvmlDeviceGetMigMode }}]\n",
        trigger.path().display()
    );
    let exporter = Exporter::on_scenario(&scenario, &[]);
    exporter.wait_until("it is in MIG mode", |page| page.says("gpu_mig_enabled", &[], 1.0));
    trigger.begin();
    let page = exporter.wait_until("the mode is not known, and instances are shown", |page| {
        page.value("gpu_mig_enabled", &[]).is_none()
            && value(page, "gpu_mig_memory_used_bytes", 1, "3g.40gb").is_some()
    });
    assert_eq!(page.value("gpu_utilization_ratio", &[]), None);
}

#[test]
fn what_an_older_call_tells_is_not_missing() {
    let scenario = "description: test\ngpus: [{ model: h100-sxm }]\n\
        incidents: [{ gpu: 0, at: 0s, kind: error, code: 4, call: nvmlDeviceGetMemoryInfo_v2 }]\n";
    let (_, told) = check(scenario, &[]);
    assert!(!told.contains("memory: not permitted"), "{told}");
}

//! Processes on GPUs: that they are found whatever layout the driver writes, and whose they are.

use crate::exporter::Exporter;

/// A GPU with two processes under this driver.
fn scenario(driver: &str) -> String {
    format!(
        "description: test\ndriver: {{ {driver} }}\ngpus: [{{ model: h100-sxm }}]\n\
         processes: [{{ gpu: 0, pid: 4000001, memory_mib: 100 }}, {{ gpu: 0, pid: 4000002 }}]\n"
    )
}

#[test]
fn the_list_is_read_in_each_layout() {
    for driver in [
        r#"version: "570.86.15""#,
        // The longer layout, no third version, and the short one again.
        r#"version: "535.54.03""#,
        r#"version: "535.98""#,
        r#"version: "535.104.05""#,
        r#"version: "470.82.01""#,
        // No more than the first version.
        r#"version: "450.80.02", missing: [nvmlDeviceGetComputeRunningProcesses_v2]"#,
    ] {
        let exporter = Exporter::on_scenario(&scenario(driver), &[]);
        let page = exporter.wait_until("the GPU is read", |page| page.value("gpu_up", &[]) == Some(1.0));
        assert_eq!(page.value("gpu_processes", &[]), Some(2.0), "{driver}");
        let success = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
        assert_eq!(success, Some(1.0), "{driver}: {}", exporter.log());
    }
}

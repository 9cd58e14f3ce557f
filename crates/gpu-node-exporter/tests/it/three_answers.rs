//! Unsupported, failed and zero are three things, for each reading: a card without it is well, one that fails is told.

use crate::exporter::{Exporter, Page};

/// Calls, and a family that each gives.
const CALLS: [(&str, &str); 25] = [
    ("nvmlDeviceGetAccountingMode", "gpu_accounting_enabled"),
    ("nvmlDeviceGetAddressingMode", "gpu_addressing_mode"),
    ("nvmlDeviceGetArchitecture", ""),
    ("nvmlDeviceGetComputeMode", "gpu_compute_mode"),
    ("nvmlDeviceGetEccMode", "gpu_ecc_enabled"),
    ("nvmlDeviceGetGpuFabricInfo", "gpu_fabric_state"),
    ("nvmlDeviceGetGpuFabricInfoV", "gpu_fabric_state"),
    ("nvmlDeviceGetGridLicensableFeatures_v4", ""),
    ("nvmlDeviceGetJpgUtilization", "gpu_jpeg_utilization_ratio"),
    ("nvmlDeviceGetMarginTemperature", "gpu_temperature_margin_celsius"),
    ("nvmlDeviceGetMemoryErrorCounter", "gpu_ecc_location_errors_total"),
    ("nvmlDeviceGetOfaUtilization", "gpu_ofa_utilization_ratio"),
    ("nvmlDeviceGetPersistenceMode", "gpu_persistence_mode"),
    ("nvmlDeviceGetPowerManagementDefaultLimit", "gpu_power_default_limit_watts"),
    ("nvmlDeviceGetPowerManagementLimit", "gpu_power_requested_limit_watts"),
    ("nvmlDeviceGetPowerManagementLimitConstraints", "gpu_power_max_limit_watts"),
    ("nvmlDeviceGetRepairStatus", "gpu_repair_pending"),
    ("nvmlDeviceGetRowRemapperHistogram", "gpu_row_remap_banks"),
    ("nvmlDeviceGetSramEccErrorStatus", "gpu_ecc_sram_threshold_exceeded"),
    ("nvmlDeviceGetTemperatureThreshold", "gpu_temperature_limit_celsius"),
    ("nvmlDeviceGetTotalEccErrors", "gpu_ecc_errors_total"),
    ("nvmlDeviceGetUnrepairableMemoryFlag_v1", "gpu_unrepairable_memory"),
    ("nvmlDeviceWorkloadPowerProfileGetCurrentProfiles", "gpu_workload_power_profile"),
    ("nvmlGpmQueryDeviceSupport", "gpu_sm_active_ratio"),
    ("nvmlGpmSampleGet", "gpu_sm_active_ratio"),
];

/// Two idle cards of the newest kind, of which the second answers this code to these calls. Returns a page after several sweeps.
fn second_answers(code: u32, calls: &[&str]) -> (Exporter, Page) {
    let incidents: Vec<_> = calls
        .iter()
        .map(|call| format!("{{ gpu: 1, at: 0s, kind: error, code: {code}, call: {call} }}"))
        .collect();
    let scenario = format!(
        "description: test\ndriver: {{ version: \"595.10\" }}\ngpus: [{{ model: b200, count: 2 }}]\nincidents: [{}]\n",
        incidents.join(", ")
    );
    let exporter = Exporter::on_scenario(&scenario, &[]);
    let page = exporter.wait_until("both were read, and the first measured", |page| {
        page.value("gpu_sm_active_ratio", &[r#"gpu="0""#]).is_some()
            && page.says("gpu_up", &[r#"gpu="1""#], 1.0)
    });
    (exporter, page)
}

fn shows(page: &Page, gpu: &str, name: &str) -> bool {
    page.samples().any(|sample| sample.name == name && sample.labels.get("gpu").is_some_and(|of| of == gpu))
}

const NOT_SUPPORTED: u32 = 3;
const FUNCTION_NOT_FOUND: u32 = 13;
const UNKNOWN: u32 = 999;

#[test]
fn each_reading_can_be_missing_and_can_fail() {
    let calls = CALLS.map(|(call, _)| call);
    for (code, success) in [(NOT_SUPPORTED, 1.0), (FUNCTION_NOT_FOUND, 1.0), (UNKNOWN, 0.0)] {
        let (exporter, page) = second_answers(code, &calls);
        for (call, name) in CALLS.iter().filter(|(_, name)| !name.is_empty()) {
            assert!(shows(&page, "0", name), "{code}: {name} of the healthy one\n{}", page.0);
            assert!(!shows(&page, "1", name), "{code} by {call}: {name}");
        }
        assert!(shows(&page, "1", "gpu_power_watts"), "{code}: what is answered is shown");
        let found = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
        assert_eq!(found, Some(success), "{code}\n{}", exporter.log());
    }
}

/// Each by itself, so that the log names it.
#[test]
fn a_reading_that_fails_is_named() {
    for (call, told) in [
        ("nvmlDeviceGetSramEccErrorStatus", "SRAM errors: unknown error"),
        ("nvmlGpmSampleGet", "GPM sample: unknown error"),
        ("nvmlDeviceGetGpuFabricInfoV", "fabric: unknown error"),
    ] {
        let (exporter, page) = second_answers(UNKNOWN, &[call]);
        exporter.wait_for_log(&format!("GPU 1 (GPU-51b00000-0000-4000-8000-000000000001): {told}"));
        let support = page.value("gpu_gpm_supported", &[r#"gpu="1""#]);
        assert_eq!(support, Some(1.0), "{call}: a card with counters that fail is none without");
    }
}

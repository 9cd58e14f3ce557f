//! The names that the scraped pages and the rules have, from the sources that pin them.

use std::collections::BTreeSet;

use crate::files::{in_folder, text};
use crate::rules;

/// Pages that a test compares with what a program writes. A line is a series, or says something about one.
const PAGES: [&str; 4] = [
    "crates/gpu-node-exporter/src/gpu/families/snapshots/gpu_node_exporter__gpu__families__tests__everything_has_its_name_and_unit.snap",
    "crates/gpu-node-exporter/src/gpu/holders/families/snapshots/gpu_node_exporter__gpu__holders__families__tests__everything_has_its_name_and_labels.snap",
    "crates/gpu-node-exporter/src/host/testdata/node_exporter/e2e-output.txt",
    "crates/alert-relay/src/metrics/snapshots/alert_relay__metrics__tests__the_page_of_a_relay_that_has_done_nothing.snap",
];

/// What no stored page has: of Prometheus and Alertmanager, of collectors that ask the machine, of a relay that has worked. The chain's
/// test holds each against a running Prometheus.
pub(crate) const OF_RUNNING_PROGRAMS: [&str; 45] = [
    "ALERTS",
    "ALERTS_FOR_STATE",
    "up",
    "gpu_engine_canary_duration_seconds",
    "gpu_engine_canary_up",
    "gpu_engine_page_info",
    "gpu_engine_page_up",
    "gpu_engine_page_progress_age_seconds",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "node_scrape_collector_duration_seconds",
    "node_scrape_collector_success",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total",
    "node_filesystem_time_to_full_seconds",
    "node_memory_time_to_full_seconds",
    "node_uname_info",
    "node_boot_time_seconds",
    "node_time_seconds",
    "node_vmstat_oom_kill",
    "alert_relay_target_up",
    "alert_relay_http_requests_total",
    "alertmanager_alerts",
    "alertmanager_silences",
    "alertmanager_notifications_total",
    "alertmanager_notifications_failed_total",
    "alertmanager_config_last_reload_successful",
    "prometheus_build_info",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_errors_total",
    "prometheus_notifications_sent_total",
    "prometheus_notifications_queue_length",
    "prometheus_notifications_queue_capacity",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_last_duration_seconds",
    "prometheus_rule_group_interval_seconds",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_tsdb_storage_blocks_bytes",
    "process_start_time_seconds",
];

/// Parts that a machine may not have, under the names that `node_exporter` 1.12.1 shows them by (its `e2e-output.txt`); the last ones are of the
/// textfile script `nvme_metrics.py`. A running machine need not show them.
pub(crate) const OF_PARTS: [&str; 26] = [
    "node_edac_correctable_errors_total",
    "node_edac_uncorrectable_errors_total",
    "node_filefd_allocated",
    "node_filefd_maximum",
    "node_hwmon_sensor_label",
    "node_hwmon_temp_celsius",
    "node_hwmon_temp_crit_alarm_celsius",
    "node_hwmon_temp_crit_celsius",
    "node_infiniband_link_downed_total",
    "node_infiniband_link_error_recovery_total",
    "node_infiniband_rate_bytes_per_second",
    "node_infiniband_state_id",
    "node_md_disks",
    "node_md_disks_required",
    "node_md_state",
    "node_nf_conntrack_entries",
    "node_nf_conntrack_entries_limit",
    "node_nvme_info",
    "node_timex_maxerror_seconds",
    "node_timex_offset_seconds",
    "node_timex_sync_status",
    "node_cpu_package_throttles_total",
    "nvme_available_spare_ratio",
    "nvme_available_spare_threshold_ratio",
    "nvme_critical_warning",
    "nvme_percentage_used_ratio",
];

/// Every name that a query may have.
pub(crate) fn all() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = OF_RUNNING_PROGRAMS.map(str::to_owned).into();
    names.extend(OF_PARTS.map(str::to_owned));
    for page in PAGES.map(str::to_owned).into_iter().chain(in_folder("tests/engines", ".prom")) {
        names.extend(text(&page).lines().filter_map(name).map(str::to_owned));
    }
    let recorded =
        rules::all().into_iter().filter_map(|(_, rule)| rule["record"].as_str().map(str::to_owned));
    names.extend(recorded);
    names
}

/// The name of the series that a line shows.
fn name(line: &str) -> Option<&str> {
    let end =
        line.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'))?;
    let (name, rest) = line.split_at(end);
    // A series ends with its value; frames of snapshots (`source: …`) and explanations do not.
    let is_series = rest.split_whitespace().next_back().is_some_and(|value| value.parse::<f64>().is_ok());
    (is_series && !name.is_empty()).then_some(name)
}

#[test]
fn names_are_read_from_series_alone() {
    assert_eq!(name("gpu_up{gpu=\"0\"} 1"), Some("gpu_up"));
    assert_eq!(name("alert_relay_audit_imbalance 0"), Some("alert_relay_audit_imbalance"));
    assert_eq!(name("vllm:num_requests_running{engine=\"0\"} 0.0"), Some("vllm:num_requests_running"));
    assert_eq!(name("# TYPE gpu_up gauge"), None);
    assert_eq!(name("source: crates/x.rs"), None);
    assert_eq!(name("alert_relay_build The program."), None);
    assert_eq!(name("---"), None);
    let names = all();
    for name in [
        "gpu_up",
        "gpu_engine_state",
        "node_load1",
        "alert_relay_deliveries_pending",
        "gpu:memory_used:ratio",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert!(!names.contains("gpu_memory_used"));
}

//! Drivers from R450 on: the newest call first, an older one where the driver lacks it, and nothing that is not there.

use crate::exporter::{Exporter, Page};

/// One driver with one card, which is hot for a second.
struct Generation {
    driver: &'static str,
    model: &'static str,
    /// Families that are there, each with a part of a label set.
    shows: &'static [(&'static str, &'static str)],
    /// Families that are not.
    lacks: &'static [&'static str],
    /// Reasons whose time the driver counts, beside the power cap's and the like.
    counts: &'static [&'static str],
}

const GENERATIONS: [Generation; 11] = [
    Generation {
        driver: "450.80.02",
        model: "t4",
        shows: &[
            ("gpu_memory_used_bytes", ""),
            ("gpu_throttle_active", "hw_thermal"),
            ("gpu_retired_pages", "double_bit"),
            ("gpu_retired_pages_pending", ""),
            ("gpu_ecc_location_errors_total", "dram"),
            ("gpu_power_max_limit_watts", ""),
            ("gpu_throttle_seconds_total", "reliability"),
            ("gpu_persistence_mode", ""),
            ("gpu_compute_mode", "default"),
            ("gpu_pcie_replay_rollovers_total", ""),
        ],
        lacks: &[
            "gpu_memory_reserved_bytes",
            "gpu_power_instant_watts",
            "gpu_temperature_margin_celsius",
            "gpu_ecc_sram_errors_total",
            "gpu_row_remaps_total",
            "gpu_recovery_action",
            "gpu_pcie_transmit_bytes_total",
            "gpu_sm_active_ratio",
            "gpu_pcie_errors_total",
            "gpu_jpeg_utilization_ratio",
            "gpu_fabric_state",
            "gpu_addressing_mode",
        ],
        counts: &["sw_thermal"],
    },
    Generation {
        driver: "450.80.02",
        model: "rtx4090",
        shows: &[("gpu_fan_speed_ratio", "0")],
        lacks: &["gpu_ecc_enabled", "gpu_mig_pending_enabled"],
        counts: &[],
    },
    Generation {
        driver: "510.39.01",
        model: "t4",
        shows: &[("gpu_memory_reserved_bytes", "")],
        lacks: &["gpu_power_instant_watts", "gpu_ecc_sram_errors_total"],
        counts: &["sw_thermal"],
    },
    Generation {
        driver: "525.60.13",
        model: "h100-sxm",
        shows: &[
            ("gpu_row_remap_banks", "max"),
            ("gpu_sm_active_ratio", ""),
            ("gpu_row_remaps_total", "correctable"),
            ("gpu_nvlink_errors_total", "replay"),
            ("gpu_nvlink_bandwidth_bytes_per_second", "17"),
            ("gpu_fabric_registered", ""),
            ("gpu_fabric_info", "1"),
        ],
        lacks: &[
            "gpu_fabric_health",
            "gpu_nvlink_recoveries_total",
            "gpu_row_remaps_inactive",
            "gpu_retired_pages",
            "gpu_power_average_watts",
        ],
        counts: &["sw_thermal"],
    },
    Generation {
        driver: "535.183.01",
        model: "l40s",
        shows: &[
            ("gpu_power_instant_watts", "memory"),
            ("gpu_temperature_margin_limit_celsius", "shutdown"),
            ("gpu_pcie_errors_total", "bad_tlp"),
            ("gpu_ofa_utilization_ratio", ""),
        ],
        lacks: &[
            "gpu_temperature_margin_celsius",
            "gpu_pcie_transmit_bytes_total",
            "gpu_nvlink_up",
            "gpu_fabric_state",
        ],
        counts: &["sw_thermal"],
    },
    Generation {
        driver: "570.86.15",
        model: "h100-sxm",
        shows: &[
            ("gpu_temperature_margin_celsius", ""),
            ("gpu_ecc_sram_threshold_exceeded", ""),
            ("gpu_recovery_action", ""),
            ("gpu_pcie_transmit_bytes_total", ""),
            ("gpu_fabric_health", "healthy"),
            ("gpu_driver_info", "r570_00"),
            ("gpu_inforom_info", "7.16"),
        ],
        lacks: &[
            "gpu_vgpu_license_active",
            "gpu_workload_power_profile",
            "gpu_c2c_up",
            "gpu_repair_pending",
            "gpu_unrepairable_memory",
        ],
        counts: &["sw_thermal"],
    },
    Generation {
        driver: "575.51.03",
        model: "b200",
        shows: &[
            ("gpu_workload_power_profile", "llm_inference"),
            ("gpu_nvlink_recoveries_total", "successful"),
            ("gpu_nvlink_errors_total", "symbol"),
            ("gpu_nvlink_bit_error_ratio", "effective"),
            ("gpu_sm_active_ratio", ""),
        ],
        lacks: &["gpu_repair_pending", "gpu_sm_active_cycles_total"],
        counts: &["sw_thermal", "hw_thermal"],
    },
    Generation {
        driver: "580.65.06",
        model: "h100-sxm",
        shows: &[("gpu_repair_pending", "tpc")],
        lacks: &["gpu_unrepairable_memory"],
        counts: &["sw_thermal", "hw_thermal"],
    },
    Generation {
        driver: "580.126.09",
        model: "gh200",
        shows: &[
            ("gpu_c2c_up", "9"),
            ("gpu_c2c_errors_total", "back_to_back_replay"),
            ("gpu_addressing_mode", "ats"),
            ("gpu_power_average_watts", "module"),
        ],
        lacks: &["gpu_unrepairable_memory"],
        counts: &["hw_thermal"],
    },
    Generation {
        driver: "580.126.09",
        model: "gb10",
        shows: &[
            ("gpu_temperature_margin_celsius", ""),
            ("gpu_power_watts", ""),
            ("gpu_info", "unified"),
            ("gpu_utilization_ratio", ""),
        ],
        lacks: &["gpu_memory_total_bytes", "gpu_memory_used_max_bytes", "gpu_power_limit_watts"],
        counts: &[],
    },
    Generation {
        driver: "595.10",
        model: "h100-sxm",
        shows: &[
            ("gpu_unrepairable_memory", ""),
            ("gpu_row_remaps_inactive", "uncorrectable"),
            ("gpu_sm_active_cycles_total", ""),
            ("gpu_tensor_pipe_active_cycles_total", "hmma"),
        ],
        lacks: &[],
        counts: &["sw_thermal", "hw_thermal"],
    },
];

/// Only data-centre cards are simulated to count; the others' times are ours.
const SECOND_OF_HEAT: f64 = 1.0;

#[test]
fn each_driver_shows_what_it_knows_and_no_more() {
    for generation in GENERATIONS {
        let Generation { driver, model, shows, lacks, counts } = generation;
        let exporter = Exporter::on_scenario(
            &format!(
                "description: test\ndriver: {{ version: \"{driver}\" }}\n\
                 gpus: [{{ model: {model}, utilization: {{ constant: 0.5 }}, memory_used: {{ constant: 0.5 }} }}]\n\
                 incidents: [{{ gpu: 0, at: 0s, until: 1s, kind: thermal }}]\n"
            ),
            &[],
        );
        let time = |page: &Page, reason: &str| {
            page.value("gpu_throttle_seconds_total", &[&format!("reason=\"{reason}\"")])
        };
        let page = exporter.wait_until(&format!("{driver} counts {counts:?}"), |page| {
            // What performance counters say takes two sweeps.
            let is_measured =
                !shows.iter().any(|(name, _)| *name == "gpu_sm_active_ratio" || name.contains("cycles"))
                    || page.value("gpu_sm_active_ratio", &[]).is_some();
            page.value("gpu_up", &[]) == Some(1.0)
                && is_measured
                && time(page, "hw_thermal").is_some()
                && counts.iter().all(|reason| time(page, reason) == Some(SECOND_OF_HEAT))
        });
        for (name, label) in shows {
            let is_there = page.samples().any(|sample| {
                sample.name == *name && (label.is_empty() || sample.labels.values().any(|of| of == label))
            });
            assert!(is_there, "{driver} {model}: no {name} {label}\n{}", page.0);
        }
        for name in lacks {
            assert!(page.samples().all(|sample| sample.name != *name), "{driver} {model}: {name}");
        }
        assert!(time(&page, "hw_thermal").is_some(), "{driver}: sampled where the driver does not count");
        let success = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
        assert_eq!(success, Some(1.0), "{driver} {model}: a driver's age is no fault\n{}", exporter.log());
    }
}

//! Performance counters (GPM): what a card with them shows, and that one without them is not taken for an idle one.

use crate::exporter::Exporter;

/// An H100 that is half busy, one that does nothing, and a card without these counters.
const SCENARIO: &str = "description: test\n\
    gpus: [{ model: h100-sxm, utilization: { constant: 0.5 } }, { model: h100-sxm }, { model: l40s, utilization: { constant: 0.5 } }]\n";

#[test]
fn a_card_without_counters_is_told_from_an_idle_one() {
    let exporter = Exporter::on_scenario(SCENARIO, &[]);
    let of = |gpu: u32| format!("gpu=\"{gpu}\"");
    let page = exporter.wait_until("two readings of the counters were compared", |page| {
        page.says("gpu_sm_active_ratio", &[&of(0)], 0.45)
            && page.says("gpu_sm_active_ratio", &[&of(1)], 0.0)
            && page.says("gpu_up", &[&of(2)], 1.0)
    });
    let value = |name: &str, gpu: u32, label: &str| page.value(name, &[&of(gpu), label]);
    for (gpu, supported, tensor) in [(0, 1.0, Some(0.25)), (1, 1.0, Some(0.0)), (2, 0.0, None)] {
        assert_eq!(value("gpu_gpm_supported", gpu, ""), Some(supported), "{gpu}");
        assert_eq!(value("gpu_tensor_active_ratio", gpu, ""), tensor, "{gpu}");
        assert_eq!(value("gpu_sm_active_ratio", gpu, "").is_some(), tensor.is_some(), "{gpu}");
    }
    assert_eq!(value("gpu_decoder_active_ratio", 0, r#"unit="6""#), Some(0.1));
    assert_eq!(value("gpu_decoder_active_ratio", 0, r#"unit="7""#), None, "it has seven");
    assert_eq!(value("gpu_encoder_active_ratio", 0, ""), None, "and no encoder");
    let sent = value("gpu_nvlink_transmit_bytes_per_second", 0, "").expect("traffic");
    assert!((sent - 18.0 * 4e9).abs() < 1e6, "eighteen links, half busy: {sent}");
    let success = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
    assert_eq!(success, Some(1.0), "{}", exporter.log());
}

/// A share above one is no share, whatever else holds.
#[test]
fn an_impossible_support_is_no_support() {
    let scenario = "description: test\ngpus: [{ model: h100-sxm, utilization: { constant: 0.5 } }]\n\
        incidents: [{ gpu: 0, at: 0s, kind: answer, number: 7, call: nvmlGpmQueryDeviceSupport }]\n";
    let exporter = Exporter::on_scenario(scenario, &[]);
    let page = exporter.wait_until("it was read", |page| page.value("gpu_up", &[]) == Some(1.0));
    assert_eq!(page.value("gpu_gpm_supported", &[]), None);
    exporter.wait_for_log("GPM: returned an invalid value: `7`");
}

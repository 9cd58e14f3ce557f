//! Numbers that no GPU can mean, from the driver itself: none reaches the page, and each is told.

use crate::exporter::{Exporter, Page, Trigger};

const HEALTHY: &str = r#"gpu="0""#;
const WRONG: &str = r#"gpu="1""#;

/// All bits of a number of 32 and of 64 bits.
const ALL_32: u64 = 0xFFFF_FFFF;
const ALL_64: u64 = u64::MAX;

/// Two busy GPUs, of which the second answers this number by these calls, or by all.
fn second_gpu_answers(number: u64, calls: &[&str]) -> Exporter {
    let incident = |call: String| format!("{{ gpu: 1, at: 0s, kind: answer, number: {number}{call} }}");
    let mut incidents: Vec<_> = calls.iter().map(|call| incident(format!(", call: {call}"))).collect();
    if calls.is_empty() {
        incidents.push(incident(String::new()));
    }
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm, count: 2, utilization: {{ constant: 0.5 }}, \
         memory_used: {{ constant: 0.5 }} }}]\nincidents: [{}]\n",
        incidents.join(", ")
    );
    Exporter::on_scenario(&scenario, &[])
}

/// A page after several sweeps of both GPUs.
fn page_after_some_sweeps(exporter: &Exporter) -> Page {
    exporter.wait_until("both GPUs were read several times", |page| {
        page.says("gpu_up", &[WRONG], 1.0) && page.value("gpu_busy_seconds_total", &[HEALTHY]) > Some(0.3)
    })
}

/// The second GPU does not show these series, which the first does, and the log says once why.
#[track_caller]
fn check(number: u64, calls: &[&str], absent: &[(&str, &str)], told: &str) {
    let exporter = second_gpu_answers(number, calls);
    let page = page_after_some_sweeps(&exporter);
    for (name, label) in absent {
        assert!(page.value(name, &[HEALTHY, label]).is_some(), "{name} of the healthy one\n{}", page.0);
        assert_eq!(page.value(name, &[WRONG, label]), None, "{name} {label} by {calls:?}");
    }
    assert!(page.value("gpu_pcie_transmit_bytes_total", &[WRONG]).is_some(), "what is right is shown");
    assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="gpu""#]), Some(0.0));
    let line = format!("GPU 1 (GPU-51b00000-0000-4000-8000-000000000001): {told}");
    exporter.wait_for_log(&line);
    let log = exporter.log();
    assert_eq!(log.matches(&line).count(), 1, "`{line}` is to be told once:\n{log}");
}

#[test]
fn a_number_that_cannot_be_is_absent_and_told_once() {
    check(
        ALL_32,
        &["nvmlDeviceGetUtilizationRates"],
        &[("gpu_utilization_ratio", ""), ("gpu_memory_controller_busy_ratio", "")],
        "utilisation: returned an invalid value: `4294967295`",
    );
    check(
        101,
        &["nvmlDeviceGetEncoderUtilization"],
        &[("gpu_encoder_utilization_ratio", "")],
        "encoder: returned an invalid value: `101`",
    );
    check(
        ALL_32,
        &["nvmlDeviceGetTemperatureV"],
        &[("gpu_temperature_celsius", r#"sensor="gpu""#)],
        "temperature: returned an invalid value: `-1`",
    );
    check(
        ALL_32,
        &["nvmlDeviceGetPowerUsage"],
        &[("gpu_power_watts", "")],
        "power: returned an invalid value: `4294967295`",
    );
    // Two bytes with all bits set are no clock either.
    check(
        0xFFFF,
        &["nvmlDeviceGetClockInfo"],
        &[("gpu_clock_hertz", r#"domain="sm""#), ("gpu_clock_hertz", r#"domain="memory""#)],
        "SM clock: returned an invalid value: `65535`",
    );
    check(
        ALL_64,
        &["nvmlDeviceGetMemoryInfo_v2"],
        &[("gpu_memory_used_bytes", ""), ("gpu_memory_total_bytes", "")],
        "memory: returned an invalid value: `total 18446744073709551615, used 18446744073709551615",
    );
    check(
        ALL_64,
        &["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"],
        &[("gpu_energy_joules_total", "")],
        "energy: returned an invalid value: `18446744073709551615`",
    );
}

/// The caller of such a call makes room for as many as the driver says.
#[test]
fn a_count_of_four_billion_costs_its_reading() {
    check(
        ALL_32,
        &["nvmlDeviceGetSamples", "nvmlDeviceGetUtilizationRates"],
        &[("gpu_busy_seconds_total", "")],
        "utilisation samples: returned an invalid value: `4294967295`",
    );
    check(
        ALL_32,
        &["nvmlDeviceGetRetiredPages"],
        &[],
        "retired pages (single bit): returned an invalid value: `4294967295`",
    );
    check(
        ALL_32,
        &["nvmlDeviceGetComputeRunningProcesses_v3"],
        &[("gpu_processes", "")],
        "compute processes: returned an invalid value: `4294967295`",
    );
    check(ALL_32, &["nvmlDeviceGetNumFans"], &[], "fans: returned an invalid value: `4294967295`");
}

#[test]
fn a_count_that_can_be_is_shown() {
    let exporter = second_gpu_answers(7, &["nvmlDeviceGetRetiredPages"]);
    let page = page_after_some_sweeps(&exporter);
    for cause in ["single_bit", "double_bit"] {
        let cause = format!("cause=\"{cause}\"");
        assert!(page.says("gpu_retired_pages", &[WRONG, &cause], 7.0), "{}", page.0);
    }
}

/// Whatever reading is asked for, also one that comes later: nothing of a driver that answers nonsense to everything.
#[test]
fn a_gpu_that_answers_nonsense_to_everything_shows_that_it_answers() {
    let exporter = second_gpu_answers(ALL_64, &[]);
    let page = page_after_some_sweeps(&exporter);
    let of = |gpu: &'static str| {
        page.samples().filter(move |sample| sample.labels.get("gpu").is_some_and(|of| of == gpu))
    };
    // XIDs come with events and not with an answer.
    let (xids, answers): (Vec<_>, Vec<_>) = of("1").partition(|sample| sample.name.starts_with("gpu_xid_"));
    assert!(xids.iter().all(|sample| sample.value == 0.0), "{xids:?}");
    let answers: Vec<_> = answers.iter().map(|sample| (sample.name.as_str(), sample.value)).collect();
    // Texts stay in these answers.
    let left = [("gpu_info", 1.0), ("gpu_inforom_info", 1.0), ("gpu_up", 1.0)];
    assert_eq!(answers, left, "{}", exporter.log());
    assert!(of("0").count() > 50, "the other shows everything\n{}", page.0);
    exporter.wait_for_log(" more faults are not logged");
}

/// While the driver's samples do not come, the last rate fills in; what they then say of that time is not counted once more.
#[test]
fn time_without_samples_is_counted_once() {
    let trigger = Trigger::new();
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm, count: 2, utilization: {{ constant: 0.5 }} }}]\n\
         incidents: [{{ gpu: 1, trigger: {}, kind: error, code: 999, call: nvmlDeviceGetSamples }}]\n",
        trigger.path().display()
    );
    let exporter = Exporter::on_scenario(&scenario, &[]);
    let busy = |page: &Page, gpu| page.value("gpu_busy_seconds_total", &[gpu]);
    exporter
        .wait_until("both are busy", |page| busy(page, HEALTHY) > Some(0.5) && busy(page, WRONG) > Some(0.5));
    trigger.begin();
    exporter.wait_for_log("utilisation samples");
    let failing = exporter.wait_until("one is read", |page| busy(page, HEALTHY).is_some());
    let after =
        |page: &Page, seconds: f64| busy(page, HEALTHY) > busy(&failing, HEALTHY).map(|busy| busy + seconds);
    exporter.wait_until("the samples have failed for six seconds", |page| after(page, 3.0));
    trigger.end();
    // On a busy machine the second may have been read long after the first.
    exporter.wait_until("they have come again some sweeps ago, and the same load is counted", |page| {
        let apart = busy(page, HEALTHY).zip(busy(page, WRONG)).map(|(healthy, late)| (healthy - late).abs());
        after(page, 4.0) && apart.is_some_and(|seconds| seconds < 1.5)
    });
}

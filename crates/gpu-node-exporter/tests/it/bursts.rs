//! A burst of load that no sweep and no scrape meets is seen all the same: the driver keeps samples, and each is counted.

use crate::exporter::{Exporter, Page};

/// Idle but for 400 ms, long after the exporter has begun, however busy the machine is.
const SCENARIO: &str = "description: test\n\
    gpus: [{ model: h100-sxm, memory_used: { constant: 0.5 }, \
    utilization: { ramp: { from: 0, to: 1, start: 20s, over: 1ms, hold: 400ms, fall: 1ms } } }]\n";

const GPU: &str = r#"gpu="0""#;

/// How many samples were larger than this bound.
fn above(page: &Page, bound: &str) -> Option<f64> {
    let all = page.value("gpu_utilization_sample_ratio_count", &[GPU])?;
    let bound = format!("le=\"{bound}\"");
    Some(all - page.value("gpu_utilization_sample_ratio_bucket", &[GPU, &bound])?)
}

#[test]
fn a_burst_of_400_ms_between_two_sweeps_is_seen() {
    let exporter = Exporter::on_scenario(SCENARIO, &["--gpu.sample-interval=5s"]);
    let before = exporter.wait_until("the first sweep", |page| page.value("gpu_up", &[GPU]) == Some(1.0));
    assert_eq!(before.value("gpu_utilization_max_ratio", &[GPU]).filter(|share| *share > 0.0), None);
    // On a slow machine a sweep may meet it, and the next counts the rest.
    let after = exporter.wait_until("the burst was counted", |page| {
        page.value("gpu_busy_seconds_total", &[GPU]).is_some_and(|busy| busy > 0.38)
    });
    let busy = after.value("gpu_busy_seconds_total", &[GPU]).expect("it was counted");
    assert!((busy - 0.401).abs() < 0.02, "{busy}");
    assert_eq!(after.value("gpu_utilization_max_ratio", &[GPU, r#"window="60s""#]), Some(1.0));
    // 70 W when idle, 95 % of the way to 700 W when full.
    let watts = after.value("gpu_power_max_watts", &[GPU, r#"window="60s""#]).expect("power is sampled");
    assert!((watts - 668.5).abs() < 0.1, "{watts}");
    // A sample is of a tenth of a second: three are of the burst alone, those around it in part.
    let (full, some) = (above(&after, "0.99"), above(&after, "0.0"));
    assert!(full >= Some(3.0) && some <= Some(5.0), "{full:?} {some:?}");
}

#[test]
fn memory_is_counted_by_the_share_that_is_used() {
    let exporter = Exporter::on_scenario(SCENARIO, &[]);
    let bucket = |page: &Page, bound: &str| {
        page.value("gpu_memory_used_sample_ratio_bucket", &[GPU, &format!("le=\"{bound}\"")])
    };
    let page = exporter.wait_until("three samples", |page| {
        page.value("gpu_memory_used_sample_ratio_count", &[GPU]) >= Some(3.0)
    });
    let count = page.value("gpu_memory_used_sample_ratio_count", &[GPU]);
    assert_eq!(bucket(&page, "0.25"), Some(0.0));
    assert_eq!(bucket(&page, "0.5"), count, "half of what is not reserved");
    let sum = page.value("gpu_memory_used_sample_ratio_sum", &[GPU]).expect("a sum");
    assert!((sum / count.expect("a count") - 0.4966).abs() < 0.001, "{sum}");
}

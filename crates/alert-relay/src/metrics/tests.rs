//! The page as Prometheus reads it.

use std::collections::BTreeMap;

use super::*;

#[test]
fn the_page_of_a_relay_that_has_done_nothing() {
    let metrics = Metrics::new();
    metrics.expect(["ops"], ["ops-dingtalk"]);
    let page = metrics.encode().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(with_series_in_order(&page));
}

/// Families come in the order of their registration, the series of one in any.
fn with_series_in_order(page: &str) -> String {
    let families = page.split("# HELP ").skip(1).map(|family| {
        let is_about = |line: &str| line.starts_with("# ") || !line.starts_with("alert_relay_");
        let about = family.lines().enumerate().filter(|(number, line)| *number == 0 || is_about(line));
        let mut series: Vec<&str> = family.lines().skip(1).filter(|line| !is_about(line)).collect();
        // The buckets of a histogram stay in their order.
        series.sort_by_key(|line| if line.contains("le=") { "" } else { line });
        about.map(|(_, line)| line).chain(series).collect::<Vec<_>>().join("\n")
    });
    families.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn the_store_has_the_last_word_on_counts() {
    let metrics = Metrics::new();
    let count = TargetCount {
        accepted: 7,
        ended: BTreeMap::from([(End::Delivered, 4), (End::Dead, 1)]),
        pending: 2,
        oldest: Some(Millis(1_000)),
        set_aside: 1,
    };
    metrics.standing("chat", &count, Millis(61_000));
    metrics.standing("chat", &count, Millis(61_000));
    let page = metrics.encode();
    for line in [
        "alert_relay_deliveries_accepted_total{target=\"chat\"} 7",
        "alert_relay_deliveries_ended_total{target=\"chat\",end=\"delivered\"} 4",
        "alert_relay_deliveries_pending{target=\"chat\"} 2",
        "alert_relay_oldest_pending_age_seconds{target=\"chat\"} 60.0",
        "alert_relay_deliveries_set_aside_total{target=\"chat\"} 1",
    ] {
        assert!(page.contains(line), "no `{line}` in\n{page}");
    }
    let done = TargetCount { pending: 0, oldest: None, ..count };
    metrics.standing("chat", &done, Millis(61_000));
    assert!(metrics.encode().contains("alert_relay_oldest_pending_age_seconds{target=\"chat\"} 0.0"));
}

#[test]
fn a_target_that_has_gone_is_neither_up_nor_down() {
    let metrics = Metrics::new();
    metrics.target_up("chat", true);
    assert!(metrics.encode().contains("alert_relay_target_up{target=\"chat\"} 1"));
    metrics.target_gone("chat");
    assert!(!metrics.encode().contains("target_up{"));
}

#[test]
fn once_its_term_is_over_a_relay_knows_of_no_target_whether_it_is_up_and_of_no_queue_whether_somebody_has_it()
{
    let metrics = Metrics::new();
    metrics.target_up("chat", false);
    metrics.stranded(&BTreeMap::from([("former".to_owned(), 2)]));
    metrics.term_ended();
    let page = metrics.encode();
    assert!(!page.contains("target_up{") && !page.contains("deliveries_stranded{"), "{page}");
}

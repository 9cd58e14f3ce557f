//! A case moved to the present: its samples until a step, as if that step were now (pure).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Case;
use super::evaluation::Evaluation;
use super::notation::{Labels, NAME, STALE};

/// A series with its samples, by their times in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels, with its name.
    pub labels: Labels,
    /// Times and values, the oldest first.
    pub samples: Vec<(i64, f64)>,
}

/// Everything that was given and recorded until `step`, which is `now`.
pub fn until(case: &Case, evaluation: &Evaluation, step: i64, now: SystemTime) -> Vec<Series> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let beginning = i64::try_from(since.as_millis()).unwrap_or(i64::MAX) - step;
    let moved = |labels: &Labels, value: f64, is_recorded: bool| {
        // A recorded 0 is no time: rules say 0 where there was none.
        let is_time = says_when(&labels[NAME]) && !(is_recorded && value == 0.0);
        // A NaN keeps its bits, which say what it means.
        if is_time && !value.is_nan() { value + beginning as f64 / 1000.0 } else { value }
    };
    let mut all: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    for (labels, values) in &case.series {
        let at = (0..).map(|number: i64| number * case.interval);
        let samples = at.zip(values).take_while(|(at, _)| *at <= step);
        let samples =
            samples.filter_map(|(at, value)| Some((beginning + at, moved(labels, (*value)?, false))));
        all.entry(labels.clone()).or_default().extend(samples);
    }
    let mut last: Vec<&Labels> = Vec::new();
    for at in (0..).map(|number| number * case.step).take_while(|at| *at <= step) {
        let samples = evaluation.steps.get(&at).map_or(&[][..], Vec::as_slice);
        for labels in last.iter().filter(|labels| !samples.iter().any(|(found, _)| found == **labels)) {
            all.entry((*labels).clone()).or_default().push((beginning + at, STALE));
        }
        for (labels, value) in samples {
            all.entry(labels.clone()).or_default().push((beginning + at, moved(labels, *value, true)));
        }
        last = samples.iter().map(|(labels, _)| labels).collect();
    }
    let mut all: Vec<_> = all.into_iter().map(|(labels, samples)| Series { labels, samples }).collect();
    all.retain(|series| !series.samples.is_empty());
    all
}

/// Whether a metric's value is a time in seconds since 1970: in a case it counts from the beginning of the case.
fn says_when(metric: &str) -> bool {
    ["timestamp_seconds", "mtime_seconds", "_time_seconds"].iter().any(|ending| metric.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_step_is_now_and_what_says_when_moves_along() {
        let document = json!({ "rule_files": [], "evaluation_interval": "1m", "group_eval_order": [] });
        let test = json!({ "interval": "1m", "promql_expr_test": [{ "eval_time": "3m" }], "input_series": [
            { "series": "a", "values": "1 _ stale 4" },
            { "series": "b_timestamp_seconds", "values": "_ 60 60" },
            { "series": "later", "values": "_x3 1" },
        ] });
        let case = Case::of("x.test.yml", &document, &test).unwrap();
        let recorded = |name: &str| Labels::from([(NAME.to_owned(), name.to_owned())]);
        let steps = BTreeMap::from([
            (0, vec![(recorded("c:timestamp_seconds"), 0.0)]),
            (60_000, vec![(recorded("c:timestamp_seconds"), 60.0)]),
        ]);
        let found = until(&case, &Evaluation { steps }, 120_000, UNIX_EPOCH + Duration::from_secs(1_000));
        let bits = |series: &Series| -> Vec<_> {
            series.samples.iter().map(|(at, value)| (*at, value.to_bits())).collect()
        };
        let expected = [
            ("a", vec![(880_000, 1.0), (1_000_000, STALE)]),
            ("b_timestamp_seconds", vec![(940_000, 940.0), (1_000_000, 940.0)]),
            ("c:timestamp_seconds", vec![(880_000, 0.0), (940_000, 940.0), (1_000_000, STALE)]),
        ];
        let expected = expected.map(|(name, samples)| Series { labels: recorded(name), samples });
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.labels, bits(found)), (&expected.labels, bits(expected)));
        }
    }

    #[test]
    fn only_times_of_day_are_moved() {
        for name in [
            "node_time_seconds",
            "node_boot_time_seconds",
            "a:last_lost:timestamp_seconds",
            "x_mtime_seconds",
        ] {
            assert!(says_when(name), "{name}");
        }
        for name in
            ["gpu_busy_seconds_total", "x_time_to_full_seconds", "vllm:request_queue_time_seconds_sum"]
        {
            assert!(!says_when(name), "{name}");
        }
    }
}

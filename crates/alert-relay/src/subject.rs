//! What alerts are about, in a few words for a log line (pure).
//!
//! Labels come from outside: they are shown on one line, without what a terminal would obey, and only so many of them.

use std::collections::BTreeSet;

use crate::notification::{Alert, LabelSet};
use crate::render::clean;

/// Names, alerts or labels that are shown; the rest is a number.
const SHOWN: usize = 3;

/// Characters of one of them.
const MOST_CHARACTERS: usize = 120;

/// Labels shown of one alert.
const MOST_LABELS: usize = 10;

/// The names of these alerts: `GpuHot`, `DiskFull, GpuHot, LinkDown +2`.
pub(crate) fn names<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> String {
    let names: BTreeSet<&str> = alerts.into_iter().map(|alert| alert.label("alertname")).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.into_iter().take(SHOWN).map(|name| match name {
        "" => "an alert without a name".to_owned(),
        name => clean::line(name, MOST_CHARACTERS),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} +{more}") } else { shown }
}

/// These alerts by their labels: `{alertname="GpuHot", team="gpu"}`.
pub(crate) fn labels<'a>(alerts: impl ExactSizeIterator<Item = &'a Alert>) -> String {
    let more = alerts.len().saturating_sub(SHOWN);
    let shown = alerts.take(SHOWN).map(|alert| label_set(&alert.labels)).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{shown} +{more}") } else { shown }
}

fn label_set(labels: &LabelSet) -> String {
    let more = labels.iter().count().saturating_sub(MOST_LABELS);
    let mut shown: Vec<String> = labels
        .iter()
        .take(MOST_LABELS)
        .map(|(name, value)| {
            format!("{}=\"{}\"", clean::line(name, MOST_CHARACTERS), clean::line(value, MOST_CHARACTERS))
        })
        .collect();
    if more > 0 {
        shown.push(format!("+{more}"));
    }
    format!("{{{}}}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::firing;

    fn alerts(names: &[&str]) -> Vec<Alert> {
        names.iter().map(|name| firing(name, 10)).collect()
    }

    #[test]
    fn names_are_few_and_each_stands_once() {
        for (given, expected) in [
            (&["a", "b", "a"][..], "a, b"),
            (&["e", "d", "c", "b", "a"], "a, b, c +2"),
            (&[""], "an alert without a name"),
            (&["a\nforged line"], "a forged line"),
        ] {
            assert_eq!(names(&alerts(given)), expected);
        }
    }

    #[test]
    fn labels_are_bounded_in_number_and_length() {
        let many: Vec<(String, String)> =
            (0..2_000).map(|label| (format!("l{label}"), "x".repeat(5_000))).collect();
        let mut alert = firing("a", 10);
        alert.labels = many.into_iter().collect();
        let said = labels([alert.clone(), alert.clone(), alert.clone(), alert].iter());
        assert!(said.ends_with("+1") && said.contains("+1990}"), "{said}");
        assert!(said.len() < SHOWN * MOST_LABELS * 2 * MOST_CHARACTERS * 3, "{}", said.len());
        assert_eq!(labels(alerts(&["a"]).iter()), "{alertname=\"a\"}");
    }
}

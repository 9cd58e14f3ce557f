//! A time-lapse of the shipped configuration: every waiting time in a YAML file divided by one factor.
//!
//! Owns which keys are waiting times. Leaves out ranges inside expressions (`[5m]`): they say what is measured, not how
//! long people wait, and a rate over fewer samples would be another rule.

use std::time::Duration;

use anyhow::{Context as _, Result};
use yaml_serde::Value;

/// Keys whose value is a waiting time, with the shortest useful one.
const WAITING: [(&str, Duration); 13] = [
    // Prometheus' rules
    ("for", Duration::ZERO),
    ("keep_firing_for", Duration::ZERO),
    ("interval", Duration::from_secs(1)),
    // Prometheus
    ("scrape_interval", Duration::from_secs(1)),
    ("evaluation_interval", Duration::from_secs(1)),
    // Alertmanager
    ("group_wait", Duration::ZERO),
    ("group_interval", Duration::from_secs(1)),
    ("repeat_interval", Duration::from_secs(1)),
    // The simulated driver's scenarios
    ("start", Duration::ZERO),
    ("over", Duration::ZERO),
    ("hold", Duration::ZERO),
    ("fall", Duration::ZERO),
    ("period", Duration::from_secs(1)),
];

/// The document with every waiting time divided by `factor`.
pub fn faster(document: &str, factor: u32) -> Result<String> {
    let mut tree: Value = yaml_serde::from_str(document)?;
    speed_up(&mut tree, factor)?;
    Ok(yaml_serde::to_string(&tree)?)
}

fn speed_up(tree: &mut Value, factor: u32) -> Result<()> {
    match tree {
        Value::Sequence(items) => items.iter_mut().try_for_each(|item| speed_up(item, factor)),
        Value::Mapping(map) => map.iter_mut().try_for_each(|(key, value)| {
            let floor = WAITING.iter().find(|(name, _)| key.as_str() == Some(name)).map(|(_, floor)| *floor);
            match (floor, value.as_str()) {
                (Some(floor), Some(text)) => {
                    let time = parse(text).with_context(|| format!("`{text}` is not a duration"))?;
                    // A floor lifts what became too short; what was shorter from the start stays.
                    *value = Value::String(write((time / factor).max(floor.min(time))));
                    Ok(())
                }
                _ => speed_up(value, factor),
            }
        }),
        _ => Ok(()),
    }
}

/// Prometheus' durations: `90s`, `1h30m`, `0`, `500ms`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|symbol: char| !symbol.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|symbol: char| symbol.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        total = total
            .checked_add(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?))?;
        rest = next;
    }
    Some(total)
}

/// One unit is enough for a machine; Prometheus and Alertmanager take milliseconds.
fn write(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
        };
        check("5m", Some(300_000));
        check("1h30m", Some(5_400_000));
        check("250ms", Some(250));
        check("0", Some(0));
        check("0s", Some(0));
        check("1d", Some(86_400_000));
        check("5", None);
        check("m", None);
        check("5 m", None);
        check("99999999999999999999s", None);
        check("18446744073709551615y", None);
    }

    #[test]
    fn waiting_times_shrink_and_expressions_stay() {
        let rules = "groups:\n- name: gpu\n  interval: 1m\n  rules:\n  - alert: Full\n    expr: rate(x[5m]) > 1\n    for: 5m\n    keep_firing_for: 10m\n";
        let fast = faster(rules, 60).unwrap();
        assert_eq!(
            fast,
            "groups:\n- name: gpu\n  interval: 1000ms\n  rules:\n  - alert: Full\n    expr: rate(x[5m]) > 1\n    for: 5000ms\n    keep_firing_for: 10000ms\n"
        );
    }

    #[test]
    fn no_interval_falls_below_its_floor_or_grows() {
        let fast = faster("scrape_interval: 15s\ninterval: 500ms\ngroup_wait: 0s\n", 60).unwrap();
        assert_eq!(fast, "scrape_interval: 1000ms\ninterval: 500ms\ngroup_wait: 0ms\n");
    }

    #[test]
    fn a_key_of_that_name_with_something_else_is_said() {
        let error = faster("for: soon\n", 60).unwrap_err();
        assert_eq!(format!("{error:#}"), "`soon` is not a duration");
    }
}

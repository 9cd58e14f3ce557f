//! The mutants of the rules: each a rule with one change, and a name.
//!
//! Owns the changes to a rule beside its expression (waiting times, severity), the names, and the list of those that no test can
//! notice.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use promql_parser::util::{display_duration, parse_duration};
use serde_json::{Value, json};

use super::expression::changes;
use super::rules::{RuleFile, name};

/// Mutants that behave as the rule does, by name, with the reason: no test can tell the two apart.
pub const EQUIVALENT: &[(&str, &str)] = &[
    ("Watchdog (none): 1 → 1.2", ANY_VALUE),
    ("Watchdog (none): 1 → 0.8", ANY_VALUE),
    (
        "GpuTemperatureNearSlowdown (warning): 0 → 1, place 2",
        "a GPU of 85 °C with a limit between 0 and 1 °C fires by the other half of the `or`",
    ),
    ("HostInfinibandDown (critical): 4 → 3.2", WHOLE_STATES),
    ("HostInfinibandDown (critical): 4 → 3.2, place 2", WHOLE_STATES),
    ("HostInfinibandUnstable (warning): 4 → 3.2", WHOLE_STATES),
    ("HostInfinibandSlow (warning): 4 → 3.2", WHOLE_STATES),
    ("HostTemperatureHigh (warning): 0 → 1", "no part has a critical temperature between 0 and 1 °C"),
    ("inference:joules_per_1000_tokens: / without on (node)", "both sides are sums by node alone"),
    ("inference:loading: <= without on (node)", "both sides are counts by node alone"),
    (
        "inference:processes_lost: gpu_engine_state without state, place 2",
        "the other side of the `unless` is of this state alone",
    ),
    ("inference:fault_below: 1 → 1.2", "a count is a whole number"),
    (
        "inference:fault_below: ALERTS without alertname, place 4",
        "the other side of the `unless` has these names alone",
    ),
    ("inference:ttft_seconds:p95: >= → >", NEVER_ZERO),
    ("inference:ttft_seconds:p95: 0 → -1", NEVER_ZERO),
    ("inference:e2e_seconds:p95: >= → >", NEVER_ZERO),
    ("inference:e2e_seconds:p95: 0 → -1", NEVER_ZERO),
];
const NEVER_ZERO: &str = "the buckets begin above 0, so no percentile is 0 or less";
const WHOLE_STATES: &str = "a port's state is a whole number";
const ANY_VALUE: &str = "it fires whatever its value is, and nobody reads that";

/// A rule with one change.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file of the rule: `gpu.rules.yml`.
    pub file: String,
    /// The rule's name, and for an alert its severity: `GpuLost (critical)`.
    pub rule: String,
    /// The rule and the change: `GpuLost (critical): for 1m → 2m`. Unlike any other's.
    pub name: String,
    /// The changed rule.
    pub changed: Value,
    /// Where it stands in its file.
    pub place: (usize, usize),
}

impl Mutant {
    /// Why no test can notice this one; `None` where one has to.
    pub fn equivalence(&self) -> Option<&'static str> {
        EQUIVALENT.iter().find(|(name, _)| *name == self.name).map(|(_, reason)| *reason)
    }
}

/// Every mutant of every rule of a file, in the order of the rules.
pub fn all(file: &RuleFile) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for place in file.places() {
        let rule = file.rule(place);
        let title = match rule["labels"]["severity"].as_str() {
            Some(severity) => format!("{} ({severity})", name(rule)),
            None => name(rule).to_owned(),
        };
        for (what, changed) in of_rule(rule)? {
            // The second change that reads alike is the rule's second place, from left to right.
            let mut name = format!("{title}: {what}");
            let count = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
            if *count > 1 {
                name = format!("{name}, place {count}");
            }
            mutants.push(Mutant { file: file.name.clone(), rule: title.clone(), name, changed, place });
        }
    }
    Ok(mutants)
}

fn of_rule(rule: &Value) -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    let with = |key: &str, value: Value| {
        let mut changed = rule.clone();
        changed[key] = value;
        changed
    };
    let expression = rule["expr"].as_str().ok_or_else(|| anyhow!("`{}` has no expression", name(rule)))?;
    for change in changes(expression)? {
        found.push((change.what, with("expr", json!(change.expression))));
    }
    for key in ["for", "keep_firing_for"] {
        let Some(text) = rule[key].as_str() else { continue };
        let duration = parse_duration(text).map_err(|error| anyhow!("`{}`: {key}: {error}", name(rule)))?;
        found.push((format!("{key} {text} → 0s"), with(key, json!(display_duration(&Duration::ZERO)))));
        let doubled = display_duration(&(duration * 2));
        found.push((format!("{key} {text} → {doubled}"), with(key, json!(doubled))));
    }
    if let Some(severity) = rule["labels"]["severity"].as_str() {
        let other = if severity == "critical" { "warning" } else { "critical" };
        let mut labels = rule["labels"].clone();
        labels["severity"] = json!(other);
        found.push((format!("severity {other}"), with("labels", labels)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_s_own_settings_change_too() {
        let rule = json!({ "alert": "A", "expr": "x", "for": "5m", "labels": { "severity": "info" } });
        let changed = of_rule(&rule).unwrap();
        let whats: Vec<_> = changed.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(whats, ["for 5m → 0s", "for 5m → 10m", "severity critical"]);
        assert_eq!(changed[1].1["for"], "10m");
        assert_eq!(changed[2].1["labels"]["severity"], "critical");
    }

    #[test]
    fn names_differ() {
        let file = RuleFile {
            name: "a.rules.yml".to_owned(),
            document: json!({ "groups": [{ "rules": [{ "record": "r", "expr": "x > 1 and y > 1" }] }] }),
        };
        let mutants = all(&file).unwrap();
        let turned: Vec<_> = mutants.iter().filter(|mutant| mutant.name.contains("> → <")).collect();
        assert_eq!(turned[0].name, "r: > → <");
        assert_eq!(turned[1].name, "r: > → <, place 2");
    }
}

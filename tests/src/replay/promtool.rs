//! What the shipped rules say of replayed series, by promtool: when an alert first fires, of each node and severity.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::subject::SCRAPE;
use crate::programs;

/// A series at each scrape.
pub struct Series {
    /// With its labels.
    pub name: String,
    /// Nothing where the page does not have it.
    pub values: Vec<Option<f64>>,
}

/// When the alerts whose names match first fired, in seconds: by node and severity. Their rules have no `for`.
pub type Fired = BTreeMap<(String, String), f64>;

/// Runs the rules over series.
pub fn fired(alerts: &str, series: &[Series]) -> Result<Fired> {
    let rules =
        ["forecast.rules.yml", "host.rules.yml"].map(|file| programs::checkout().join("rules").join(file));
    let scrapes = series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let seconds = scrapes as f64 * SCRAPE;
    // The value is when the alert became active; with no `for` that is when it fires. Asking ALERTS at each moment is more than
    // promtool takes.
    let active = format!(r#"ALERTS_FOR_STATE{{alertname=~"{alerts}"}}"#);
    let first = format!("min by (node, severity) (min_over_time({active}[{seconds}s]))");
    let input: Vec<Value> = series
        .iter()
        .map(|series| json!({ "series": series.name, "values": written(&series.values) }))
        .collect();
    // What is expected is nothing, so that promtool prints what it got.
    let document = json!({
        "rule_files": rules,
        "evaluation_interval": format!("{SCRAPE}s"),
        "tests": [{
            "interval": format!("{SCRAPE}s"),
            "input_series": input,
            "promql_expr_test": [{ "expr": first, "eval_time": format!("{seconds}s"), "exp_samples": [] }],
        }],
    });
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("replay.test.yml");
    std::fs::write(&file, document.to_string())?;
    let output = Command::new(programs::debian("promtool")?).args(["test", "rules"]).arg(&file).output()?;
    let said = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    if output.status.success() {
        return Ok(Fired::new());
    }
    let (_, got) = said.split_once("got:").with_context(|| format!("promtool said no result: {said}"))?;
    let samples = got.lines().next().unwrap_or_default().replace('\\', "");
    let fired = samples.split('{').skip(1).map(sample).collect::<Option<Fired>>();
    let fired = fired.with_context(|| format!("cannot read promtool's result: {samples}"))?;
    ensure!(!fired.is_empty(), "promtool failed: {said}");
    Ok(fired)
}

/// `node="a", severity="critical"} 1.5E+02, `.
fn sample(text: &str) -> Option<((String, String), f64)> {
    let (labels, value) = text.split_once('}')?;
    let label = |name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let value = value.trim().trim_end_matches(['"', ',', ' ']).parse().ok()?;
    Some(((label("node")?, label("severity")?), value))
}

/// As promtool reads it. A series that ends is stale at the next scrape, as Prometheus has it.
fn written(values: &[Option<f64>]) -> String {
    let mut text = String::new();
    let (mut absent, mut was_there) = (0, false);
    for value in values {
        if let Some(value) = value {
            if absent > 0 {
                // `_xN` stands for N absent samples in 2.42 as in 3.x.
                let _ = write!(text, "_x{absent} ");
            }
            let _ = write!(text, "{value:.0} ");
            (absent, was_there) = (0, true);
        } else if was_there {
            text.push_str("stale ");
            was_there = false;
        } else {
            absent += 1;
        }
    }
    if text.is_empty() { "_".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_written_as_promtool_reads_them() {
        assert_eq!(written(&[]), "_");
        assert_eq!(written(&[None, None]), "_");
        assert_eq!(
            written(&[None, None, Some(7.4), Some(8.0), None, None, Some(9.0)]),
            "_x2 7 8 stale _x1 9 "
        );
    }

    #[test]
    fn results_are_read() {
        assert_eq!(
            sample(r#"node="a-1", severity="critical"} 1.5E+02, "#),
            Some((("a-1".to_owned(), "critical".to_owned()), 150.0))
        );
        assert_eq!(sample("nonsense"), None);
    }
}

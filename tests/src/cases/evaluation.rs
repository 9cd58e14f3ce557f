//! What the rules make of a case: every recorded series and every alert at every step, as `promtool` computes them.
//!
//! `promtool` says what it has found where a test expects something else; so it is asked with tests that expect nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::notation::{ALERTS, Labels, NAME, printed};
use super::selection::Alert;
use super::{Case, list};
use crate::mutation::rules::{RuleFile, name};
use crate::{programs, time_lapse};

/// What was recorded at each step of a case.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// By the step, in milliseconds from the beginning of the case.
    pub steps: BTreeMap<i64, Vec<(Labels, f64)>>,
}

impl Evaluation {
    /// Runs a case through the files of rules that it names, which lie in `folder`.
    pub fn of(case: &Case, rules: &[RuleFile], folder: &Path) -> Result<Self> {
        let recorded = recorded(case, rules);
        for metric in case.metrics() {
            ensure!(!recorded.contains(metric), "{}: `{metric}` is given and recorded", case.file);
        }
        let names: Vec<_> = recorded.into_iter().chain([ALERTS]).collect();
        let query = format!("{{{NAME}=~\"{}\"}}", names.join("|"));
        let steps = (0..).map(|at| at * case.step).take_while(|at| *at <= case.end);
        let questions: Vec<_> = steps
            .map(|at| json!({ "expr": query, "eval_time": format!("{at}ms"), "exp_samples": [] }))
            .collect();
        let document = json!({
            "rule_files": case.rule_files.iter().map(|file| folder.join(file)).collect::<Vec<_>>(),
            "evaluation_interval": format!("{}ms", case.step),
            "group_eval_order": case.group_order,
            "tests": [{
                "interval": format!("{}ms", case.interval),
                "input_series": case.input,
                "promql_expr_test": questions,
            }],
        });
        let asked = tempfile::NamedTempFile::new().context("failed to make a temporary file")?;
        std::fs::write(asked.path(), document.to_string()).context("failed to write a temporary file")?;
        let output = Command::new(programs::debian("promtool")?)
            .args(["test", "rules"])
            .arg(asked.path())
            .output()
            .context("failed to run promtool")?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        read(&said).with_context(|| format!("{}: `{}`: promtool says\n{said}", case.file, case.name))
    }

    /// The labels of an alert that fires at a step, its state aside; those with a node first.
    pub fn firing(&self, step: i64, alert: &str, severity: &str) -> Option<Labels> {
        self.instances(step, alert, severity)
            .min_by_key(|labels| (!labels.contains_key("node"), labels.clone()))
    }

    fn instances(&self, step: i64, alert: &str, severity: &str) -> impl Iterator<Item = Labels> {
        let has =
            |labels: &Labels, label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        let found = self.firing_at(step).filter(move |labels| has(labels, "alertname", alert));
        let found = found.filter(move |labels| has(labels, "severity", severity));
        found.map(|labels| {
            let shown = labels.iter().filter(|(label, _)| *label != NAME && *label != "alertstate");
            shown.map(|(label, value)| (label.clone(), value.clone())).collect()
        })
    }

    /// The names of all alerts that fire at a step.
    pub fn alerts_at(&self, step: i64) -> BTreeSet<&str> {
        self.firing_at(step).filter_map(|labels| Some(labels.get("alertname")?.as_str())).collect()
    }

    fn firing_at(&self, step: i64) -> impl Iterator<Item = &Labels> {
        let samples = self.steps.get(&step).map_or(&[][..], Vec::as_slice);
        samples.iter().map(|(labels, _)| labels).filter(|labels| {
            labels[NAME] == ALERTS && labels.get("alertstate").is_some_and(|state| state == "firing")
        })
    }

    /// The labels of an alert that fires for longest, and the first step at which it does: no threshold is near.
    pub fn clearest(&self, alert: &str, severity: &str) -> Option<(i64, Labels)> {
        let mut found: BTreeMap<Labels, Vec<i64>> = BTreeMap::new();
        for step in self.steps.keys() {
            for labels in self.instances(*step, alert, severity) {
                found.entry(labels).or_default().push(*step);
            }
        }
        let clearness = |(labels, steps): &(Labels, Vec<i64>)| (labels.contains_key("node"), steps.len());
        let (labels, steps) = found.into_iter().rev().max_by_key(clearness)?;
        Some((*steps.first()?, labels))
    }
}

/// Runs the cases through their rules, in their order, until each alert has fired in one; what is not needed for that stays empty.
pub fn of_all(
    cases: &[Case],
    alerts: &[Alert],
    rules: &[RuleFile],
    folder: &Path,
) -> Result<Vec<Evaluation>> {
    let mut waiting: Vec<&Alert> = alerts.iter().collect();
    let mut evaluations = Vec::new();
    for case in cases {
        if !waiting.iter().any(|alert| case.mentions(&alert.name)) {
            evaluations.push(Evaluation::default());
            continue;
        }
        let evaluation = Evaluation::of(case, rules, folder)?;
        waiting.retain(|alert| evaluation.clearest(&alert.name, &alert.severity).is_none());
        evaluations.push(evaluation);
    }
    Ok(evaluations)
}

/// The names that the rules of a case record.
fn recorded<'rules>(case: &Case, rules: &'rules [RuleFile]) -> BTreeSet<&'rules str> {
    let loaded = rules.iter().filter(|file| case.rule_files.contains(&file.name));
    loaded
        .flat_map(|file| list(&file.document["groups"]))
        .flat_map(|group| list(&group["rules"]))
        .filter(|rule| rule["record"].is_string())
        .map(name)
        .collect()
}

/// Reads `expr: "…", time: 1m,` and the line `got: …` of each failure.
fn read(said: &str) -> Result<Evaluation> {
    let mut steps = BTreeMap::new();
    let mut step = None;
    for line in said.lines().map(str::trim) {
        if let Some((_, time)) = line.strip_prefix("expr: ").and_then(|_| line.rsplit_once(", time: ")) {
            let time = time_lapse::parse(time.trim_end_matches(',').trim());
            step = Some(i64::try_from(time.context("no time")?.as_millis())?);
        } else if let Some(got) = line.strip_prefix("got: ") {
            let step = step.take().context("an answer without its question")?;
            steps.insert(step, if got == "nil" { Vec::new() } else { printed(got)? });
        } else {
            let is_frame =
                ["", "FAILED:", "SUCCESS", "exp: nil"].contains(&line) || line.starts_with("Unit Testing:");
            ensure!(is_frame, "`{line}` is not understood");
        }
    }
    Ok(Evaluation { steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promtool_found_is_read_by_its_step() {
        let said = "Unit Testing:  x.yml\n  FAILED:\n    expr: \"{a=~\\\"b|c\\\"}\", time: 1h30m,\n        exp: nil\n        got: {__name__=\"ALERTS\", alertname=\"A\", alertstate=\"firing\", node=\"n\", severity=\"critical\"} 1E+00\n";
        let found = read(said).unwrap();
        assert_eq!(found.clearest("A", "critical").map(|(step, _)| step), Some(5_400_000));
        assert_eq!(found.clearest("A", "warning"), None);
        let labels = found.firing(5_400_000, "A", "critical").unwrap();
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["alertname", "node", "severity"]);
        assert!(read("  FAILED:\n    no such file").is_err());
        assert!(read("").unwrap().steps.is_empty());
    }
}

//! Which case makes which alert fire, and when (pure).

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use promql_parser::label::MatchOp;
use promql_parser::parser::{Call, Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

use super::evaluation::Evaluation;
use super::list;
use super::notation::{Labels, NAME};
use crate::mutation::rules::{RuleFile, name};

/// An alert at one severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Its severity.
    pub severity: String,
    /// The file that its rule is in.
    pub file: String,
    /// Series whose absence it tells, as far as `absent()` names them.
    pub missing: Vec<Labels>,
    /// Whether it goes on for a while when its expression has nothing to say any more.
    lingers: bool,
}

/// Every alert of these rules, in their order.
pub fn alerts(rules: &[RuleFile]) -> Result<Vec<Alert>> {
    let of_file = |file: &RuleFile| -> Vec<Result<Alert>> {
        let rules = list(&file.document["groups"]).iter().flat_map(|group| list(&group["rules"]));
        rules.filter(|rule| rule["alert"].is_string()).map(|rule| alert(&file.name, rule)).collect()
    };
    rules.iter().flat_map(of_file).collect()
}

fn alert(file: &str, rule: &Value) -> Result<Alert> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Alert {
        name: name(rule).to_owned(),
        severity: text(&rule["labels"]["severity"]),
        file: file.to_owned(),
        missing: missing(&text(&rule["expr"]))?,
        lingers: rule["keep_firing_for"].is_string(),
    })
}

/// The labels that each `absent(…)` of an expression asks for.
fn missing(expression: &str) -> Result<Vec<Labels>> {
    struct Absent(Vec<Labels>);
    impl ExprVisitor for Absent {
        type Error = anyhow::Error;
        fn pre_visit(&mut self, expression: &Expr) -> Result<bool> {
            if let Expr::Call(Call { func, args }) = expression
                && func.name == "absent"
            {
                self.0.extend(args.args.iter().filter_map(|argument| match &**argument {
                    Expr::VectorSelector(selector) => Some(asked(selector)),
                    _ => None,
                }));
            }
            Ok(true)
        }
    }
    let parsed = parse(expression).map_err(|error| anyhow!("`{expression}`: {error}"))?;
    let mut absent = Absent(Vec::new());
    walk_expr(&mut absent, &parsed)?;
    Ok(absent.0)
}

fn asked(selector: &VectorSelector) -> Labels {
    let equal = selector.matchers.matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal);
    let labels = equal.map(|matcher| (matcher.name.clone(), matcher.value.clone()));
    labels.chain(selector.name.iter().map(|name| (NAME.to_owned(), name.clone()))).collect()
}

/// A moment of a case, and the alerts that fire then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which of the cases.
    pub case: usize,
    /// Milliseconds from its beginning.
    pub step: i64,
    /// Which of the alerts, and the labels of one that fires.
    pub alerts: Vec<(usize, Labels)>,
}

/// The first case in which each alert fires, few moments for all; and the alerts that fire in none.
///
/// `has_rule` says whether a case loads an alert's rule: in the others it is a series that was given.
pub fn choose(
    alerts: &[Alert],
    evaluations: &[Evaluation],
    has_rule: impl Fn(usize, &Alert) -> bool,
) -> (Vec<Moment>, Vec<usize>) {
    let mut by_case: BTreeMap<usize, Vec<(i64, usize, Labels)>> = BTreeMap::new();
    let mut never = Vec::new();
    for (at, alert) in alerts.iter().enumerate() {
        let mut found = evaluations
            .iter()
            .map(|found| found.clearest(&alert.name, &alert.severity))
            .enumerate()
            .filter(|(case, _)| has_rule(*case, alert));
        match found.find_map(|(case, clearest)| Some((case, clearest?))) {
            Some((case, (step, labels))) => by_case.entry(case).or_default().push((step, at, labels)),
            None => never.push(at),
        }
    }
    let mut moments = Vec::new();
    for (case, mut waiting) in by_case {
        // The latest first: what began before it mostly fires still.
        waiting.sort();
        while let Some((step, _, _)) = waiting.last().cloned() {
            let mut told = Vec::new();
            waiting.retain(|(begins, at, labels)| {
                let alert = &alerts[*at];
                let found = if *begins == step {
                    Some(labels.clone())
                } else {
                    // One that lingers fires by its expression for certain only when it begins.
                    evaluations[case].firing(step, &alert.name, &alert.severity).filter(|_| !alert.lingers)
                };
                let is_told = found.is_some();
                told.extend(found.map(|labels| (*at, labels)));
                !is_told
            });
            told.sort();
            moments.push(Moment { case, step, alerts: told });
        }
    }
    (moments, never)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str, lingers: bool) -> Alert {
        Alert {
            name: name.to_owned(),
            severity: "warning".to_owned(),
            file: "a.rules.yml".to_owned(),
            missing: Vec::new(),
            lingers,
        }
    }

    /// What fires at each step.
    fn evaluation(steps: &[&[&str]]) -> Evaluation {
        let sample = |name: &&str| {
            let labels =
                [(NAME, "ALERTS"), ("alertstate", "firing"), ("alertname", name), ("severity", "warning")];
            (labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), 1.0)
        };
        let steps = steps.iter().map(|names| names.iter().map(sample).collect());
        Evaluation { steps: (0..).zip(steps).collect() }
    }

    #[test]
    fn each_alert_has_its_first_case_and_moments_are_shared() {
        let alerts = ["A", "B", "C", "D"].map(|name| alert(name, name == "B"));
        let evaluations = [evaluation(&[&[], &["A", "B"], &["A", "B", "C"]]), evaluation(&[&["C", "B"]])];
        let (moments, never) = choose(&alerts, &evaluations, |_, _| true);
        let found: Vec<_> = moments
            .iter()
            .map(|moment| {
                (moment.case, moment.step, moment.alerts.iter().map(|(at, _)| *at).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(found, [(0, 2, vec![0, 2]), (0, 1, vec![1])]);
        assert_eq!(never, [3]);
        // A series that is called ALERTS is given in the first case: its rule is the second's.
        let (moments, never) = choose(&alerts, &evaluations, |case, alert| case == 1 || alert.name != "B");
        assert_eq!(
            moments.last().map(|moment| (moment.case, moment.step, moment.alerts.len())),
            Some((1, 0, 1))
        );
        assert_eq!(never, [3]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let found =
            missing("up{job=\"a\"} == 0 or absent(up{job=\"a\",x!=\"y\"}) or absent(sum(z))").unwrap();
        let expected = [(NAME, "up"), ("job", "a")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, [Labels::from(expected)]);
        assert_eq!(missing("vector(1)").unwrap(), [] as [Labels; 0]);
    }
}

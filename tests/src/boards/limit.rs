//! Lines at which alerts fire, read from their rules.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use promql_parser::parser::token::{T_ADD, T_DIV, T_MUL, T_POW, T_SUB};
use promql_parser::parser::{BinaryExpr, Expr, parse};
use yaml_serde::Value;

use super::colour::Colour;

/// A number that an alert of this severity compares something with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    alert: &'static str,
    severity: Severity,
    /// A metric in what is compared.
    of: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Info,
    Warning,
    Critical,
}

impl Limit {
    pub(crate) const fn info(alert: &'static str, of: &'static str) -> Self {
        Self { alert, severity: Severity::Info, of }
    }

    pub(crate) const fn warning(alert: &'static str, of: &'static str) -> Self {
        Self { alert, severity: Severity::Warning, of }
    }

    pub(crate) const fn critical(alert: &'static str, of: &'static str) -> Self {
        Self { alert, severity: Severity::Critical, of }
    }

    pub(crate) fn colour(self) -> Colour {
        match self.severity {
            Severity::Info => Colour::Plain,
            Severity::Warning => Colour::Warning,
            Severity::Critical => Colour::Bad,
        }
    }
}

/// The alerts' expressions.
#[derive(Debug)]
pub(crate) struct Limits(Vec<Alert>);

#[derive(Debug)]
struct Alert {
    name: String,
    severity: String,
    expression: Expr,
}

impl Limits {
    /// Of every `*.rules.yml` in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let files =
            std::fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
        let mut alerts = Vec::new();
        for file in files {
            let file = file?.path();
            if file.to_string_lossy().ends_with(".rules.yml") {
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("failed to read {}", file.display()))?;
                alerts.extend(alerts_of(&text).with_context(|| format!("in {}", file.display()))?);
            }
        }
        ensure!(!alerts.is_empty(), "{} has no alerts", folder.display());
        Ok(Self(alerts))
    }

    /// The number behind a limit.
    pub(crate) fn number(&self, limit: Limit) -> Result<f64> {
        let severity = match limit.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        let mut alerts =
            self.0.iter().filter(|alert| alert.name == limit.alert && alert.severity == severity);
        alerts.find_map(|alert| compared(&alert.expression, limit.of)).with_context(|| {
            format!("no {severity} alert {} compares `{}` with a number", limit.alert, limit.of)
        })
    }
}

fn alerts_of(text: &str) -> Result<Vec<Alert>> {
    let mut document: Value = yaml_serde::from_str(text)?;
    document.apply_merge()?;
    let groups = document["groups"].as_sequence().map_or(&[][..], Vec::as_slice);
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().map_or(&[][..], Vec::as_slice));
    let alert = |rule: &Value| -> Option<Result<Alert>> {
        let name = rule["alert"].as_str()?.to_owned();
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default().to_owned();
        let expression = parse(rule["expr"].as_str().unwrap_or_default());
        let expression = expression.map_err(|error| anyhow::anyhow!("{name}: {error}"));
        Some(expression.map(|expression| Alert { name, severity, expression }))
    };
    rules.filter_map(alert).collect()
}

/// The number that something with the metric `of` is compared with, the outermost first.
fn compared(expression: &Expr, of: &str) -> Option<f64> {
    match expression {
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) => {
            let is_it = op.is_comparison_operator() && lhs.to_string().contains(of);
            let number = if is_it { constant(rhs) } else { None };
            number.or_else(|| compared(lhs, of)).or_else(|| compared(rhs, of))
        }
        Expr::Paren(inner) => compared(&inner.expr, of),
        Expr::Aggregate(inner) => compared(&inner.expr, of),
        Expr::Unary(inner) => compared(&inner.expr, of),
        Expr::Subquery(inner) => compared(&inner.expr, of),
        Expr::Call(call) => call.args.args.iter().find_map(|argument| compared(argument, of)),
        _ => None,
    }
}

/// The value of an expression of numbers alone.
fn constant(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::NumberLiteral(literal) => Some(literal.val),
        Expr::Paren(inner) => constant(&inner.expr),
        Expr::Unary(inner) => constant(&inner.expr).map(|value| -value),
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) => {
            let (left, right) = (constant(lhs)?, constant(rhs)?);
            match op.id() {
                T_ADD => Some(left + right),
                T_SUB => Some(left - right),
                T_MUL => Some(left * right),
                T_DIV => Some(left / right),
                T_POW => Some(left.powf(right)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_comparison_is_found_wherever_it_stands() {
        let check = |expression: &str, of: &str, expected: Option<f64>| {
            assert_eq!(compared(&parse(expression).unwrap(), of), expected, "{expression}");
        };
        check("node:memory_used:ratio > 0.90", "node:memory_used:ratio", Some(0.9));
        check("a < 512 * 1024 ^ 2 and on (node) up == 1", "a", Some(536_870_912.0));
        check("a < 512 * 1024 ^ 2 and on (node) up == 1", "up", Some(1.0));
        check("max by (node) (rate(x_total{reason=\"a\"}[10m])) > 0.5 unless y > 3", "x_total", Some(0.5));
        check("time() - max(z > 1) < 3600", "z", Some(3600.0));
        check("x > on (node) group_left () y", "x", None);
        check("x > 1", "y", None);
    }

    #[test]
    fn severities_of_one_alert_are_told_apart() {
        let rules = "groups: [{rules: [
            {alert: Full, expr: free < 0.05, labels: {severity: warning}},
            {alert: Full, expr: free < 0.03, labels: {severity: critical}}]}]";
        let limits = Limits(alerts_of(rules).unwrap());
        let numbers = [Limit::warning("Full", "free"), Limit::critical("Full", "free")]
            .map(|limit| limits.number(limit).unwrap());
        assert_eq!(format!("{numbers:?}"), "[0.05, 0.03]");
        let error = limits.number(Limit::info("Full", "free")).unwrap_err();
        assert_eq!(error.to_string(), "no info alert Full compares `free` with a number");
    }
}

//! What an expression reads: metric names, selectors, ranges.

use std::collections::BTreeSet;
use std::time::Duration;

use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

/// Every metric name in `expression`; a selector without a name is a mistake here.
pub(crate) fn names(expression: &str) -> Result<BTreeSet<String>, String> {
    Ok(selectors(expression)?.into_iter().map(|selector| selector.name).collect())
}

/// What an expression reads of one metric, now and for no range.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// With its matchers, as a query.
    pub(crate) query: String,
}

/// Every selector in `expression`; one without a name is a mistake here.
pub(crate) fn selectors(expression: &str) -> Result<BTreeSet<Selector>, String> {
    let mut selectors = BTreeSet::new();
    for (selector, _) in found(expression)? {
        let name = selector.name.clone().ok_or_else(|| format!("`{selector}` names no metric"))?;
        let now = VectorSelector { offset: None, ..selector };
        selectors.insert(Selector { name, query: now.to_string() });
    }
    Ok(selectors)
}

/// Over which ranges an expression reads which metric.
pub(crate) fn ranges(expression: &str) -> Result<Vec<(String, Duration)>, String> {
    let ranged = |(selector, range): (VectorSelector, Option<Duration>)| Some((selector.name?, range?));
    Ok(found(expression)?.into_iter().filter_map(ranged).collect())
}

/// What an expression asks of a label.
pub(crate) fn asked_of(expression: &str, label: &str) -> Result<Vec<String>, String> {
    let matchers = found(expression)?.into_iter().flat_map(|(selector, _)| selector.matchers.matchers);
    Ok(matchers.filter(|matcher| matcher.name == label).map(|matcher| matcher.value).collect())
}

/// Every selector, with its range if it has one.
fn found(expression: &str) -> Result<Vec<(VectorSelector, Option<Duration>)>, String> {
    struct Found(Vec<(VectorSelector, Option<Duration>)>);
    impl ExprVisitor for Found {
        type Error = String;
        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
            match expression {
                Expr::VectorSelector(selector) => self.0.push((selector.clone(), None)),
                Expr::MatrixSelector(selector) => self.0.push((selector.vs.clone(), Some(selector.range))),
                _ => {}
            }
            Ok(true)
        }
    }
    let parsed = parse(expression).map_err(|error| format!("`{expression}`: {error}"))?;
    let mut found = Found(Vec::new());
    walk_expr(&mut found, &parsed)?;
    Ok(found.0)
}

#[test]
fn names_are_found_wherever_they_stand() {
    let check = |expression: &str, expected: &[&str]| {
        assert_eq!(
            names(expression).unwrap(),
            expected.iter().map(ToString::to_string).collect(),
            "{expression}"
        );
    };
    check("sum by (a) (rate(x_total[5m])) / (y > 0)", &["x_total", "y"]);
    check("max_over_time((count by (node) (up))[1d:5m]) unless on (node) vllm:cache", &["up", "vllm:cache"]);
    check("vector(1)", &[]);
    let found = selectors("rate(x{a=\"b\"}[5m] offset 1d) > 1").unwrap();
    let queries: Vec<_> = found.iter().map(|selector| selector.query.as_str()).collect();
    assert_eq!(queries, ["x{a=\"b\"}"]);
    assert_eq!(ranges("rate(x[5m]) > y").unwrap(), [("x".to_owned(), Duration::from_mins(5))]);
    assert_eq!(asked_of("x{le=\"1\",a=\"b\"} / y{le=\"2.0\"}", "le").unwrap(), ["1", "2.0"]);
    assert!(names("{node=\"a\"}").is_err());
    assert!(names("a vs b").is_err());
}

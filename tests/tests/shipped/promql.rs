//! The metric names that an expression uses.

use std::collections::BTreeSet;

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
    struct Selectors(BTreeSet<Selector>);
    impl Selectors {
        fn take(&mut self, selector: &VectorSelector) -> Result<(), String> {
            let name = selector.name.clone().ok_or_else(|| format!("`{selector}` names no metric"))?;
            let now = VectorSelector { offset: None, ..selector.clone() };
            self.0.insert(Selector { name, query: now.to_string() });
            Ok(())
        }
    }
    impl ExprVisitor for Selectors {
        type Error = String;
        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
            match expression {
                Expr::VectorSelector(selector) => self.take(selector)?,
                Expr::MatrixSelector(selector) => self.take(&selector.vs)?,
                _ => {}
            }
            Ok(true)
        }
    }
    let parsed = parse(expression).map_err(|error| format!("`{expression}`: {error}"))?;
    let mut selectors = Selectors(BTreeSet::new());
    walk_expr(&mut selectors, &parsed)?;
    Ok(selectors.0)
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
    assert!(names("{node=\"a\"}").is_err());
    assert!(names("a vs b").is_err());
}

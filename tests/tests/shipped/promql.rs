//! The metric names that an expression uses.

use std::collections::BTreeSet;

use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

/// Every metric name in `expression`; a selector without a name is a mistake here.
pub(crate) fn names(expression: &str) -> Result<BTreeSet<String>, String> {
    struct Names(BTreeSet<String>);
    impl Names {
        fn take(&mut self, selector: &VectorSelector) -> Result<(), String> {
            let name = selector.name.clone().ok_or_else(|| format!("`{selector}` names no metric"))?;
            self.0.insert(name);
            Ok(())
        }
    }
    impl ExprVisitor for Names {
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
    let mut names = Names(BTreeSet::new());
    walk_expr(&mut names, &parsed)?;
    Ok(names.0)
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
    assert!(names("{node=\"a\"}").is_err());
    assert!(names("a vs b").is_err());
}

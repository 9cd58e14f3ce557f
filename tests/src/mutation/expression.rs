//! The small changes to one expression of `PromQL`.
//!
//! Owns which changes there are. They are made on the parsed expression, so each result is `PromQL` again, and differs in
//! one place.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use promql_parser::label::Labels;
use promql_parser::parser::token::{
    T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS, T_NEQ, TokenType,
};
use promql_parser::parser::{
    AggregateExpr, BinModifier, BinaryExpr, Expr, LabelModifier, MatrixSelector, NumberLiteral, Offset,
    SubqueryExpr, VectorMatchCardinality, VectorSelector, parse,
};
use promql_parser::util::display_duration;

/// One change: what it is, and the expression it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `0.9 → 1.08`.
    pub what: String,
    /// The whole expression with the change.
    pub expression: String,
}

/// A changed part of an expression.
struct Variant {
    what: String,
    expr: Expr,
}

/// Every change to `expression`; two that make the same expression are one.
pub fn changes(expression: &str) -> Result<Vec<Change>> {
    let read = |text: &str| parse(text).map(in_order).map_err(|error| anyhow!("`{text}`: {error}"));
    let parsed = read(expression)?;
    ensure!(read(&parsed.to_string())? == parsed, "`{expression}` is not printed as it was read: `{parsed}`");
    let mut changes: Vec<Change> = Vec::new();
    for Variant { what, expr } in variants(&parsed) {
        let expression = expr.to_string();
        // What is no PromQL by its types proves nothing: Prometheus would not load it.
        let is_valid = read(&expression).is_ok_and(|printed| printed == expr);
        if is_valid && !changes.iter().any(|change| change.expression == expression) {
            changes.push(Change { what, expression });
        }
    }
    Ok(changes)
}

/// The expression with every selector's matchers in the order they are printed in.
fn in_order(mut expr: Expr) -> Expr {
    let sort =
        |selector: &mut VectorSelector| selector.matchers.matchers.sort_by_cached_key(ToString::to_string);
    match &mut expr {
        Expr::VectorSelector(selector) => sort(selector),
        Expr::MatrixSelector(range) => sort(&mut range.vs),
        _ => {}
    }
    for part in parts(&mut expr) {
        *part = in_order(part.clone());
    }
    expr
}

/// The expression with one change, in itself or in one of its parts.
fn variants(expr: &Expr) -> Vec<Variant> {
    let mut found = own(expr);
    let parts: Vec<Expr> = parts(&mut expr.clone()).into_iter().map(|part| part.clone()).collect();
    for (position, part) in parts.iter().enumerate() {
        for variant in variants(part) {
            let mut whole = expr.clone();
            if let Some(place) = self::parts(&mut whole).into_iter().nth(position) {
                *place = variant.expr;
            }
            found.push(Variant { what: variant.what, expr: whole });
        }
    }
    found
}

/// The expressions that one is made of.
fn parts(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            aggregate.param.iter_mut().chain([&mut aggregate.expr]).map(AsMut::as_mut).collect()
        }
        Expr::Unary(unary) => vec![&mut unary.expr],
        Expr::Binary(binary) => vec![&mut binary.lhs, &mut binary.rhs],
        Expr::Paren(paren) => vec![&mut paren.expr],
        Expr::Subquery(subquery) => vec![&mut subquery.expr],
        Expr::Call(call) => call.args.args.iter_mut().map(AsMut::as_mut).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

/// The changes to the expression itself, not to its parts.
fn own(expr: &Expr) -> Vec<Variant> {
    match expr {
        Expr::Binary(binary) => of_operation(binary),
        Expr::NumberLiteral(number) => of_number(number.val),
        Expr::Aggregate(aggregate) => of_aggregation(aggregate),
        Expr::VectorSelector(selector) => of_selector(selector)
            .into_iter()
            .map(|(what, selector)| Variant { what, expr: Expr::VectorSelector(selector) })
            .collect(),
        Expr::MatrixSelector(range) => of_range(range),
        Expr::Subquery(subquery) => of_subquery(subquery),
        _ => Vec::new(),
    }
}

/// A fifth more and a fifth less; of 0, one more and one less.
fn of_number(value: f64) -> Vec<Variant> {
    let others = if value == 0.0 { [1.0, -1.0] } else { [value * 1.2, value * 0.8] };
    others
        .into_iter()
        .map(|other| {
            // 0.9 * 1.2 is 1.08 and some rest of the binary fraction, which nobody wants to read.
            let other = (other * 1e9).round() / 1e9;
            let expr = Expr::NumberLiteral(NumberLiteral::new(other));
            Variant { what: format!("{value} → {other}"), expr }
        })
        .collect()
}

/// Comparisons turned, moved by their edge and dropped; guards and alternatives deleted; joins by all labels.
fn of_operation(binary: &BinaryExpr) -> Vec<Variant> {
    let mut found = Vec::new();
    let sign = binary.op.to_string();
    let others: &[u16] = match binary.op.id() {
        T_GTR => &[T_GTE, T_LSS],
        T_GTE => &[T_GTR, T_LSS],
        T_LSS => &[T_LTE, T_GTR],
        T_LTE => &[T_LSS, T_GTR],
        T_EQLC => &[T_NEQ],
        T_NEQ => &[T_EQLC],
        _ => &[],
    };
    for other in others.iter().map(|id| TokenType::new(*id)) {
        let changed = BinaryExpr { op: other, ..binary.clone() };
        found.push(Variant { what: format!("{sign} → {other}"), expr: Expr::Binary(changed) });
    }
    let (left, right) = ((*binary.lhs).clone(), (*binary.rhs).clone());
    let is_comparison = !others.is_empty();
    if is_comparison {
        found.push(Variant { what: format!("without {sign} {}", short(&right)), expr: left.clone() });
    }
    match binary.op.id() {
        T_LAND | T_LOR => {
            found.push(Variant { what: format!("without {sign} {}", short(&right)), expr: left.clone() });
            found.push(Variant { what: format!("without {} {sign}", short(&left)), expr: right });
        }
        T_LUNLESS => found.push(Variant { what: format!("without {sign} {}", short(&right)), expr: left }),
        _ => {}
    }
    if let Some(modifier) = &binary.modifier
        && let Some(matching) = &modifier.matching
    {
        let mut changed = binary.clone();
        let mut joined = modifier.clone();
        joined.matching = None;
        // `group_left` is grammar only behind `on` or `ignoring`.
        if matches!(joined.card, VectorMatchCardinality::ManyToOne(_) | VectorMatchCardinality::OneToMany(_))
        {
            joined.card = VectorMatchCardinality::OneToOne;
        }
        changed.modifier = (joined != BinModifier::default()).then_some(joined);
        let name = if matching.is_include() { "on" } else { "ignoring" };
        let what = format!("{sign} without {name} ({})", matching.labels().labels.join(", "));
        found.push(Variant { what, expr: Expr::Binary(changed) });
    }
    found
}

/// `by` and `without` with one label less.
fn of_aggregation(aggregate: &AggregateExpr) -> Vec<Variant> {
    let Some(modifier) = &aggregate.modifier else { return Vec::new() };
    let labels = &modifier.labels().labels;
    let less = |at: usize| {
        let mut kept = labels.clone();
        kept.remove(at);
        Labels { labels: kept }
    };
    (0..labels.len())
        .map(|at| {
            let (name, modifier) = match modifier {
                LabelModifier::Include(_) => ("by", LabelModifier::Include(less(at))),
                LabelModifier::Exclude(_) => ("without", LabelModifier::Exclude(less(at))),
            };
            let changed = AggregateExpr { modifier: Some(modifier), ..aggregate.clone() };
            let what = format!("{} {name} less {}", aggregate.op, labels[at]);
            Variant { what, expr: Expr::Aggregate(changed) }
        })
        .collect()
}

/// A selector with one matcher less, or with half or twice its offset.
fn of_selector(selector: &VectorSelector) -> Vec<(String, VectorSelector)> {
    let mut found = Vec::new();
    let name = selector.name.as_deref().unwrap_or_default();
    for (at, matcher) in selector.matchers.matchers.iter().enumerate() {
        let mut changed = selector.clone();
        changed.matchers.matchers.remove(at);
        found.push((format!("{name} without {}", matcher.name), changed));
    }
    for (what, offset) in offsets(selector.offset.as_ref()) {
        found.push((what, VectorSelector { offset: Some(offset), ..selector.clone() }));
    }
    found
}

fn of_range(range: &MatrixSelector) -> Vec<Variant> {
    let of_selector =
        of_selector(&range.vs).into_iter().map(|(what, vs)| (what, MatrixSelector { vs, ..range.clone() }));
    let name = range.vs.name.as_deref().unwrap_or_default();
    let of_window = halved_and_doubled(range.range).into_iter().map(|window| {
        let what = format!("{name}[{}] → [{}]", display_duration(&range.range), display_duration(&window));
        (what, MatrixSelector { range: window, ..range.clone() })
    });
    of_selector
        .chain(of_window)
        .map(|(what, range)| Variant { what, expr: Expr::MatrixSelector(range) })
        .collect()
}

fn of_subquery(subquery: &SubqueryExpr) -> Vec<Variant> {
    let mut found = Vec::new();
    for window in halved_and_doubled(subquery.range) {
        let what = format!("[{}:] → [{}:]", display_duration(&subquery.range), display_duration(&window));
        found.push((what, SubqueryExpr { range: window, ..subquery.clone() }));
    }
    for step in subquery.step.into_iter().flat_map(halved_and_doubled) {
        let what = format!("a step of {}", display_duration(&step));
        found.push((what, SubqueryExpr { step: Some(step), ..subquery.clone() }));
    }
    for (what, offset) in offsets(subquery.offset.as_ref()) {
        found.push((what, SubqueryExpr { offset: Some(offset), ..subquery.clone() }));
    }
    found.into_iter().map(|(what, subquery)| Variant { what, expr: Expr::Subquery(subquery) }).collect()
}

fn offsets(offset: Option<&Offset>) -> Vec<(String, Offset)> {
    let Some(Offset::Pos(now)) = offset else { return Vec::new() };
    halved_and_doubled(*now)
        .into_iter()
        .map(|other| {
            let what = format!("offset {} → {}", display_duration(now), display_duration(&other));
            (what, Offset::Pos(other))
        })
        .collect()
}

fn halved_and_doubled(duration: Duration) -> [Duration; 2] {
    [duration / 2, duration * 2]
}

/// The beginning of an expression, to know it by.
fn short(expr: &Expr) -> String {
    const LONGEST: usize = 48;
    let text = expr.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &[(&str, &str)]) {
        let found = changes(expression).unwrap();
        let found: Vec<_> =
            found.iter().map(|change| (change.what.as_str(), change.expression.as_str())).collect();
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn each_kind_of_change() {
        check(
            "x > 0.5",
            &[
                ("> → >=", "x >= 0.5"),
                ("> → <", "x < 0.5"),
                ("without > 0.5", "x"),
                ("0.5 → 0.6", "x > 0.6"),
                ("0.5 → 0.4", "x > 0.4"),
            ],
        );
        check(
            "x == bool 0",
            &[
                ("== → !=", "x != bool 0"),
                ("without == 0", "x"),
                ("0 → 1", "x == bool 1"),
                ("0 → -1", "x == bool -1"),
            ],
        );
        check(
            "a{b=\"c\"} and on (n) y",
            &[
                ("without and y", "a{b=\"c\"}"),
                ("without a{b=\"c\"} and", "y"),
                ("and without on (n)", "a{b=\"c\"} and y"),
                ("a without b", "a and on (n) y"),
            ],
        );
        check("a unless y", &[("without unless y", "a")]);
        check("a * on (n) group_left () y", &[("* without on (n)", "a * y")]);
        check(
            "sum by (a, b) (x)",
            &[("sum by less a", "sum by (b) (x)"), ("sum by less b", "sum by (a) (x)")],
        );
        check(
            "rate(x[5m] offset 1h)",
            &[
                ("offset 1h → 30m", "rate(x[5m] offset 30m)"),
                ("offset 1h → 2h", "rate(x[5m] offset 2h)"),
                ("x[5m] → [2m30s]", "rate(x[2m30s] offset 1h)"),
                ("x[5m] → [10m]", "rate(x[10m] offset 1h)"),
            ],
        );
        check(
            "max_over_time((x)[1d:10m])",
            &[
                ("[1d:] → [12h:]", "max_over_time((x)[12h:10m])"),
                ("[1d:] → [2d:]", "max_over_time((x)[2d:10m])"),
                ("a step of 5m", "max_over_time((x)[1d:5m])"),
                ("a step of 20m", "max_over_time((x)[1d:20m])"),
            ],
        );
    }

    #[test]
    fn what_would_not_be_promql_is_no_change() {
        // Without the join, a scalar would stand beside `and`.
        assert!(changes("vector(1) and x").unwrap().iter().all(|change| parse(&change.expression).is_ok()));
        assert!(changes("a vs b").is_err());
    }
}

//! `promtool`'s notation of series: `0+3x5 stale _x2 7`, its labels, and the samples it prints (pure).
//!
//! Described at <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, parse};

/// The labels of a series, its name among them as [`NAME`].
pub type Labels = BTreeMap<String, String>;

/// The label that is the metric's name.
pub const NAME: &str = "__name__";

/// The metric that Prometheus records of every alert.
pub const ALERTS: &str = "ALERTS";

/// The value that says that a series has ended: the bits that Prometheus gives this NaN.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The labels of `up{job="node"}`.
pub fn labels(series: &str) -> Result<Labels> {
    let parsed = parse(series).ok();
    let Some(Expr::VectorSelector(selector)) = parsed else { bail!("`{series}` is no series") };
    let mut labels: Labels = selector.name.iter().map(|name| (NAME.to_owned(), name.clone())).collect();
    for matcher in &selector.matchers.matchers {
        ensure!(matcher.op == MatchOp::Equal, "`{series}` has a label that is not given by `=`");
        labels.insert(matcher.name.clone(), matcher.value.clone());
    }
    ensure!(labels.contains_key(NAME), "`{series}` has no name");
    // An empty label is one that is not there.
    labels.retain(|_, value| !value.is_empty());
    Ok(labels)
}

/// The samples of `1 2+3x2 _ stale`, one an interval; `None` where there is none.
pub fn values(notation: &str) -> Result<Vec<Option<f64>>> {
    let mut values = Vec::new();
    for item in notation.split_whitespace() {
        append(item, &mut values)
            .with_context(|| format!("`{item}` is no part of a series in promtool's notation"))?;
    }
    Ok(values)
}

fn append(item: &str, values: &mut Vec<Option<f64>>) -> Result<()> {
    let (what, times) = match item.rsplit_once('x') {
        Some((what, times)) => (what, Some(times.parse::<usize>().context("a number of times")?)),
        None => (item, None),
    };
    match (what, times) {
        ("_", times) => values.extend(std::iter::repeat_n(None, times.unwrap_or(1))),
        ("stale", None) => values.push(Some(STALE)),
        (what, None) => values.push(Some(what.parse()?)),
        (what, Some(times)) => {
            let (first, growth) = split(what)?;
            // The first value and so many more.
            values.extend((0..=times).map(|at| Some(first + growth * at as f64)));
        }
    }
    Ok(())
}

/// The two numbers of `2-0.5`; one alone does not grow.
fn split(what: &str) -> Result<(f64, f64)> {
    let signs = what.char_indices().skip(1).filter(|(_, symbol)| matches!(symbol, '+' | '-'));
    let sign = signs.map(|(at, _)| at).find(|at| !what[..*at].ends_with(['e', 'E']));
    Ok(match sign {
        Some(at) => (what[..at].parse()?, what[at..].parse()?),
        None => (what.parse()?, 0.0),
    })
}

/// The samples that `promtool` prints: `{__name__="up", job="node"} 1E+00, {…} 2E+00`.
pub fn printed(text: &str) -> Result<Vec<(Labels, f64)>> {
    let mut samples = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (labels, after) = printed_labels(rest).with_context(|| format!("`{rest}` is no sample"))?;
        let (value, next) = after.split_once(", {").map_or((after, ""), |(value, next)| (value, next));
        samples.push((labels, value.trim().parse().with_context(|| format!("`{value}` is no value"))?));
        rest = if next.is_empty() { "" } else { &after[after.len() - next.len() - 1..] };
    }
    Ok(samples)
}

/// What stands in the braces at the beginning, and what follows them.
fn printed_labels(text: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    let mut rest = text.strip_prefix('{')?;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, quoted) = rest.trim_start_matches(", ").split_once("=\"")?;
        let mut value = String::new();
        let mut symbols = quoted.char_indices();
        loop {
            match symbols.next()? {
                (at, '"') => {
                    rest = &quoted[at + 1..];
                    break;
                }
                (_, '\\') => value.push(match symbols.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                }),
                (_, symbol) => value.push(symbol),
            }
        }
        labels.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_run_as_promtool_runs_them() {
        let check = |notation: &str, expected: &[Option<f64>]| {
            // Bits, as no NaN is equal to itself.
            let bits = |values: &[Option<f64>]| -> Vec<_> {
                values.iter().map(|value| value.map(f64::to_bits)).collect()
            };
            assert_eq!(bits(&values(notation).unwrap()), bits(expected), "{notation}");
        };
        check("1 -2.5", &[Some(1.0), Some(-2.5)]);
        check("1x2", &[Some(1.0), Some(1.0), Some(1.0)]);
        check("0+3x2", &[Some(0.0), Some(3.0), Some(6.0)]);
        check("-5-0.5x1", &[Some(-5.0), Some(-5.5)]);
        check("1e-3+1e2x1", &[Some(0.001), Some(100.001)]);
        check("_ _x2 stale 0x0", &[None, None, None, Some(STALE), Some(0.0)]);
        check("", &[]);
        for wrong in ["x", "1x", "1y2", "_xx", "1+x2", "stalex2"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn series_are_named_and_labelled() {
        let found = labels("a:b{c=\"d\\\"e\",f=\"\"}").unwrap();
        let expected =
            [("__name__", "a:b"), ("c", "d\"e")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, Labels::from(expected));
        for wrong in ["{a=\"b\"}", "a{b!=\"c\"}", "a + b", ""] {
            assert!(labels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn printed_samples_are_read_whatever_their_labels_say() {
        let text = r#"{__name__="a", b="c\", {d}"} 1.5E+02, {e="f"} NaN, {} -1E+00"#;
        let samples = printed(text).unwrap();
        assert_eq!(samples.len(), 3);
        assert_eq!((samples[0].0["b"].as_str(), samples[0].1), ("c\", {d}", 150.0));
        assert!(samples[1].1.is_nan());
        assert_eq!((samples[2].0.len(), samples[2].1), (0, -1.0));
        assert_eq!(printed("").unwrap(), []);
        assert!(printed("nil").is_err());
    }
}

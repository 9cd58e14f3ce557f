//! What a running Prometheus answers to a board's questions.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::list;
use crate::http;

/// One series of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is called, by the query's legend.
    pub name: String,
    /// Seconds since 1970, and values; none is `NaN`.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The last value.
    pub(super) fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, value)| *value)
    }
}

/// The answers to a board's questions, by the panel's id and the query's name.
#[derive(Debug, Default)]
pub struct Answers(pub BTreeMap<(u64, String), Vec<Series>>);

impl Answers {
    /// The answers to a panel's queries, each with the query's name, in their order.
    pub(super) fn of(&self, panel: &Value) -> Vec<(String, &[Series])> {
        let id = panel["id"].as_u64().unwrap_or(0);
        let references = list(panel, "targets").iter().filter_map(|target| target["refId"].as_str());
        let answer = |reference: &str| self.0.get(&(id, reference.to_owned())).map_or(&[][..], Vec::as_slice);
        references.map(|reference| (reference.to_owned(), answer(reference))).collect()
    }
}

/// The time that a picture shows.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When it ends, in seconds since 1970.
    pub end: f64,
    /// How long it is, in seconds.
    pub seconds: f64,
    /// From one point to the next, in seconds.
    pub step: f64,
}

/// Asks a running Prometheus everything that a board's panels ask; `variables` are those of the board, with their values.
pub async fn ask(
    client: &reqwest::Client,
    prometheus: &str,
    board: &Value,
    variables: &[(&str, &str)],
    span: Span,
) -> Result<Answers> {
    let mut answers = Answers::default();
    for panel in list(board, "panels") {
        for target in list(panel, "targets") {
            let expression = filled_in(target["expr"].as_str().unwrap_or_default(), variables, span);
            let is_instant = target["instant"] == true;
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            let series = query(client, prometheus, &expression, is_instant, span)
                .await
                .with_context(|| format!("{}: {expression}", panel["title"]))?;
            let named = series.into_iter().map(|one| Series { name: name(legend, &one.labels), ..one });
            let reference = target["refId"].as_str().unwrap_or_default().to_owned();
            answers.0.insert((panel["id"].as_u64().unwrap_or(0), reference), named.collect());
        }
    }
    Ok(answers)
}

/// With Grafana's variables replaced; the longest first, since `$__range` is in `$__range_s`.
fn filled_in(expression: &str, variables: &[(&str, &str)], span: Span) -> String {
    let own = variables.iter().map(|(name, value)| (format!("${name}"), (*value).to_owned()));
    let rate = (4.0 * span.step).max(4.0);
    let mut all: Vec<(String, String)> = own.collect();
    all.push(("$__range_s".to_owned(), format!("{}", span.seconds)));
    all.push(("$__range".to_owned(), format!("{}s", span.seconds)));
    all.push(("$__rate_interval".to_owned(), format!("{rate}s")));
    all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    all.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

async fn query(
    client: &reqwest::Client,
    prometheus: &str,
    expression: &str,
    is_instant: bool,
    Span { end, seconds, step }: Span,
) -> Result<Vec<Series>> {
    let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
    let url = if is_instant {
        format!("{prometheus}/api/v1/query?query={expression}&time={end}")
    } else {
        let start = end - seconds;
        format!("{prometheus}/api/v1/query_range?query={expression}&start={start}&end={end}&step={step}")
    };
    let answer: Value = serde_json::from_str(&http::page(client, &url).await?)?;
    let result = answer.pointer("/data/result").and_then(Value::as_array);
    let result = result.with_context(|| format!("Prometheus answered {answer}"))?;
    Ok(result.iter().map(series).collect())
}

fn series(answer: &Value) -> Series {
    let labels = answer["metric"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    let single = answer.get("value").into_iter();
    let points = single.chain(list(answer, "values")).filter_map(|point| {
        let value: f64 = point[1].as_str()?.parse().ok()?;
        value.is_finite().then_some((point[0].as_f64()?, value))
    });
    Series { labels: labels.collect(), name: String::new(), points: points.collect() }
}

/// A legend with its labels filled in.
fn name(legend: &str, labels: &BTreeMap<String, String>) -> String {
    let mut name = labels
        .iter()
        .fold(legend.to_owned(), |text, (label, value)| text.replace(&format!("{{{{{label}}}}}"), value));
    // A label that the series does not have is nothing.
    while let Some((before, after)) = name.split_once("{{") {
        let rest = after.split_once("}}").map_or("", |(_, rest)| rest);
        name = format!("{before}{rest}");
    }
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

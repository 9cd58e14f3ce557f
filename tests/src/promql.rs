//! Questions to a running Prometheus.

use anyhow::{Context as _, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::http;

/// The samples that an instant query at `prometheus` (its address, without a trailing slash) yields.
pub async fn query(client: &reqwest::Client, prometheus: &str, expression: &str) -> Result<Vec<Value>> {
    let escaped = utf8_percent_encode(expression, NON_ALPHANUMERIC);
    let body = http::page(client, &format!("{prometheus}/api/v1/query?query={escaped}")).await?;
    let answer: Value =
        serde_json::from_str(&body).context("Prometheus answered something that is not JSON")?;
    let samples = answer.pointer("/data/result").and_then(Value::as_array);
    samples.cloned().with_context(|| format!("Prometheus answered without a result: {body}"))
}

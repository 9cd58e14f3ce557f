//! Samples given to a Prometheus by its remote-write protocol, version 0.1.0: protocol buffers, compressed by snappy.
//!
//! Described at <https://prometheus.io/docs/specs/prw/remote_write_spec/>. Unlike a scrape it says when a sample was taken.

use anyhow::{Context as _, Result, ensure};
use prost::Message;

use crate::cases::history::Series;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Gives `series` to the Prometheus at this address, which takes them or none.
pub async fn send(client: &reqwest::Client, prometheus: &str, series: &[Series]) -> Result<()> {
    let url = format!("{prometheus}/api/v1/write");
    let body = snap::raw::Encoder::new().compress_vec(&request(series).encode_to_vec())?;
    let post = client
        .post(&url)
        .header("Content-Type", "application/x-protobuf")
        .header("Content-Encoding", "snappy")
        .header("X-Prometheus-Remote-Write-Version", "0.1.0")
        .body(body);
    let answer = post.send().await.with_context(|| format!("failed to call {url}"))?;
    let status = answer.status();
    ensure!(status.is_success(), "{url} answered {status}: {}", answer.text().await.unwrap_or_default());
    Ok(())
}

fn request(series: &[Series]) -> WriteRequest {
    let mut series: Vec<&Series> = series.iter().collect();
    // An empty database takes the first sample for the oldest that it will be given.
    series.sort_by_key(|series| series.samples.first().map(|(at, _)| *at));
    let label = |(name, value): (&String, &String)| Label { name: name.clone(), value: value.clone() };
    let sample = |(timestamp, value): &(i64, f64)| Sample { value: *value, timestamp: *timestamp };
    let timeseries = series.into_iter().map(|series| TimeSeries {
        labels: series.labels.iter().map(label).collect(),
        samples: series.samples.iter().map(sample).collect(),
    });
    WriteRequest { timeseries: timeseries.collect() }
}

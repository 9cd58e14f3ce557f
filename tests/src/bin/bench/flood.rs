//! Webhooks from many connections at once, for a while.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Alerts in each webhook, and groups that they belong to: a bad night in a cluster.
const ALERTS: u64 = 10;
const GROUPS: u64 = 500;

/// What a flood came to.
pub(crate) struct Flooded {
    /// Webhooks answered 200.
    pub(crate) accepted: u64,
    /// From the first to the last answer.
    pub(crate) took: Duration,
    /// Milliseconds from a webhook's first byte to its answer, sorted.
    pub(crate) latencies_ms: Vec<f64>,
}

/// Posts webhooks, no two alike, over `connections` connections until `duration` has passed. Every answer must be 200.
pub(crate) async fn flood(
    address: SocketAddr,
    path: &'static str,
    connections: usize,
    duration: Duration,
    next: &Arc<AtomicU64>,
) -> Result<Flooded> {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let next = Arc::clone(next);
        clients.spawn(async move { post_until(address, path, started + duration, &next).await });
    }
    let mut latencies_ms = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies_ms.extend(client.context("a client of the flood")??);
    }
    latencies_ms.sort_by(f64::total_cmp);
    Ok(Flooded { accepted: latencies_ms.len() as u64, took: started.elapsed(), latencies_ms })
}

async fn post_until(address: SocketAddr, path: &str, end: Instant, next: &AtomicU64) -> Result<Vec<f64>> {
    let mut stream =
        TcpStream::connect(address).await.with_context(|| format!("failed to connect to {address}"))?;
    stream.set_nodelay(true).context("a socket of ours")?;
    let mut latencies = Vec::new();
    let mut answer = vec![0; 16 * 1024];
    while Instant::now() < end {
        let body = webhook(next.fetch_add(1, Ordering::Relaxed));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let asked = Instant::now();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.context("failed to post")?;
        let mut read = 0;
        while !answer[..read].windows(4).any(|window| window == b"\r\n\r\n") {
            let more = stream.read(&mut answer[read..]).await.context("failed to read an answer")?;
            ensure!(more > 0, "the relay closed a connection");
            read += more;
        }
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        ensure!(text.starts_with("HTTP/1.1 200"), "a webhook was answered: {text}");
        skip_rest(&mut stream, &text).await?;
        latencies.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// Reads the part of the body that did not come with the head.
async fn skip_rest(stream: &mut TcpStream, answer: &str) -> Result<()> {
    let (head, body) = answer.split_once("\r\n\r\n").context("a head was read")?;
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let length: usize = length.context("an answer without a length")?.trim().parse().context("a length")?;
    let mut rest = vec![0; length.saturating_sub(body.len())];
    stream.read_exact(&mut rest).await.context("failed to read the end of an answer")?;
    Ok(())
}

/// Alertmanager's webhook, version 4, about 7 KB. Each is a new state of one of the groups: its alerts have never been
/// seen before.
fn webhook(number: u64) -> String {
    let group = number % GROUPS;
    let mut alerts = String::new();
    for index in 0..ALERTS {
        let fingerprint = number * ALERTS + index;
        let comma = if index == 0 { "" } else { "," };
        // A String takes all that is written to it.
        let _ = write!(
            alerts,
            r#"{comma}{{"status":"firing","labels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{group}","gpu":"{index}","instance":"node-{number}.example:9100","job":"gpu-node","severity":"warning","uuid":"GPU-00000000-0000-0000-0000-{fingerprint:012x}"}},"annotations":{{"summary":"GPU {index} on node-{number} is almost out of memory","description":"显存使用率持续 5 分钟高于当前时段的阈值。先看是哪个进程占用、是否还在上涨。","value":"97.5%","runbook_url":"https://runbooks.example/gpu-memory"}},"startsAt":"2026-11-23T01:02:03.456Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example:9090/graph?g0.expr=gpu_memory_used_bytes+%2F+gpu_memory_total_bytes+%3E+0.95&g0.tab=1","fingerprint":"{fingerprint:016x}"}}"#
        );
    }
    format!(
        r#"{{"receiver":"relay","status":"firing","alerts":[{alerts}],"groupLabels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{group}"}},"commonLabels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{group}","job":"gpu-node","severity":"warning"}},"commonAnnotations":{{"value":"97.5%"}},"externalURL":"http://alertmanager.example:9093","version":"4","groupKey":"{{}}:{{alertname=\"GpuMemoryAlmostFull\",cluster=\"inference-{group}\"}}","truncatedAlerts":0}}"#
    )
}

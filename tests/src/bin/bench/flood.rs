//! Webhooks from many connections at once, for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use self::webhook::Webhook;
use crate::table::quantile;

mod webhook;

/// What a flood came to.
pub(crate) struct Flooded {
    /// Webhooks answered 200.
    pub(crate) accepted: u64,
    /// From the first to the last answer.
    took: Duration,
    /// Milliseconds from a webhook's first byte to its answer, sorted.
    latencies_ms: Vec<f64>,
}

impl Flooded {
    /// Webhooks a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.accepted as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds within which 99 of 100 webhooks were answered.
    pub(crate) fn p99_ms(&self) -> f64 {
        quantile(&self.latencies_ms, 0.99)
    }
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
    let mut webhook = Webhook::new(address, path);
    let mut latencies = Vec::new();
    let mut answer = vec![0; 16 * 1024];
    while Instant::now() < end {
        let request = webhook.numbered(next.fetch_add(1, Ordering::Relaxed));
        let asked = Instant::now();
        stream.write_all(request).await.context("failed to post")?;
        let mut read = 0;
        while length(&answer[..read])?.is_none_or(|whole| read < whole) {
            let more = stream.read(&mut answer[read..]).await.context("failed to read an answer")?;
            ensure!(more > 0, "the relay closed a connection");
            read += more;
        }
        let is_accepted = answer[..read].starts_with(b"HTTP/1.1 200");
        ensure!(is_accepted, "a webhook was answered: {}", String::from_utf8_lossy(&answer[..read]));
        latencies.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// Bytes of the whole answer that begins like this; `None` while its head is not whole.
fn length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let named = |line: &[u8]| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        if !name.eq_ignore_ascii_case(b"content-length:") {
            return None;
        }
        str::from_utf8(value).ok()?.trim().parse::<usize>().ok()
    };
    let body = answer[..end].split(|byte| *byte == b'\n').find_map(named);
    Ok(Some(end + 4 + body.context("an answer without a length")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-le", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Some(41)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 12\r\na: b\r\n\r\n{", Some(57)),
        ] {
            assert_eq!(length(answer.as_bytes()).unwrap(), expected, "{answer:?}");
        }
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}

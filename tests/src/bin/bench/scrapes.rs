//! Scraping as a Prometheus does, over one kept connection, with as little of our own time in it as possible: a blocking
//! socket and no HTTP library.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How long one answer may take before the bench gives up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What Prometheus 2.42 asks for.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,\
                      text/plain;version=0.0.4;q=0.25,*/*;q=0.1";

/// One kept connection.
pub(crate) struct Scraper {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
    chunk: Vec<u8>,
}

/// One answer.
pub(crate) struct Scraped {
    /// From the first byte sent to the last received.
    pub(crate) took: Duration,
    /// Bytes of the body as they came over the wire.
    pub(crate) bytes: usize,
}

impl Scraper {
    /// Connects, for the page with everything.
    pub(crate) fn connect(address: SocketAddr, with_gzip: bool) -> Result<Self> {
        Self::connect_to(address, "/metrics", with_gzip)
    }

    /// Connects, for this path and query.
    pub(crate) fn connect_to(address: SocketAddr, path: &str, with_gzip: bool) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("failed to connect to {address}"))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(TIMEOUT)))
            .context("a socket of ours")?;
        let encoding = if with_gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {ACCEPT}\r\n{encoding}\r\n");
        Ok(Self { stream, request, answer: Vec::new(), chunk: vec![0; 64 * 1024] })
    }

    /// Scrapes once.
    pub(crate) fn scrape(&mut self) -> Result<Scraped> {
        self.answer.clear();
        let started = Instant::now();
        self.stream.write_all(self.request.as_bytes()).context("failed to ask")?;
        loop {
            let read = self.stream.read(&mut self.chunk).context("failed to read the answer")?;
            ensure!(read > 0, "the connection was closed in the middle of an answer");
            self.answer.extend_from_slice(&self.chunk[..read]);
            if let Some(bytes) = complete(&self.answer)? {
                return Ok(Scraped { took: started.elapsed(), bytes });
            }
        }
    }
}

impl Scraper {
    /// The body of the last answer, as it came over the wire.
    pub(crate) fn body(&self) -> &[u8] {
        let end_of_head = self.answer.windows(4).position(|window| window == b"\r\n\r\n");
        &self.answer[end_of_head.map_or(0, |at| at + 4)..]
    }

    /// The same as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body())
    }
}

/// The size of the body, once all of it is there.
fn complete(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end_of_head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end_of_head]).to_lowercase();
    ensure!(
        head.starts_with("http/1.1 200"),
        "a scrape was answered {}",
        head.lines().next().unwrap_or_default()
    );
    let body = answer.len() - end_of_head - 4;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length {
        let length: usize = length.trim().parse().context("a content-length that is no number")?;
        return Ok((body >= length).then_some(length));
    }
    if head.contains("transfer-encoding: chunked") {
        return Ok(answer.ends_with(b"\r\n0\r\n\r\n").then_some(body));
    }
    bail!("an answer with neither a length nor chunks")
}

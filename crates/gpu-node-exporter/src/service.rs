//! What each path answers.
//!
//! Owns the few paths, which families a scrape gets, and the limit on scrapes at the same time. Leaves out how the page is written
//! (`answer`), and sockets, TLS and passwords, which are http-serve's.

mod recorder;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, request};
use http_serve::Closing;
use http_serve::response::{html, text};
use tokio::sync::{Semaphore, oneshot};

use crate::answer::{Answer, PageWriter};
use crate::exposition::{Page, Refused};
use crate::gpu::Gpu;
use crate::landing;
use crate::scrape::Scraper;
use crate::selection::Selection;
use crate::self_metrics::{self, SelfMetrics};

/// How the pages are served.
#[derive(Debug)]
pub(crate) struct ServiceSettings {
    /// Where the metrics page is; begins with `/`.
    pub(crate) telemetry_path: String,
    /// Most scrapes at the same time; `None` is no limit.
    pub(crate) max_requests: Option<usize>,
    /// Collectors that a scrape may ask for and that are not in this version.
    pub(crate) absent: Vec<&'static str>,
    /// Whether the page shows series about this process itself.
    pub(crate) exporter_metrics: bool,
    /// Whether the GPUs may be released and acquired.
    pub(crate) lifecycle: bool,
    /// A page that takes longer is not sent at all.
    pub(crate) request_timeout: Duration,
}

/// Answers requests.
pub(crate) struct Service {
    settings: ServiceSettings,
    scraper: Scraper,
    gpu: Option<Arc<Gpu>>,
    running: Vec<&'static str>,
    permits: Semaphore,
    recorder: Arc<Semaphore>,
    metrics: SelfMetrics,
    pages: Arc<PageWriter>,
    /// The refused series that were logged: each once.
    logged: Mutex<HashSet<String>>,
}

impl Service {
    /// Nothing is read before the first request.
    pub(crate) fn new(settings: ServiceSettings, scraper: Scraper, gpu: Option<Gpu>) -> Self {
        let running = scraper.collectors().filter(|name| self_metrics::is_nameable(name)).collect();
        let permits = Semaphore::new(
            settings.max_requests.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS),
        );
        Self {
            settings,
            scraper,
            gpu: gpu.map(Arc::new),
            running,
            permits,
            recorder: Arc::new(Semaphore::new(1)),
            metrics: SelfMetrics::default(),
            pages: Arc::default(),
            logged: Mutex::default(),
        }
    }

    /// The names of the collectors that run, as users know them.
    pub(crate) fn collectors(&self) -> &[&'static str] {
        &self.running
    }

    /// The server closed a connection to keep a bound.
    pub(crate) fn connection_closed(&self, reason: Closing) {
        self.metrics.connection_closed(reason);
    }

    /// Answers one request; its body is not looked at.
    pub(crate) async fn answer(&self, request: &request::Parts) -> Answer {
        let path = request.uri.path();
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        if path == self.settings.telemetry_path {
            if !reads {
                return method_not_allowed("GET, HEAD");
            }
            let answer = self.metrics_page(request).await;
            self.metrics.answered(answer.status());
            return answer;
        }
        match path {
            "/" | "/-/healthy" | "/-/ready" | "/api/v1/recorder" if !reads => method_not_allowed("GET, HEAD"),
            "/-/gpu/release" | "/-/gpu/acquire" if request.method != Method::POST => {
                method_not_allowed("POST")
            }
            "/-/gpu/release" | "/-/gpu/acquire" if !self.settings.lifecycle => text(
                StatusCode::FORBIDDEN,
                "releasing and acquiring the GPUs is not enabled (hint: --web.enable-lifecycle)\n",
            ),
            "/" => html(StatusCode::OK, landing::page(&self.settings.telemetry_path)),
            "/-/healthy" => text(StatusCode::OK, "healthy\n"),
            "/-/ready" => text(StatusCode::OK, "ready\n"),
            "/api/v1/recorder" => self.recording(request).await,
            "/-/gpu/release" => self.release_gpu().await,
            "/-/gpu/acquire" => self.acquire_gpu().await,
            _ => text(
                StatusCode::NOT_FOUND,
                format!("no such page (hint: metrics are under {})\n", self.settings.telemetry_path),
            ),
        }
    }

    /// Frees the driver, so that an administrator can reset a GPU or change its MIG mode.
    async fn release_gpu(&self) -> Answer {
        let Some(gpu) = self.gpu.clone() else { return no_gpu() };
        // It waits for the probe to leave.
        match apart("gpu-lifecycle", move || gpu.release()).await {
            Ok(Some(true)) => text(
                StatusCode::OK,
                "the driver is free (hint: POST /-/gpu/acquire to read the GPUs again)\n",
            ),
            Ok(Some(false) | None) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the probe did not leave the driver in time (hint: a call may hang in the driver; see the log)\n",
            ),
            Err(error) => no_thread(&error),
        }
    }

    async fn acquire_gpu(&self) -> Answer {
        let Some(gpu) = self.gpu.clone() else { return no_gpu() };
        // It waits for a place in the supervisor's queue; the supervisor may be busy ending a probe.
        match apart("gpu-lifecycle", move || gpu.acquire()).await {
            // Should it be cut short, the program is ending.
            Ok(_) => text(StatusCode::OK, "the GPUs are read again\n"),
            Err(error) => no_thread(&error),
        }
    }

    /// One at a time: an answer may take tens of megabytes until it has been sent.
    async fn recording(&self, request: &request::Parts) -> Answer {
        let Some(gpu) = self.gpu.clone() else { return no_gpu() };
        let Ok(permit) = Arc::clone(&self.recorder).try_acquire_owned() else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "another recording is being written or sent (hint: try again in a second)\n",
            );
        };
        let (query, headers) = (request.uri.query().unwrap_or_default().to_owned(), request.headers.clone());
        let made = apart("recorder", move || {
            recorder::answer(&gpu, &query, &headers).map(|body| body.guarded(permit))
        });
        match made.await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the recording could not be written (see the log)\n")
            }
            Err(error) => no_thread(&error),
        }
    }

    async fn metrics_page(&self, request: &request::Parts) -> Answer {
        let Ok(_permit) = self.permits.try_acquire() else {
            let most = self.settings.max_requests.unwrap_or(Semaphore::MAX_PERMITS);
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{most} scrapes are being answered already (hint: --web.max-requests)\n"),
            );
        };
        let query = request.uri.query().unwrap_or_default();
        let selection = match Selection::parse(query, &self.running, &self.settings.absent) {
            Ok(selection) => selection,
            Err(reason) => return text(StatusCode::BAD_REQUEST, reason + "\n"),
        };
        let deadline = Instant::now() + time_limit(&request.headers, self.settings.request_timeout);
        let wanted = |name: &str| !self_metrics::is_nameable(name) || selection.wants(name);
        let readings = self.scraper.read(wanted, deadline).await;

        let mut sources: Vec<_> = readings.iter().flat_map(|reading| reading.families.clone()).collect();
        let mut own = self_metrics::collector_families(&readings);
        own.extend(self_metrics::build_infos());
        if self.settings.exporter_metrics {
            own.extend(self.metrics.families());
        }
        // Our own series stand first: a text file may not take their place.
        sources.insert(0, Arc::new(own));
        if Page::size_of(&sources) <= LARGEST_AT_ONCE {
            let (answer, refused) = self.pages.answer(sources, &request.headers);
            self.log_refused(&refused);
            return answer;
        }
        // Other requests are answered meanwhile.
        let (pages, headers) = (Arc::clone(&self.pages), request.headers.clone());
        match tokio::task::spawn_blocking(move || pages.answer(sources, &headers)).await {
            Ok((answer, refused)) => {
                self.log_refused(&refused);
                answer
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made (see the log)\n"),
        }
    }

    fn log_refused(&self, refused: &Refused) {
        if refused.count == 0 {
            return;
        }
        self.metrics.refused(refused.count);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for text in &refused.told {
            if logged.len() < MOST_LOGGED && logged.insert(text.clone()) {
                tracing::warn!("left out of the page: {text}");
            }
        }
    }
}

/// Text files can hold any number of series that clash; the counter counts them all, the log names this many.
const MOST_LOGGED: usize = 64;

/// A page with more samples is not made on the thread that serves: text files can bring a hundred thousand.
const LARGEST_AT_ONCE: usize = 20_000;

/// A scraper that says nothing waits this long at least: Prometheus' own default is 10 s.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Time to encode the page and send it before the scraper gives up.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);

/// How long collectors may take, from the time the scraper waits (a header of its says how long) and `longest`, which the
/// server waits.
fn time_limit(headers: &HeaderMap, longest: Duration) -> Duration {
    let header = headers.get("x-prometheus-scrape-timeout-seconds").and_then(|value| value.to_str().ok());
    let timeout = header
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match timeout {
        Some(timeout) if !timeout.is_zero() => {
            let timeout = timeout.min(longest);
            timeout.saturating_sub(TIME_TO_ANSWER.min(timeout / 10))
        }
        _ => DEFAULT_TIME_LIMIT,
    }
}

/// Runs what waits on a thread of its own, and gives its result unless it panics. `Err`: there can be no more threads now.
async fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (tell, told) = oneshot::channel();
    // Nobody waits for it when the peer has hung up.
    std::thread::Builder::new().name(name.to_owned()).spawn(move || drop(tell.send(work())))?;
    Ok(told.await.ok())
}

fn no_thread(error: &io::Error) -> Answer {
    tracing::warn!(%error, "cannot start a thread for a request: {error}");
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("cannot start a thread for it: {error} (hint: try again)\n"),
    )
}

fn no_gpu() -> Answer {
    text(StatusCode::NOT_FOUND, "GPUs are not read here (hint: --no-collector.gpu is set)\n")
}

fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("this page takes {allowed} only\n"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

#[cfg(test)]
mod tests;

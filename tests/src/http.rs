//! Plain HTTP calls to what runs on loopback.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// How long a whole call may take; far above what any takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client for loopback: no proxy, no redirects.
pub fn client() -> Result<reqwest::Client> {
    // The crate is built without a default TLS provider and refuses to start without one, plain HTTP or not. A second
    // installation fails harmlessly: the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .context("failed to set up the HTTP client")
}

/// The body of a page that must answer 200.
pub async fn page(client: &reqwest::Client, url: &str) -> Result<String> {
    let reply = client.get(url).send().await.with_context(|| format!("failed to call {url}"))?;
    let status = reply.status();
    let body = reply.text().await.with_context(|| format!("failed to read the answer of {url}"))?;
    anyhow::ensure!(status.is_success(), "{url} answered {status}: {body}");
    Ok(body)
}

/// Whether a page answers 2xx at this moment.
pub async fn is_up(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|reply| reply.status().is_success())
}

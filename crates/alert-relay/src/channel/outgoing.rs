//! An HTTP call that leaves the relay: no redirects, a time-out over all, an answer of at most 64 KiB, the proxy, the authorities.
//!
//! Owns the client and what must not be repeated: errors lose the address, answers that repeat a secret are blacked out. Leaves out
//! whom it calls and what an answer means; a robot with one fixed address is `robot`'s.

use std::error::Error as _;
use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::{Client, Proxy, Url, redirect};
use settings_document::Secret;

use crate::channel::kind::Setup;
use crate::channel::reach::{OtherEnd, Reached, ahead};
use crate::channel::reply::{Reply, parse_retry_after};
use crate::channel::roots::Roots;
use crate::outcome::{Outcome, Reason};

/// Longest answer read; what is beyond can't be a verdict.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Longest wait for a connection, of the target's whole time-out.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Shorter values than this are not worth blacking out, and would garble answers.
const SHORTEST_SECRET: usize = 6;

/// The client of one target.
pub(super) struct Outgoing {
    client: Client,
    /// `host:port` of the target's own proxy.
    proxy: Option<String>,
    /// What must not be repeated, longest first: a query contains its values.
    secrets: Vec<Secret>,
}

impl Outgoing {
    /// Builds the client for calls to `url` and its like, and blacks `secrets` out of every answer. A mistake is noted at the target.
    pub(super) fn open(url: &Url, mut secrets: Vec<Secret>, setup: &Setup<'_>) -> Option<Self> {
        secrets.extend(login_in(url));
        if let Some(proxy) = setup.proxy {
            if url.scheme() == "http" {
                setup.target.problem(
                    setup.proxy_said_by,
                    "this target's address is http: the proxy, and whoever sees the way to it, would read its token (hint: leave `proxy` out)",
                );
                return None;
            }
            secrets.extend(Url::parse(proxy.reveal().trim()).iter().flat_map(login_in));
        }
        let mut secrets: Vec<Secret> = secrets.iter().flat_map(forms).collect();
        secrets.retain(|secret| secret.reveal().len() >= SHORTEST_SECRET);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT.min(setup.timeout))
            .timeout(setup.timeout)
            .user_agent(concat!("alert-relay/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = setup.proxy {
            // A proxy's address may hold a password: the error is not repeated.
            let Ok(proxy) = Proxy::all(proxy.reveal()) else {
                setup.target.problem(
                    setup.proxy_said_by,
                    "not an address (hint: http://host:port, with user:password@ if it wants a login)",
                );
                return None;
            };
            builder = builder.proxy(proxy);
        } else if url.host_str().is_some_and(is_loopback) {
            // `HTTPS_PROXY` and its like are for the world outside.
            builder = builder.no_proxy();
        }
        let client = setup.roots.https().and_then(|tls| {
            builder.tls_backend_preconfigured(tls).build().map_err(|error| error.without_url().to_string())
        });
        match client {
            Ok(client) => {
                let proxy = setup.proxy.and_then(|proxy| Url::parse(proxy.reveal().trim()).ok());
                Some(Self { client, proxy: proxy.as_ref().map(host_and_port), secrets })
            }
            Err(error) => {
                setup.target.own_problem(format!("can't set up the client: {error}"));
                None
            }
        }
    }

    /// Posts a JSON body.
    pub(super) async fn post(&self, url: Url, headers: HeaderMap, body: &str) -> Result<Reply, Outcome> {
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .headers(headers)
            .body(body.to_owned());
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| parse_retry_after(value, Timestamp::now()));
        let mut answer = Vec::new();
        while answer.len() < ANSWER_LIMIT {
            match response.chunk().await.map_err(|error| self.failed(error))? {
                Some(chunk) => answer.extend_from_slice(&chunk),
                None => break,
            }
        }
        answer.truncate(ANSWER_LIMIT);
        Ok(Reply { status, retry_after, body: self.black_out(&String::from_utf8_lossy(&answer)) })
    }

    /// The host of an address, of which nothing else is shown.
    pub(super) fn other_end(&self, url: &Url) -> OtherEnd {
        OtherEnd {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
            proxy: self.proxy.clone(),
        }
    }

    /// Whether the host of an address answers in HTTP, whatever it says. It is asked for `/`, not for the address, which would be a message
    /// or show a token.
    pub(super) async fn reach(&self, url: &Url) -> Result<Reached, String> {
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        let (began, asked) = (Instant::now(), Timestamp::now());
        let response = self.client.head(root).send().await;
        let response = response.map_err(|error| self.failed(error).detail().to_owned())?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(Reached {
            answer: format!("HTTP {}", response.status().as_u16()),
            ahead: date.and_then(|date| ahead(date, asked, Timestamp::now())),
            took: began.elapsed(),
        })
    }

    /// A failure on the way. Whether the message arrived is unknown unless no connection was made.
    fn failed(&self, error: reqwest::Error) -> Outcome {
        let reason = if error.is_connect() {
            Reason::Connect
        } else if error.is_timeout() {
            Reason::Timeout
        } else {
            Reason::BrokenReply
        };
        let detail = self.black_out(&with_causes(&error.without_url()));
        Outcome::Retry { reason, after: None, detail }
    }

    fn black_out(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "<redacted>"))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

/// What the page at an address that is no secret answers, for who only looks: without a proxy of its own, and without its body.
pub(crate) async fn look(url: &Url, limit: Duration) -> Result<Reached, String> {
    let tls = Roots::default().https()?;
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(limit)
        .user_agent(concat!("alert-relay/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls);
    if url.host_str().is_some_and(is_loopback) {
        builder = builder.no_proxy();
    }
    let said = |error: reqwest::Error| with_causes(&error.without_url());
    let (began, asked) = (Instant::now(), Timestamp::now());
    let response = builder.build().map_err(said)?.get(url.clone()).send().await.map_err(said)?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    Ok(Reached {
        answer: format!("HTTP {}", response.status().as_u16()),
        ahead: date.and_then(|date| ahead(date, asked, Timestamp::now())),
        took: began.elapsed(),
    })
}

/// What went wrong, and what that was due to.
fn with_causes(error: &reqwest::Error) -> String {
    let mut detail = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !detail.ends_with(&text) {
            detail = format!("{detail}: {text}");
        }
        source = cause.source();
    }
    detail
}

/// Reads an address that is a secret: `https:` anywhere, `http:` on this machine only, since a token must not travel in the clear.
///
/// The error completes "the address …", and shows nothing of it.
pub(super) fn parse_address(url: &Secret) -> Result<Url, String> {
    // The parser's own error is harmless, but its input is the secret: only our words are shown.
    let url = Url::parse(url.reveal().trim())
        .map_err(|error| format!("is not an address: {error} (hint: paste the whole address, https://…)"))?;
    let host = url.host_str().ok_or("has no host (hint: paste the whole address, https://…)")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(host) => Ok(url),
        "http" => Err(
            "is http, which shows its token to the network (hint: use https://; http is for this machine only)".to_owned(),
        ),
        _ => Err("is neither https nor http (hint: paste the whole address, https://…)".to_owned()),
    }
}

/// What of an address authorises: the values of its query, the query itself, the last segment of its path. `send` and the like are words
/// of every robot's address, and too short to count.
pub(super) fn secrets_in(url: &Url) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = url.query_pairs().map(|(_, value)| Secret::new(&*value)).collect();
    secrets.extend(url.query().map(Secret::new));
    secrets.extend(url.path_segments().and_then(|mut path| path.next_back()).map(Secret::new));
    secrets
}

/// The login in an address: the password, and the pair as a header carries it; both also as they stand in the address.
fn login_in(url: &Url) -> Vec<Secret> {
    let Some(password) = url.password() else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |username: &str, password: &str| format!("{username}:{password}");
    [
        pair(&decoded(url.username()), &decoded(password)),
        pair(url.username(), password),
        decoded(password),
        password.to_owned(),
    ]
    .into_iter()
    .map(Secret::new)
    .collect()
}

/// A secret as a page may repeat it: as it is, percent-encoded or decoded, and in base64, as a header `Authorization: Basic` has it; and what
/// such a header says in clear.
fn forms(secret: &Secret) -> Vec<Secret> {
    let text = secret.reveal();
    let mut forms = vec![
        text.to_owned(),
        percent_decode_str(text).decode_utf8_lossy().into_owned(),
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE_NO_PAD.encode(text),
    ];
    let login = text.strip_prefix("Basic ").and_then(|login| STANDARD.decode(login.trim()).ok());
    if let Some(login) = login.and_then(|login| String::from_utf8(login).ok()) {
        forms.extend(login.split_once(':').map(|(_, password)| password.to_owned()));
        forms.push(login);
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(Secret::new).collect()
}

fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;

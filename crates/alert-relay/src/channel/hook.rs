//! A robot's webhook: one address, one client, one POST.
//!
//! Owns the HTTP client with its bounds: no redirects, a time-out over all, an answer of at most 64 KiB. The address is the
//! credential, so it stays in here: errors lose it, answers that repeat it are blacked out.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Proxy, Url, redirect};
use rustls::ClientConfig;

use crate::channel::reply::Reply;
use crate::channel::{ChannelError, RobotId, roots};
use crate::outcome::{Outcome, Reason};
use crate::settings::TargetSettings;
use settings_document::Secret;

/// Longest answer read; what is beyond can't be a verdict.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Longest wait for a connection, of the target's whole time-out.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Shorter values than this are not worth blacking out, and would garble answers.
const SHORTEST_SECRET: usize = 6;

/// One robot's address and the client that reaches it.
pub(crate) struct Hook {
    client: Client,
    url: Url,
    robot: RobotId,
    /// What must not be repeated: the address, its query values, the signing secret.
    secrets: Vec<Secret>,
}

impl Hook {
    /// Checks the address and builds the client. `signing` is blacked out of answers too.
    pub(crate) fn new(
        url: &Secret,
        signing: Option<&Secret>,
        target: &TargetSettings,
    ) -> Result<Self, ChannelError> {
        let url = address(url)?;
        // The values of the query (`access_token`, `key`) and the last segment of the path are what authorises.
        let mut secrets: Vec<Secret> = url.query_pairs().map(|(_, value)| Secret::new(&*value)).collect();
        secrets.extend(url.query().map(Secret::new));
        secrets.extend(url.path_segments().and_then(|mut path| path.next_back()).map(Secret::new));
        secrets.extend(signing.cloned());
        // `send` and the like are words of every robot's address.
        secrets.retain(|secret| secret.reveal().len() >= SHORTEST_SECRET);
        // Longest first: the query contains its values.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        let token = url.query_pairs().find(|(name, _)| name == "access_token" || name == "key");
        let identity = token.map_or_else(|| url.to_string(), |(_, token)| token.into_owned());
        let port = url.port_or_known_default().unwrap_or_default().to_string();
        let robot = RobotId::of(&[url.host_str().unwrap_or_default(), &port, &identity]);
        Ok(Self { client: client(&url, target)?, url, robot, secrets })
    }

    /// Targets with the same token on the same host share a robot.
    pub(crate) fn robot(&self) -> &RobotId {
        &self.robot
    }

    /// Posts a JSON body, with `query` added to the address (each value percent-encoded once).
    pub(crate) async fn post(&self, query: &[(&str, &str)], body: &str) -> Result<Reply, Outcome> {
        let mut url = self.url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self
            .client
            .post(url)
            .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.to_owned());
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while answer.len() < ANSWER_LIMIT {
            match response.chunk().await.map_err(|error| self.failed(error))? {
                Some(chunk) => answer.extend_from_slice(&chunk),
                None => break,
            }
        }
        answer.truncate(ANSWER_LIMIT);
        Ok(Reply { status, body: self.black_out(&String::from_utf8_lossy(&answer)) })
    }

    /// A failure on the way. Whether the message arrived is unknown unless no connection was made.
    fn failed(&self, error: reqwest::Error) -> Outcome {
        let reason = if error.is_timeout() {
            Reason::Timeout
        } else if error.is_connect() {
            Reason::Connect
        } else {
            Reason::BrokenReply
        };
        let error = error.without_url();
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !detail.ends_with(&text) {
                detail = format!("{detail}: {text}");
            }
            source = cause.source();
        }
        Outcome::Retry { reason, after: None, detail: self.black_out(&detail) }
    }

    fn black_out(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "<redacted>"))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hook").field("robot", &self.robot).finish_non_exhaustive()
    }
}

/// `https:` anywhere, `http:` on this machine only: a robot's token must not travel in the clear.
fn address(url: &Secret) -> Result<Url, ChannelError> {
    let refused = |what: &str| ChannelError::Address(what.to_owned());
    // The parser's own error is harmless, but its input is the secret: only our words are shown.
    let url = Url::parse(url.reveal().trim()).map_err(|error| {
        refused(&format!("is not an address: {error} (hint: paste the robot's whole address, https://…)"))
    })?;
    let host = url
        .host_str()
        .ok_or_else(|| refused("has no host (hint: paste the robot's whole address, https://…)"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(host) => Ok(url),
        "http" => Err(refused(
            "is http, which shows the robot's token to the network (hint: use https://; http is for this machine only)",
        )),
        _ => Err(refused("is neither https nor http (hint: paste the robot's whole address, https://…)")),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn client(url: &Url, target: &TargetSettings) -> Result<Client, ChannelError> {
    let failed = |error: &dyn fmt::Display| ChannelError::Client(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots::store())
        .with_no_client_auth();
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT.min(target.timeout))
        .timeout(target.timeout)
        .user_agent(concat!("alert-relay/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &target.proxy {
        // A proxy's address may hold a password: the error is not repeated.
        let proxy = Proxy::all(proxy.reveal()).map_err(|_| ChannelError::Proxy)?;
        builder = builder.proxy(proxy);
    } else if url.host_str().is_some_and(is_loopback) {
        // `HTTPS_PROXY` and its like are for the world outside.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| failed(&error.without_url()))
}

#[cfg(test)]
mod tests;

//! Refusals: answers that do not come from the service.
//!
//! Owns the reasons to answer before the service, or instead of it when it is late: status, reason and the headers that
//! belong to them. A service may word them itself ([`Server::refusing_with`](crate::Server::refusing_with)), so that they
//! are in its log and its metrics and have the form of its other answers.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::{Whole, response};

/// Why a request is answered without its service.
#[derive(Debug)]
pub struct Refusal {
    /// 400, 401, 403, 413, 414, 429 or 503.
    pub status: StatusCode,
    /// The reason, for the peer to read.
    pub reason: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Makes the answer to a refused request from its method, its path and the reason.
pub(crate) type Wording = Arc<dyn Fn(&Method, &Uri, &Refusal) -> Response<Whole> + Send + Sync>;

/// `Retry-After` where it is not known when a request would be answered.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// Bytes of a host's name that are shown; a name in DNS has at most 253.
const LONGEST_HOST: usize = 253;

impl Refusal {
    /// `rate_limit` allows the next request after `wait`.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let reason = "more requests than rate_limit allows".to_owned();
        Self::for_now(StatusCode::TOO_MANY_REQUESTS, reason, wait)
    }

    /// The request does not say which host it is for.
    pub(crate) fn bad_host(reason: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: reason.to_owned(), header: None }
    }

    /// The request is for a host that is not in the list of this name.
    pub(crate) fn foreign_host(host: &str, list: &str) -> Self {
        let shown = &host[..host.floor_char_boundary(LONGEST_HOST)];
        Self::forbidden(format!(
            "the request is for the host `{shown}`, which this server is not allowed to be (hint: {list}; a change needs a restart)"
        ))
    }

    /// Nobody may send this request from there.
    pub(crate) fn forbidden(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, reason: reason.into(), header: None }
    }

    /// No user has this name and password.
    pub(crate) fn unauthorized() -> Self {
        let header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Basic")));
        Self { status: StatusCode::UNAUTHORIZED, reason: "Unauthorized".to_owned(), header }
    }

    /// The password was not compared: the queue for it is full.
    pub(crate) fn busy() -> Self {
        let reason = "too many passwords wait to be compared".to_owned();
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, reason, RETRY_LATER)
    }

    /// The request's path and query have more bytes than are accepted.
    pub(crate) fn target_too_long(bytes: usize, most: usize) -> Self {
        let reason = format!("the path and query have {bytes} bytes, this server accepts at most {most}");
        Self { status: StatusCode::URI_TOO_LONG, reason, header: None }
    }

    /// The body has more bytes than are accepted.
    pub(crate) fn too_large(announced: u64, most: usize) -> Self {
        let reason = format!("the body has {announced} bytes, this server accepts at most {most}");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, reason, header: None }
    }

    /// The service took longer than it may.
    pub(crate) fn not_in_time(limit: Duration) -> Self {
        let reason = format!("not answered within {} seconds", limit.as_secs_f64());
        Self::for_now(StatusCode::SERVICE_UNAVAILABLE, reason, RETRY_LATER)
    }

    fn for_now(status: StatusCode, reason: String, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { status, reason, header: Some((RETRY_AFTER, HeaderValue::from(seconds))) }
    }

    /// The answer in these words, with the headers that the status asks for.
    pub(crate) fn answer(self, wording: &Wording, method: &Method, uri: &Uri) -> Response<Whole> {
        let mut response = wording(method, uri, &self);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The reason alone, as text.
pub(crate) fn as_text() -> Wording {
    Arc::new(|_, _, refusal| response::text(refusal.status, format!("{}\n", refusal.reason)))
}

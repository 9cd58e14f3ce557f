//! What every path answers: a small JSON object with `status` and `message`.
//!
//! Owns which status an error gets, which follows what Alertmanager does with it: a 5xx is tried again, anything else but 2xx
//! never, 429 included.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_serve::{BodyError, Whole, response};
use serde_json::{Map, Value, json};

use crate::operation::query::QueryError;
use crate::outbox::StoreError;
use crate::relay::{LookRefusal, PreviewRefusal, Refusal};

/// After this a sender that heeds `Retry-After` comes again; Alertmanager does not, it backs off by itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) message: String,
    fields: Map<String, Value>,
    /// Told with a 503.
    retry_after: Duration,
}

impl Answer {
    /// An answer that says `message` to people and `word` to programs.
    pub(super) fn new(status: StatusCode, word: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut fields = Map::new();
        fields.insert("status".to_owned(), json!(word));
        fields.insert("message".to_owned(), json!(message));
        Self { status, message, fields, retry_after: RETRY_AFTER }
    }

    /// The same with one more field.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// The same, if it is a 503, for a sender that is to come again after this long.
    pub(super) fn again_after(self, wait: Duration) -> Self {
        Self { retry_after: wait, ..self }
    }

    /// The response with its body in one piece.
    pub(super) fn whole(self) -> Response<Whole> {
        let mut response = response::json(self.status, Value::Object(self.fields).to_string() + "\n");
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // Rounded up: at that second it is over.
            let seconds = self.retry_after.as_millis().div_ceil(1_000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<BodyError> for Answer {
    fn from(error: BodyError) -> Self {
        let (status, message) = match error {
            BodyError::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is larger than server.max_body_bytes (hint: max_alerts in Alertmanager's webhook_config)",
            ),
            BodyError::NoRoom => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many bodies at once (hint: the sender tries again)")
            }
            BodyError::GaveWay => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many bodies at once, and this one had been arriving for the longest time (hint: the sender tries again)",
            ),
            // 408 would be given up.
            BodyError::TooSlow => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the body arrives too slowly (hint: within 10 seconds, or with 16 KiB a second)",
            ),
            BodyError::Broken => (StatusCode::BAD_REQUEST, "the body could not be read to its end"),
        };
        Self::new(status, "error", message)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Body(_) => StatusCode::BAD_REQUEST,
            Refusal::Store(_) | Refusal::Busy | Refusal::NoThread(_) | Refusal::Removed(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, "error", refusal.to_string())
    }
}

impl From<QueryError> for Answer {
    fn from(error: QueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "error", error.to_string())
    }
}

impl From<PreviewRefusal> for Answer {
    fn from(refusal: PreviewRefusal) -> Self {
        let status = match refusal {
            PreviewRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            PreviewRefusal::Body(_) => StatusCode::BAD_REQUEST,
            PreviewRefusal::Look(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, "error", refusal.to_string())
    }
}

impl From<LookRefusal> for Answer {
    fn from(refusal: LookRefusal) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "error", refusal.to_string())
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error).into()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.whole().map(Body::new)
    }
}

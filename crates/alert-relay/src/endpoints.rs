//! The relay's HTTP paths: what is asked, which status answers.
//!
//! Owns paths, status codes and the words of the answers, which follow what Alertmanager does with them: a 5xx is tried
//! again, anything else but 2xx never, 429 included. Leaves out the connection (`http-serve`) and what accepting means
//! (`relay`).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, MatchedPath, Path, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::Full;
use http_serve::response;
use serde_json::{Map, Value, json};
use tracing::{debug, info, warn};

use crate::delivery::Acceptance;
use crate::endpoints::bodies::{Bodies, BodyError};
use crate::relay::{Beat, Receipt, Refusal, Relay};

mod bodies;
mod landing;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds after which a sender that heeds `Retry-After` comes again; Alertmanager does not, it backs off by itself.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// All paths.
pub(crate) fn router(relay: Arc<Relay>) -> Router {
    let bodies = Bodies::new(relay.settings().server.max_body_bytes);
    Router::new()
        .route("/", get(landing_page))
        .route("/api/v1/alerts/{receiver}", post(accept))
        // As prometheus-webhook-dingtalk has it, so that its users change nothing but the host.
        .route("/dingtalk/{receiver}/send", post(accept))
        .route("/api/v1/heartbeats/{name}", post(beat))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&relay), count))
        .with_state(Shared { relay, bodies })
}

/// What the paths work with.
#[derive(Clone, Debug)]
struct Shared {
    relay: Arc<Relay>,
    bodies: Bodies,
}

impl FromRef<Shared> for Arc<Relay> {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(&shared.relay)
    }
}

impl FromRef<Shared> for Bodies {
    fn from_ref(shared: &Shared) -> Self {
        shared.bodies.clone()
    }
}

async fn accept(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<Bodies>,
    Path(receiver): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        relay.require_receiver(&receiver)?;
        require_plain_json(&headers)?;
        let body = bodies.read(body).await?;
        relay.accept(&receiver, body.bytes.clone()).await.map_err(Answer::from)
    };
    match answer.await {
        Ok(receipt) => accepted(&receiver, &receipt).into_response(),
        Err(refused) => {
            let status = refused.status.as_u16();
            warn!(receiver, status, "refused a webhook for {receiver:?} with {status}: {}", refused.message);
            refused.into_response()
        }
    }
}

fn accepted(receiver: &str, receipt: &Receipt) -> Answer {
    let Receipt { alerts, unrouted, ref acceptance } = *receipt;
    let (word, deliveries, notification) = match *acceptance {
        Acceptance::Stored { notification, deliveries } => ("accepted", deliveries, notification),
        Acceptance::Duplicate { notification, .. } => ("suppressed", 0, notification),
    };
    info!(receiver, notification, alerts, deliveries, unrouted, "{word} a webhook for `{receiver}`");
    let message = match (acceptance, deliveries) {
        (Acceptance::Duplicate { of, .. }, _) => {
            format!("the same as notification {of}, which is stored already")
        }
        (_, 0) => "stored; no route wants any of its alerts now".to_owned(),
        (_, 1) => "stored for 1 target".to_owned(),
        (_, targets) => format!("stored for {targets} targets"),
    };
    Answer::new(StatusCode::OK, word, message)
        .with("notification", notification)
        .with("alerts", alerts)
        .with("deliveries", deliveries)
        .with("unrouted_alerts", unrouted)
}

async fn beat(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<Bodies>,
    Path(name): Path<String>,
    body: Body,
) -> Answer {
    let body = match bodies.read(body).await {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    match relay.beat(&name, &body.bytes) {
        Ok(Beat::Heard) => Answer::new(StatusCode::OK, "heard", format!("heartbeat `{name}` is heard")),
        Ok(Beat::Ended) => Answer::new(
            StatusCode::OK,
            "ended",
            format!(
                "heartbeat `{name}`: its alert is resolved, which is no sign of life (hint: send_resolved: false)"
            ),
        ),
        Err(refusal) => {
            warn!(heartbeat = name, "refused a heartbeat: {refusal}");
            refusal.into()
        }
    }
}

async fn metrics(State(relay): State<Arc<Relay>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], relay.metrics_page().await)
}

async fn healthy() -> Answer {
    Answer::new(StatusCode::OK, "healthy", "the relay runs")
}

async fn ready(State(relay): State<Arc<Relay>>) -> Answer {
    match relay.outbox().ping().await {
        Ok(()) => Answer::new(StatusCode::OK, "ready", "the store takes notifications"),
        Err(error) => Refusal::Store(error).into(),
    }
}

async fn reload(State(relay): State<Arc<Relay>>) -> Answer {
    match relay.reload().await {
        Ok(()) => Answer::new(StatusCode::OK, "reloaded", "the new settings are in force"),
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Answer::new(
                StatusCode::BAD_REQUEST,
                "error",
                "the settings have mistakes; the old ones stay in force",
            )
            .with("problems", problems)
        }
    }
}

async fn landing_page(State(relay): State<Arc<Relay>>) -> Response {
    let counts = relay.outbox().counts().await;
    match landing::page(&relay.settings(), counts.ok().as_ref(), &relay.heartbeats().last_beats()) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            warn!("cannot render the landing page: {error:#}");
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "error", "the page could not be rendered")
                .into_response()
        }
    }
}

async fn not_found(uri: Uri) -> Answer {
    let message = format!(
        "there is nothing at `{}` (hint: Alertmanager posts to /api/v1/alerts/RECEIVER; `/` lists what there is)",
        uri.path()
    );
    Answer::new(StatusCode::NOT_FOUND, "error", message)
}

/// axum adds `Allow` to a response that lacks it.
async fn method_not_allowed(method: Method, uri: Uri) -> Answer {
    let message =
        format!("`{}` does not take {method} (hint: the `Allow` header says what it takes)", uri.path());
    Answer::new(StatusCode::METHOD_NOT_ALLOWED, "error", message)
}

async fn count(State(relay): State<Arc<Relay>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = std::time::Instant::now();
    let response = next.run(request).await;
    let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    relay.metrics().http_request(route.as_ref().map_or("other", MatchedPath::as_str), status);
    debug!(%method, path, status, duration_ms, "{method} {path} answered {status}");
    response
}

/// What is refused before it reaches a path (a wrong password, a body too large, …) is counted, logged and answered here.
pub(crate) fn refuse(
    relay: &Relay,
    method: &Method,
    uri: &Uri,
    refusal: &http_serve::Refusal,
) -> Response<Full<bytes::Bytes>> {
    let status = match refusal.status {
        // Alertmanager would give up on it.
        StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let (path, code, reason) = (uri.path(), status.as_u16(), &refusal.reason);
    relay.metrics().http_request("other", code);
    warn!(%method, path, status = code, "refused {method} {path} with {code}: {reason}");
    Answer::new(status, "error", reason).whole()
}

/// A missing type is taken for JSON, as scripts often leave it out; a wrong one is a mistake that is easily named.
fn require_plain_json(headers: &HeaderMap) -> Result<(), Answer> {
    let unsupported = |message: &str| Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "error", message);
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported("the body is compressed (hint: send it without Content-Encoding)"));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json = media_type.eq_ignore_ascii_case("application/json")
        || media_type.to_ascii_lowercase().ends_with("+json");
    if is_json {
        return Ok(());
    }
    Err(unsupported("the body is not declared as JSON (hint: send Content-Type: application/json)"))
}

/// A small JSON object with `status` and `message`.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    message: String,
    fields: Map<String, Value>,
}

impl Answer {
    fn new(status: StatusCode, word: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut fields = Map::new();
        fields.insert("status".to_owned(), json!(word));
        fields.insert("message".to_owned(), json!(message));
        Self { status, message, fields }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    fn whole(self) -> Response<Full<bytes::Bytes>> {
        let mut response = response::json(self.status, Value::Object(self.fields).to_string() + "\n");
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
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
            BodyError::NoRoom => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many large bodies at once (hint: the sender tries again)",
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
            Refusal::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, "error", refusal.to_string())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.whole().map(Body::new)
    }
}

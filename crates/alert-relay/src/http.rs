//! The relay's HTTP paths: which path is whose, and what happens to every request.
//!
//! Owns the table of paths, and counting and logging their requests. Leaves out the connection (`http-serve`), what a path does
//! (`ingest` for senders, `operation` for operators) and what accepting means (`relay`).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, FromRef, MatchedPath, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http_serve::{BodyRoom, Whole};
use tracing::{debug, warn};

use crate::http::answer::Answer;
use crate::http::caller::ThroughControlSocket;
use crate::relay::Relay;

mod answer;
mod api;
mod caller;
mod console;
mod ingest;
mod mcp;
mod named;
mod openapi;
mod operation;
mod targets;
mod views;

/// All paths.
pub(crate) fn router(relay: Arc<Relay>) -> Router {
    let bodies = BodyRoom::new(relay.settings().server.max_body_bytes);
    described()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .merge(console::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&relay), count))
        .with_state(Shared { relay, bodies })
}

/// The paths that `openapi.json` describes: all but the pages for people.
fn described() -> Vec<(&'static str, MethodRouter<Shared>)> {
    let mut paths = vec![
        ("/api/v1/alerts/{receiver}", post(ingest::accept)),
        // As prometheus-webhook-dingtalk has it, so that its users change nothing but the host.
        ("/dingtalk/{receiver}/send", post(ingest::accept)),
        ("/api/v1/heartbeats/{name}", post(ingest::beat)),
        (TEST_PATH, post(targets::test)),
        ("/metrics", get(operation::metrics)),
        ("/-/healthy", get(operation::healthy)),
        ("/-/ready", get(operation::ready)),
        (RELOAD_PATH, post(operation::reload)),
        ("/mcp", post(mcp::answer)),
    ];
    paths.extend(api::paths());
    paths
}

/// The paths of commands on the same machine, through the `control` socket.
pub(crate) fn control_router(relay: Arc<Relay>) -> Router {
    let bodies = BodyRoom::new(relay.settings().server.max_body_bytes);
    api::paths()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .route(TEST_PATH, post(targets::test))
        .route(RELOAD_PATH, post(operation::reload_by_command))
        .layer(Extension(ThroughControlSocket))
        .layer(middleware::from_fn_with_state(Arc::clone(&relay), count))
        .with_state(Shared { relay, bodies })
}

const TEST_PATH: &str = "/api/v1/targets/{name}/test";
const RELOAD_PATH: &str = "/-/reload";

/// What the paths work with.
#[derive(Clone, Debug)]
struct Shared {
    relay: Arc<Relay>,
    bodies: BodyRoom,
}

impl FromRef<Shared> for Arc<Relay> {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(&shared.relay)
    }
}

impl FromRef<Shared> for BodyRoom {
    fn from_ref(shared: &Shared) -> Self {
        shared.bodies.clone()
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

/// Characters: what reaches a path is shorter, what is refused may be anything.
const LOGGED_OF_A_PATH: usize = 200;

/// What is refused before it reaches a path (a wrong password, a body too large, …) is counted, logged and answered here.
pub(crate) fn refuse(
    relay: &Relay,
    method: &Method,
    uri: &Uri,
    refusal: &http_serve::Refusal,
) -> Response<Whole> {
    let status = match refusal.status {
        // Alertmanager would give up on it.
        StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let path: String = uri.path().chars().take(LOGGED_OF_A_PATH).collect();
    let (code, reason) = (status.as_u16(), &refusal.reason);
    relay.metrics().http_request("other", code);
    warn!(%method, path, status = code, "refused {method} {path} with {code}: {reason}");
    Answer::new(status, "error", reason).whole()
}

//! What operators and Prometheus call: metrics, health and reload.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use settings_document::Problem;

use crate::http::answer::Answer;
use crate::http::caller::Caller;
use crate::operation::audit_trail::Who;
use crate::relay::{Refusal, Relay};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`.
pub(super) async fn metrics(State(relay): State<Arc<Relay>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], relay.metrics_page().await)
}

/// `/-/healthy`: the process answers.
pub(super) async fn healthy() -> Answer {
    Answer::new(StatusCode::OK, "healthy", "the relay runs")
}

/// `/-/ready`: the store can be written.
pub(super) async fn ready(State(relay): State<Arc<Relay>>) -> Answer {
    match relay.outbox().ping().await {
        Ok(()) if relay.outbox().is_leading() => {
            Answer::new(StatusCode::OK, "ready", "the store takes notifications")
        }
        Ok(()) => {
            let message = "the store takes notifications; another relay delivers them, and this one takes over when that one dies";
            Answer::new(StatusCode::OK, "standby", message)
        }
        Err(error) => Refusal::Store(error).into(),
    }
}

/// How to reload.
#[derive(Debug, Deserialize)]
pub(super) struct Reload {
    /// `?force=true`: also if that takes away what is in use.
    #[serde(default)]
    force: bool,
}

type HowToReload = Result<Query<Reload>, QueryRejection>;

/// `/-/reload`: the new settings are in force, or which keys are wrong. What stands there is for those who may read the settings: the log
/// and `alert-relay reload` have it.
pub(super) async fn reload(State(relay): State<Arc<Relay>>, Caller(who): Caller, how: HowToReload) -> Answer {
    reloaded(&relay, &who, how, Problem::whereabouts).await
}

/// The same for a command of the relay's own user: every mistake.
pub(super) async fn reload_by_command(
    State(relay): State<Arc<Relay>>,
    Caller(who): Caller,
    how: HowToReload,
) -> Answer {
    reloaded(&relay, &who, how, Problem::to_string).await
}

async fn reloaded(relay: &Arc<Relay>, who: &Who, how: HowToReload, told: fn(&Problem) -> String) -> Answer {
    let Query(Reload { force }) = match how {
        Ok(how) => how,
        Err(rejection) => return Answer::new(StatusCode::BAD_REQUEST, "error", rejection.body_text()),
    };
    match relay.reload_for(who, force).await {
        Ok(()) => Answer::new(StatusCode::OK, "reloaded", "the new settings are in force"),
        Err(problems) => Answer::new(
            StatusCode::BAD_REQUEST,
            "error",
            "the new settings are refused; the old ones stay in force",
        )
        .with("problems", problems.iter().map(told).collect::<Vec<_>>()),
    }
}

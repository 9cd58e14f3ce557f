//! The JSON API under `/api/v1`: what `operation` has values for, shown and done.
//!
//! Owns the paths and how a value becomes an answer. A GET changes nothing; what changes something is a POST, which a page of another site
//! cannot send (`http-serve`), and gets a line in the audit trail.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http_serve::{BodyRoom, Peer};
use serde::Serialize;

use crate::http::answer::Answer;
use crate::http::caller::{Address, Caller};
use crate::http::named::Named;
use crate::http::openapi;
use crate::http::views::{self, View};
use crate::operation::dead_letters::Selection;
use crate::operation::previews::PreviewOf;
use crate::operation::query::Query;
use crate::relay::Relay;

/// The paths, for a router whose state has the relay and the room for bodies in it.
pub(super) fn paths<S>() -> Vec<(&'static str, MethodRouter<S>)>
where
    S: Clone + Send + Sync + 'static,
    Arc<Relay>: FromRef<S>,
    BodyRoom: FromRef<S>,
{
    vec![
        ("/api/v1/overview", get(overview)),
        ("/api/v1/deliveries", get(deliveries)),
        ("/api/v1/deliveries/{id}", get(delivery)),
        ("/api/v1/alert-stories/{fingerprint}", get(alert)),
        ("/api/v1/webhooks", get(webhooks)),
        ("/api/v1/targets/{name}/preview", get(preview).post(preview_of_body)),
        ("/api/v1/dead-letters", get(dead_letters)),
        ("/api/v1/dead-letters/retry", post(retry)),
        ("/api/v1/dead-letters/give-up", post(give_up)),
        ("/api/v1/audit-trail", get(trail)),
        ("/api/v1/settings", get(settings)),
        ("/api/v1/settings/changes", get(settings_changes)),
        ("/api/v1/openapi.json", get(openapi::show)),
    ]
}

/// What a path answers.
type Shown = Result<Response, Answer>;

/// What stands behind the `?`.
type Given = Result<UrlQuery<Vec<(String, String)>>, QueryRejection>;

async fn overview(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::Overview, read(given)?).await
}

async fn deliveries(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::Deliveries, read(given)?).await
}

async fn delivery(State(relay): State<Arc<Relay>>, Named(id): Named, given: Given) -> Shown {
    shown(&relay, View::Delivery, read(given)?.with("id", id)?).await
}

async fn alert(State(relay): State<Arc<Relay>>, Named(fingerprint): Named, given: Given) -> Shown {
    shown(&relay, View::Alert, read(given)?.with("fingerprint", fingerprint)?).await
}

async fn webhooks(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::Webhooks, read(given)?).await
}

async fn preview(State(relay): State<Arc<Relay>>, Named(name): Named, given: Given) -> Shown {
    shown(&relay, View::Preview, read(given)?.with("name", name)?).await
}

async fn dead_letters(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::DeadLetters, read(given)?).await
}

async fn trail(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::AuditTrail, read(given)?).await
}

async fn settings(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::Settings, read(given)?).await
}

async fn settings_changes(State(relay): State<Arc<Relay>>, given: Given) -> Shown {
    shown(&relay, View::SettingsChanges, read(given)?).await
}

async fn shown(relay: &Arc<Relay>, view: View, query: Query) -> Shown {
    Ok(json(&views::show(relay, view, query).await?))
}

async fn preview_of_body(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<BodyRoom>,
    Named(target): Named,
    Address(address): Address,
    given: Given,
    body: Body,
) -> Shown {
    let mut query = read(given)?;
    let wording = query.parsed("wording")?.unwrap_or_default();
    query.finish()?;
    let body = bodies.receive(body, Peer::at(address)).await?;
    Ok(json(&relay.preview(&target, wording, PreviewOf::Pasted(body.bytes.clone())).await?))
}

async fn retry(State(relay): State<Arc<Relay>>, Caller(who): Caller, given: Given) -> Shown {
    let selection = selection(&relay, given)?;
    Ok(json(&relay.retry(&who, &selection).await?))
}

async fn give_up(State(relay): State<Arc<Relay>>, Caller(who): Caller, given: Given) -> Shown {
    let selection = selection(&relay, given)?;
    Ok(json(&relay.give_up(&who, &selection).await?))
}

fn selection(relay: &Relay, given: Given) -> Result<Selection, Answer> {
    let mut query = read(given)?;
    let selection = Selection::read(&mut query, relay.now())?;
    query.finish()?;
    Ok(selection)
}

fn read(given: Given) -> Result<Query, Answer> {
    let UrlQuery(pairs) =
        given.map_err(|rejection| Answer::new(StatusCode::BAD_REQUEST, "error", rejection.body_text()))?;
    Ok(Query::of(pairs)?)
}

/// A value as the whole answer.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => http_serve::response::json(StatusCode::OK, text + "\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer of the API could not be written: {error}");
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "error", "the answer could not be written")
                .into_response()
        }
    }
}

//! The JSON API under `/api/v1`: what `operation` has values for, shown and done.
//!
//! Owns the paths and how a value becomes an answer. A GET changes nothing; what changes something is a POST, which a page of another site
//! cannot send (`http-serve`), and gets a line in the audit trail.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_serve::{BodyRoom, Peer};
use serde::Serialize;

use crate::delivery::{NoPublicId, PublicId};
use crate::http::answer::Answer;
use crate::http::caller::{Address, Caller};
use crate::notification::Fingerprint;
use crate::operation::audit_trail;
use crate::operation::dead_letters::Selection;
use crate::operation::deliveries::{DeliveryFilter, PageRequest, USUAL_PAGE};
use crate::operation::previews::PreviewOf;
use crate::operation::query::{Query, QueryError};
use crate::outbox::StoreError;
use crate::relay::{PreviewRefusal, Refusal, Relay};

/// The paths, for a router whose state has the relay in it.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Relay>: FromRef<S>,
    BodyRoom: FromRef<S>,
{
    Router::new()
        .route("/api/v1/overview", get(overview))
        .route("/api/v1/deliveries", get(deliveries))
        .route("/api/v1/deliveries/{id}", get(delivery))
        .route("/api/v1/alert-stories/{fingerprint}", get(alert))
        .route("/api/v1/webhooks", get(webhooks))
        .route("/api/v1/targets/{name}/preview", get(preview).post(preview_of_body))
        .route("/api/v1/dead-letters", get(dead_letters))
        .route("/api/v1/dead-letters/retry", post(retry))
        .route("/api/v1/dead-letters/give-up", post(give_up))
        .route("/api/v1/audit-trail", get(trail))
}

/// What stands behind the `?`.
type Given = Result<UrlQuery<Vec<(String, String)>>, QueryRejection>;

async fn overview(State(relay): State<Arc<Relay>>, given: Given) -> Result<Response, Answer> {
    read(given)?.finish()?;
    Ok(json(&relay.overview().await))
}

async fn deliveries(State(relay): State<Arc<Relay>>, given: Given) -> Result<Response, Answer> {
    let mut query = read(given)?;
    let filter = DeliveryFilter::read(&mut query, relay.now())?;
    listed(&relay, filter, query).await
}

async fn delivery(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Response, Answer> {
    read(given)?.finish()?;
    let not_found = |message: String| Answer::new(StatusCode::NOT_FOUND, "error", message);
    let id: PublicId = id.parse().map_err(|error: NoPublicId| not_found(error.to_string()))?;
    let story = relay.delivery_story(&id).await?;
    let gone = "(hint: what ended longer ago than `store.retention` is deleted)";
    Ok(json(&story.ok_or_else(|| not_found(format!("there is no delivery `{id}` {gone}")))?))
}

async fn alert(
    State(relay): State<Arc<Relay>>,
    Path(fingerprint): Path<String>,
    given: Given,
) -> Result<Response, Answer> {
    read(given)?.finish()?;
    Ok(json(&relay.alert_story(&Fingerprint(fingerprint)).await?))
}

async fn webhooks(State(relay): State<Arc<Relay>>, given: Given) -> Result<Response, Answer> {
    read(given)?.finish()?;
    Ok(json(&relay.recent_webhooks().await?))
}

async fn preview(
    State(relay): State<Arc<Relay>>,
    Path(target): Path<String>,
    given: Given,
) -> Result<Response, Answer> {
    let mut query = read(given)?;
    let (webhook, sample) = (query.parsed("webhook")?, query.text("sample"));
    let wording = query.parsed("wording")?.unwrap_or_default();
    query.finish()?;
    let of = match (webhook, sample) {
        (Some(number), None) => PreviewOf::Stored(number),
        (None, Some(name)) => PreviewOf::Sample(name),
        _ => {
            let expected = "expected `webhook`, the number of a stored one, or `sample`";
            return Err(Answer::new(StatusCode::BAD_REQUEST, "error", expected));
        }
    };
    Ok(json(&relay.preview(&target, wording, of).await?))
}

async fn preview_of_body(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<BodyRoom>,
    Path(target): Path<String>,
    Address(address): Address,
    given: Given,
    body: Body,
) -> Result<Response, Answer> {
    let mut query = read(given)?;
    let wording = query.parsed("wording")?.unwrap_or_default();
    query.finish()?;
    let body = bodies.receive(body, Peer::at(address)).await?;
    Ok(json(&relay.preview(&target, wording, PreviewOf::Pasted(body.bytes.clone())).await?))
}

async fn dead_letters(State(relay): State<Arc<Relay>>, given: Given) -> Result<Response, Answer> {
    let mut query = read(given)?;
    let filter = DeliveryFilter::read(&mut query, relay.now())?;
    listed(&relay, DeliveryFilter { only_dead_letters: true, ..filter }, query).await
}

async fn listed(relay: &Relay, filter: DeliveryFilter, mut query: Query) -> Result<Response, Answer> {
    let page = PageRequest::read(&mut query)?;
    query.finish()?;
    Ok(json(&relay.deliveries(&filter, &page).await?))
}

async fn retry(
    State(relay): State<Arc<Relay>>,
    Caller(who): Caller,
    given: Given,
) -> Result<Response, Answer> {
    let selection = selection(&relay, given)?;
    Ok(json(&relay.retry(&who, &selection).await?))
}

async fn give_up(
    State(relay): State<Arc<Relay>>,
    Caller(who): Caller,
    given: Given,
) -> Result<Response, Answer> {
    let selection = selection(&relay, given)?;
    Ok(json(&relay.give_up(&who, &selection).await?))
}

fn selection(relay: &Relay, given: Given) -> Result<Selection, Answer> {
    let mut query = read(given)?;
    let selection = Selection::read(&mut query, relay.now())?;
    query.finish()?;
    Ok(selection)
}

async fn trail(State(relay): State<Arc<Relay>>, given: Given) -> Result<Response, Answer> {
    let mut query = read(given)?;
    let before = query.parsed("before")?;
    let limit = query.count("limit", USUAL_PAGE, audit_trail::LONGEST_PAGE)?;
    query.finish()?;
    Ok(json(&relay.audit_trail(before, limit).await?))
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
            PreviewRefusal::Store(_) | PreviewRefusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, "error", refusal.to_string())
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error).into()
    }
}

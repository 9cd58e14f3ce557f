//! What senders call: webhooks and heartbeats.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_serve::{BodyRoom, Peer, PeerAddress};
use serde::Deserialize;
use tracing::{info, warn};

use crate::delivery::Acceptance;
use crate::http::answer::Answer;
use crate::http::named::Named;
use crate::relay::{Beat, Posted, Receipt, Relay};
use crate::sender;

/// A webhook of Alertmanager: 200 once it is on disk.
pub(super) async fn accept(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<BodyRoom>,
    Extension(PeerAddress(address)): Extension<PeerAddress>,
    Named(receiver): Named,
    query: Result<Query<PostQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        relay.refresh().await;
        relay.require_receiver(&receiver)?;
        require_plain_json(&headers)?;
        let source = named_source(query)?;
        let body = bodies.receive(body, Peer::at(address.ip())).await?;
        let posted = Posted { source, address: Some(address.ip()), body: body.bytes.clone() };
        relay.accept(&receiver, posted).await.map_err(Answer::from)
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

/// What may stand behind the `?` of a webhook's URL; anything else is let through.
#[derive(Debug, Deserialize)]
pub(super) struct PostQuery {
    source: Option<String>,
}

fn named_source(query: Result<Query<PostQuery>, QueryRejection>) -> Result<Option<String>, Answer> {
    let bad = |reason: String| Answer::new(StatusCode::BAD_REQUEST, "error", reason);
    let Query(PostQuery { source }) = query.map_err(|rejection| bad(rejection.body_text()))?;
    source.map(sender::source).transpose().map_err(|error| bad(error.to_string()))
}

fn accepted(receiver: &str, receipt: &Receipt) -> Answer {
    let Receipt { alerts, unrouted, ref sender, ref acceptance } = *receipt;
    let sender = sender.teller();
    let (word, deliveries, notification) = match *acceptance {
        Acceptance::Stored { notification, deliveries } => ("accepted", deliveries, notification),
        Acceptance::Duplicate { notification, .. } => ("suppressed", 0, notification),
    };
    info!(
        receiver,
        notification,
        sender,
        alerts,
        deliveries,
        unrouted,
        "{word} a webhook for `{receiver}` from {sender}: {alerts} alerts for {deliveries} targets"
    );
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

/// A sign of life of one heartbeat. Its body may be anything of any type: no body makes more of the request than it is without one.
pub(super) async fn beat(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<BodyRoom>,
    Extension(PeerAddress(address)): Extension<PeerAddress>,
    Named(name): Named,
    body: Body,
) -> Answer {
    let answer = async {
        let body = bodies.receive(body, Peer::at(address.ip())).await?;
        relay.beat(&name, &body.bytes).await.map_err(Answer::from)
    };
    match answer.await {
        Ok(Beat::Heard) => Answer::new(StatusCode::OK, "heard", format!("heartbeat `{name}` is heard")),
        Ok(Beat::Ended) => Answer::new(
            StatusCode::OK,
            "ended",
            format!(
                "heartbeat `{name}`: its alert is resolved, which is no sign of life (hint: send_resolved: false)"
            ),
        ),
        Err(refused) => {
            let status = refused.status.as_u16();
            warn!(
                heartbeat = name,
                status, "refused a heartbeat for {name:?} with {status}: {}", refused.message
            );
            refused
        }
    }
}

/// A missing type is refused like a wrong one: a foreign site's page can have its visitor's browser post anything without a type, or as one
/// of three types of forms, but JSON only after it has asked us (the Fetch standard's preflight), which is answered with 405.
fn require_plain_json(headers: &HeaderMap) -> Result<(), Answer> {
    let unsupported = |message: &str| Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "error", message);
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported("the body is compressed (hint: send it without Content-Encoding)"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json = media_type.eq_ignore_ascii_case("application/json")
        || media_type.to_ascii_lowercase().ends_with("+json");
    if is_json {
        return Ok(());
    }
    Err(unsupported("the body is not declared as JSON (hint: send Content-Type: application/json)"))
}

//! What can be looked at: by the API's GET paths, and by agents.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::delivery::{NoPublicId, PublicId};
use crate::http::answer::Answer;
use crate::notification::Fingerprint;
use crate::operation::audit_trail;
use crate::operation::deliveries::{DeliveryFilter, PageRequest, USUAL_PAGE};
use crate::operation::previews::PreviewOf;
use crate::operation::query::Query;
use crate::relay::Relay;

/// One thing to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    Deliveries,
    Delivery,
    Alert,
    DeadLetters,
    Webhooks,
    Preview,
    AuditTrail,
    Settings,
    SettingsChanges,
}

/// Looks, with what is asked of the view. Changes nothing.
pub(super) async fn show(relay: &Arc<Relay>, view: View, mut query: Query) -> Result<Value, Answer> {
    let filter = |query: &mut Query| DeliveryFilter::read(query, relay.now());
    match view {
        View::Overview => {
            query.finish()?;
            value(&relay.overview().await)
        }
        View::Deliveries => {
            let (filter, page) = (filter(&mut query)?, PageRequest::read(&mut query)?);
            query.finish()?;
            value(&relay.deliveries(&filter, &page).await?)
        }
        View::DeadLetters => {
            let filter = DeliveryFilter { only_dead_letters: true, ..filter(&mut query)? };
            let page = PageRequest::read(&mut query)?;
            query.finish()?;
            value(&relay.deliveries(&filter, &page).await?)
        }
        View::Delivery => {
            let id: PublicId = required(query.text("id"), "id")?
                .parse()
                .map_err(|error: NoPublicId| not_there(error.to_string()))?;
            query.finish()?;
            let gone = || {
                not_there(format!(
                    "there is no delivery `{id}` (hint: what ended longer ago than `store.retention` is deleted)"
                ))
            };
            value(&relay.delivery_story(&id).await?.ok_or_else(gone)?)
        }
        View::Alert => {
            let fingerprint = Fingerprint(required(query.text("fingerprint"), "fingerprint")?);
            query.finish()?;
            value(&relay.alert_story(&fingerprint).await?)
        }
        View::Webhooks => {
            query.finish()?;
            value(&relay.recent_webhooks().await?)
        }
        View::Preview => {
            let target = required(query.text("name"), "name")?;
            let (webhook, sample) = (query.parsed("webhook")?, query.text("sample"));
            let wording = query.parsed("wording")?.unwrap_or_default();
            query.finish()?;
            let of = match (webhook, sample) {
                (Some(number), None) => PreviewOf::Stored(number),
                (None, Some(name)) => PreviewOf::Sample(name),
                _ => return Err(refused("expected `webhook`, the number of a stored one, or `sample`")),
            };
            value(&relay.preview(&target, wording, of).await?)
        }
        View::AuditTrail => {
            let before = query.parsed("before")?;
            let limit = query.count("limit", USUAL_PAGE, audit_trail::LONGEST_PAGE)?;
            query.finish()?;
            value(&relay.audit_trail(before, limit).await?)
        }
        View::Settings => {
            query.finish()?;
            value(&relay.settings_in_force())
        }
        View::SettingsChanges => {
            query.finish()?;
            value(&relay.settings_changes().await)
        }
    }
}

fn required(given: Option<String>, key: &str) -> Result<String, Answer> {
    given.ok_or_else(|| refused(format!("`{key}` is missing")))
}

fn refused(message: impl Into<String>) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, "error", message)
}

fn not_there(message: impl Into<String>) -> Answer {
    Answer::new(StatusCode::NOT_FOUND, "error", message)
}

fn value(shown: &impl Serialize) -> Result<Value, Answer> {
    serde_json::to_value(shown).map_err(|error| {
        tracing::error!(%error, "an answer of the API could not be written: {error}");
        Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "error", "the answer could not be written")
    })
}

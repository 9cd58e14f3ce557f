//! Accepting: parse, route, make durable, and only then say yes.

use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use crate::delivery::{Acceptance, Accepted};
use crate::intake::{self, IntakeError, MOST_ALERTS};
use crate::outbox::StoreError;
use crate::relay::Relay;
use crate::routes;
use crate::settings::{Settings, no_such};

/// What became of a webhook that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// How many alerts it held.
    pub(crate) alerts: usize,
    /// How many of them no route matches.
    pub(crate) unrouted: usize,
    /// What the store did.
    pub(crate) acceptance: Acceptance,
}

/// How long a large webhook waits for its turn: long enough for some others, short enough for Alertmanager to try again within its
/// `group_interval`.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a webhook was not accepted. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A name that the settings do not have; the text lists those they have.
    #[error("{0}")]
    Unknown(String),
    /// A receiver that the settings had a moment ago, or any receiver while they have none: the sender should try again.
    #[error("{0}")]
    Removed(String),
    /// A body that can never be accepted.
    #[error(transparent)]
    Body(#[from] IntakeError),
    /// The sender should try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender should try again.
    #[error("too many large webhooks are being stored (hint: the sender tries again)")]
    Busy,
}

impl Relay {
    /// Whether there is such a receiver, before its body is worth reading.
    pub(crate) fn require_receiver(&self, receiver: &str) -> Result<(), Refusal> {
        let settings = self.settings();
        if settings.receivers.contains_key(receiver) {
            return Ok(());
        }
        Err(self.unknown_receiver(&settings, receiver))
    }

    /// Accepts one webhook for `receiver`. `Ok` means that it is on disk.
    pub(crate) async fn accept(&self, receiver: &str, body: Bytes) -> Result<Receipt, Refusal> {
        let settings = self.settings();
        let routing =
            settings.receivers.get(receiver).ok_or_else(|| self.unknown_receiver(&settings, receiver))?;
        let room = self.parts.memory.accepting.take(body.len() as u64);
        let _share = tokio::time::timeout(PATIENCE, room).await.map_err(|_elapsed| Refusal::Busy)?;
        let notification = intake::parse(&body)?;
        let now = self.parts.clock.now().timestamp();
        let plan = routes::plan(routing, &notification, now, &settings.time_zone);
        let (alerts, unrouted) = (notification.alerts.len(), plan.unrouted.len());
        if alerts >= MOST_ALERTS && notification.truncated_alerts > 0 {
            let left_out = notification.truncated_alerts;
            warn!(
                receiver,
                left_out,
                "a webhook for `{receiver}` has more than {MOST_ALERTS} alerts: {left_out} are counted in its message and not read \
                 (hint: `group_by` in Alertmanager makes smaller groups)"
            );
        }
        let acceptance = self
            .store(Accepted {
                endpoint: receiver.to_owned(),
                notification,
                payload: body,
                deliveries: plan.deliveries,
                unrouted: plan.unrouted,
            })
            .await?;
        let metrics = &self.parts.metrics;
        metrics.notification(receiver, matches!(acceptance, Acceptance::Duplicate { .. }));
        if unrouted > 0 {
            metrics.unrouted_alerts(receiver, unrouted);
        }
        Ok(Receipt { alerts, unrouted, acceptance })
    }

    /// Who has just lost its receiver, or posts to a relay that has none, is not told to give up.
    fn unknown_receiver(&self, settings: &Settings, receiver: &str) -> Refusal {
        let known = settings.receivers.keys().map(String::as_str).collect();
        let message = no_such("receiver", receiver, &known);
        if self.removed.contains(receiver, self.parts.clock.now()) {
            Refusal::Removed(format!("{message}; a reload has just removed it, so try again"))
        } else if settings.receivers.is_empty() {
            Refusal::Removed(format!("{message}; the settings name none at all, so try again"))
        } else {
            Refusal::Unknown(message)
        }
    }

    /// Makes it durable. An error is counted.
    pub(super) async fn store(&self, accepted: Accepted) -> Result<Acceptance, StoreError> {
        let stored = self.parts.outbox.accept(accepted).await;
        stored.inspect_err(|error| self.parts.metrics.store_error(error))
    }
}

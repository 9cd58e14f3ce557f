//! Accepting: parse, route, make durable, and only then say yes.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use crate::clock::Millis;
use crate::delivery::{Acceptance, Accepted};
use crate::intake::{self, IntakeError, MOST_ALERTS};
use crate::offload::{NoThread, offload};
use crate::outbox::StoreError;
use crate::relay::Relay;
use crate::relay::accept::told_to_nobody::ToldToNobody;
use crate::routes;
use crate::sender::Sender;
use crate::settings::{Settings, no_such};

mod told_to_nobody;

/// What became of a webhook that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// How many alerts it held.
    pub(crate) alerts: usize,
    /// How many of them no route matches.
    pub(crate) unrouted: usize,
    /// Who posted it.
    pub(crate) sender: Sender,
    /// What the store did.
    pub(crate) acceptance: Acceptance,
}

/// How long a large webhook waits for its turn: long enough for some others, short enough for Alertmanager to try again within its
/// `group_interval`.
const PATIENCE: Duration = Duration::from_secs(20);

/// A webhook as it came.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// `source` in the URL, which [`sender::source`](crate::sender::source) has checked.
    pub(crate) source: Option<String>,
    /// Where the connection came from.
    pub(crate) address: Option<IpAddr>,
    /// Alertmanager's JSON, if it is any.
    pub(crate) body: Bytes,
}

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
    /// The system refuses the thread that would read it: the sender should try again.
    #[error("a large webhook cannot be read now: {0}")]
    NoThread(String),
    /// The sender should try again.
    #[error("too many large webhooks are being stored (hint: the sender tries again)")]
    Busy,
}

impl<W> From<NoThread<W>> for Refusal {
    fn from(refused: NoThread<W>) -> Self {
        Self::NoThread(refused.to_string())
    }
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
    pub(crate) async fn accept(&self, receiver: &str, posted: Posted) -> Result<Receipt, Refusal> {
        let settings = self.settings();
        if !settings.receivers.contains_key(receiver) {
            return Err(self.unknown_receiver(&settings, receiver));
        }
        let bytes = posted.body.len();
        let room = self.parts.memory.accepting.take(bytes as u64);
        let share = tokio::time::timeout(PATIENCE, room).await.map_err(|_elapsed| Refusal::Busy)?;
        let (endpoint, now) = (receiver.to_owned(), self.parts.clock.now());
        // The share goes with the work: a sender that hangs up does not end it.
        let work = move || (prepare(&settings, endpoint, posted, now), share);
        let (accepted, _share) = offload(bytes, work).await?;
        let (accepted, told_to_nobody) = accepted?;
        let (alerts, unrouted) = (accepted.notification.alerts.len(), accepted.unrouted.len());
        let sender = accepted.sender.clone();
        let left_out = accepted.notification.truncated_alerts;
        if alerts >= MOST_ALERTS && left_out > 0 {
            warn!(
                receiver,
                left_out,
                "a webhook for `{receiver}` has more than {MOST_ALERTS} alerts: {left_out} are counted in its message and not read \
                 (hint: `group_by` in Alertmanager makes smaller groups)"
            );
        }
        let acceptance = self.store(accepted).await?;
        let metrics = &self.parts.metrics;
        metrics.notification(receiver, matches!(acceptance, Acceptance::Duplicate { .. }));
        if unrouted > 0 {
            metrics.unrouted_alerts(receiver, unrouted);
            told_to_nobody.log_unrouted(receiver);
        }
        if let Acceptance::Duplicate { of, .. } = acceptance {
            told_to_nobody.log_copy(receiver, of);
        }
        Ok(Receipt { alerts, unrouted, sender, acceptance })
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

/// Reads and routes a webhook. Its receiver is in the settings.
fn prepare(
    settings: &Settings,
    endpoint: String,
    posted: Posted,
    now: Millis,
) -> Result<(Accepted, ToldToNobody), Refusal> {
    let Posted { source, address, body } = posted;
    let notification = intake::parse(&body)?;
    let routing = settings.receivers.get(&endpoint).ok_or_else(|| {
        let known = settings.receivers.keys().map(String::as_str).collect();
        Refusal::Unknown(no_such("receiver", &endpoint, &known))
    })?;
    let plan = routes::plan(routing, &notification, now.timestamp(), &settings.time_zone);
    let accepted = Accepted {
        sender: Sender::new(source, &notification.external_url, address),
        endpoint,
        unrouted_notes: routes::unrouted_notes(routing, &notification, &plan.unrouted),
        notification,
        payload: body,
        deliveries: plan.deliveries,
        unrouted: plan.unrouted,
    };
    let told_to_nobody = ToldToNobody::of(&accepted, routing);
    Ok((accepted, told_to_nobody))
}

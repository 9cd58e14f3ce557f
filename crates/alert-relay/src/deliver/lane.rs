//! One lane, from its claim to its end or its next try: claim → ledger → message → parts → attempts → record.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::channel::Part;
use crate::clock::Millis;
use crate::deliver::state::Place;
use crate::deliver::targets::{Target, Targets};
use crate::deliver::{Shared, compose, millis};
use crate::delivery::{Claim, DeliveryKey, End, LedgerEntry, Pending, Progress, Settlement};
use crate::ledger::{self, Snapshot};
use crate::message::Changes;
use crate::message::Wording;
use crate::notification::Notification;
use crate::outbox::StoreError;

mod attempt;
mod mailing;
mod parts;
mod recipients;

/// Speaks for one lane, once.
pub(super) struct LaneRun {
    pub(super) shared: Arc<Shared>,
    pub(super) targets: Arc<Targets>,
    pub(super) key: DeliveryKey,
    /// Whose alerts these are.
    pub(super) target: Arc<Target>,
    /// Whose channel is used: the target's own, or its fallback's.
    pub(super) via: Arc<Target>,
    pub(super) is_urgent: bool,
    /// For the first attempt: taken when this lane was chosen, so that no later one overtakes it.
    pub(super) first_place: Mutex<Option<Place>>,
}

/// What a claimed lane has to tell.
struct News<'a> {
    claim: &'a Claim,
    /// The delivery that speaks for the lane.
    speaker: &'a Pending,
    newest: &'a Notification,
    changes: &'a Changes,
    /// What the target knows once it was told.
    told: Vec<LedgerEntry>,
}

impl LaneRun {
    pub(super) async fn run(self) {
        let claimed = self
            .insist("claim a delivery", || self.shared.outbox.claim(&self.key, self.shared.pace.lease))
            .await;
        // Given up, or taken by another relay, between the look and the claim.
        let Some(Some(claim)) = claimed else { return };
        let Some(speaker) = claim.deliveries.last() else { return };
        let notifications: Result<Vec<Notification>, String> =
            claim.deliveries.iter().map(|delivery| (self.shared.read)(&delivery.payload)).collect();
        let notifications = match notifications {
            Ok(notifications) => notifications,
            Err(error) => {
                let reason = format!("the stored webhook cannot be read: {error}");
                return self.settle(&claim, speaker, End::Dead, reason, Vec::new()).await;
            }
        };
        let Some(newest) = notifications.last() else { return };
        let snapshots: Vec<Snapshot> = notifications
            .iter()
            .zip(&claim.deliveries)
            .map(|(from, delivery)| compose::snapshot(from, delivery))
            .collect();

        let send_resolved = self.target.settings.send_resolved;
        // Some have this mail, the others could not be reached with it, and now there is something newer: that is for everybody.
        let straggling = claim.deliveries.iter().rev().skip(1).find(|delivery| delivery.is_straggling);
        if let Some(former) = straggling {
            let until_then = claim.deliveries.iter().take_while(|delivery| delivery.id <= former.id).count();
            let folded = ledger::fold(&claim.told, &snapshots[..until_then], send_resolved);
            let reason = "delivered, but not to all recipients: they get what is newer".to_owned();
            self.settle(&claim, former, End::Delivered, reason, folded.told).await;
            return self.release(self.shared.clock.now()).await;
        }
        let folded = ledger::fold(&claim.told, &snapshots, send_resolved);
        let Some(changes) = folded.changes else {
            return self
                .settle(&claim, speaker, End::Suppressed, "nothing new to tell".to_owned(), folded.told)
                .await;
        };
        let news = News { claim: &claim, speaker, newest, changes: &changes, told: folded.told };
        let recipients = self.via.channel.recipients();
        if recipients.is_empty() {
            self.tell_chat(news).await;
        } else {
            self.tell_each(news, recipients).await;
        }
    }

    /// How far this message has come through this channel.
    fn progress<'a>(&self, news: &News<'a>) -> Option<&'a Progress> {
        news.claim.progress.as_ref().filter(|progress| progress.rendering.via == self.via.settings.name)
    }

    fn render(&self, news: &News<'_>, wording: Wording, at: Millis) -> Vec<Part> {
        let News { claim, speaker, newest, changes, .. } = news;
        let public_id = self.shared.outbox.public_id(speaker.id).to_string();
        let message = compose::message(&self.targets, claim, newest, changes, &self.via, public_id, at);
        self.via.channel.render(&message, wording)
    }

    /// The end of what was to be told. Whatever it is, somebody knows it only if it was delivered.
    async fn end(&self, news: &News<'_>, end: End, reason: String) {
        let told = if end == End::Delivered { news.told.clone() } else { Vec::new() };
        self.settle(news.claim, news.speaker, end, reason, told).await;
    }

    async fn release(&self, at: Millis) {
        self.insist("put a delivery back", || self.shared.outbox.release(&self.key, at)).await;
    }

    async fn settle(
        &self,
        claim: &Claim,
        speaker: &Pending,
        end: End,
        reason: String,
        told: Vec<LedgerEntry>,
    ) {
        let settlement = Settlement { key: self.key.clone(), delivery: speaker.id, end, reason, told };
        let ended = self.insist("end a delivery", || self.shared.outbox.settle(settlement.clone())).await;
        match ended {
            None => {}
            Some(0) => tracing::warn!(
                delivery = speaker.id,
                "The lease of a delivery was lost before its end was noted"
            ),
            Some(_) => {
                let now = self.shared.clock.now();
                if end == End::Delivered {
                    // Of the news that waited longest.
                    let oldest = claim.deliveries.iter().map(|delivery| delivery.accepted_at).min();
                    let latency = now.since(oldest.unwrap_or(now)).as_secs_f64();
                    let is_by_fallback = self.via.settings.name != self.key.target;
                    self.shared.metrics.delivered(&self.key.target, latency, is_by_fallback);
                }
                self.log_ends(claim, speaker, end, &settlement.reason, now);
            }
        }
    }

    /// One line an end, so that a delivery's story can be found by its name.
    fn log_ends(&self, claim: &Claim, speaker: &Pending, end: End, reason: &str, now: Millis) {
        for delivery in claim.deliveries.iter().filter(|delivery| delivery.id <= speaker.id) {
            let end = if delivery.id == speaker.id || end == End::Dead { end } else { End::Superseded };
            let reason = if end == End::Superseded { "told by a newer snapshot" } else { reason };
            let (id, target, via) =
                (self.shared.outbox.public_id(delivery.id), &self.key.target, &self.via.settings.name);
            let (group, end, attempts_before) = (&self.key.group, end.as_str(), delivery.attempts);
            let duration_ms = millis(now.since(delivery.accepted_at));
            if end == End::Dead.as_str() {
                tracing::error!(delivery = %id, %target, %via, %group, end, reason, attempts_before, duration_ms, "A delivery ended");
            } else {
                tracing::info!(delivery = %id, %target, %via, %group, end, reason, attempts_before, duration_ms, "A delivery ended");
            }
        }
    }

    /// Tries until the store takes it, or the relay stops. The lane stays ours meanwhile.
    async fn insist<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Some(answer),
                Err(StoreError::Closed) => return None,
                Err(error) => self.store_failed(what, &error),
            }
            if self.shared.is_stopping.load(Ordering::Relaxed) {
                return None;
            }
            self.shared.clock.sleep_until(self.shared.clock.now().plus(STORE_RETRY)).await;
        }
    }

    fn store_failed(&self, what: &str, error: &StoreError) {
        self.shared.metrics.store_error(error);
        tracing::error!(target = %self.key.target, %error, "Could not {what}");
    }
}

/// Between two tries to reach the store.
const STORE_RETRY: Duration = Duration::from_secs(1);

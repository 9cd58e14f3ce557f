//! One alert group for one target, from its claim to its end or its next try: claim → ledger → message → parts → record.
//!
//! Owns the order of these steps and what is recorded at the end. Leaves out how parts are sent: `chat` where they make one
//! message, `mail` where each goes to somebody else.

use std::sync::Arc;

use crate::clock::{Millis, whole_millis};
use crate::compose::{self, Content};
use crate::deliver::attempt::Sender;
use crate::deliver::context::Context;
use crate::deliver::sending::{Conclusion, Sending};
use crate::deliver::targets::Targets;
use crate::deliver::via::Via;
use crate::deliver::{chat, mail};
use crate::delivery::{Claim, End, LedgerEntry, Pending, Settlement};
use crate::intake;
use crate::ledger::{self, Snapshot};
use crate::message::{Changes, Message};
use crate::notification::Notification;
use crate::settings::TargetSettings;

/// Sends what waits in one group for one target, once.
pub(super) struct GroupDelivery {
    pub(super) sender: Sender,
    pub(super) targets: Arc<Targets>,
    /// Whose alerts these are; `sender.via` may be its fallback.
    pub(super) target: Arc<TargetSettings>,
}

impl GroupDelivery {
    pub(super) async fn run(self) {
        let context = &self.sender.via.context;
        let claimed = context
            .insist("claim a delivery", &self.sender.key.target, || {
                context.outbox.claim(&self.sender.key, context.pace.lease)
            })
            .await;
        // Given up, or claimed by somebody else, since it was looked at.
        let Some(Some(claim)) = claimed else { return };
        let Some(delivery) = claim.deliveries.last() else { return };
        let notifications: Result<Vec<Notification>, _> =
            claim.deliveries.iter().map(|delivery| intake::parse(&delivery.payload)).collect();
        let notifications = match notifications {
            Ok(notifications) => notifications,
            Err(error) => {
                let reason = format!("the stored webhook cannot be read: {error}");
                return self.settle(&claim, delivery, End::Dead, reason, Vec::new()).await;
            }
        };
        let Some(newest) = notifications.last() else { return };
        let snapshots: Vec<Snapshot> = notifications
            .iter()
            .zip(&claim.deliveries)
            .map(|(notification, delivery)| Snapshot::of(notification, delivery))
            .collect();

        let send_resolved = self.target.send_resolved;
        // Some have this mail, the others could not be reached with it, and now there is something newer: that is for everybody.
        let straggling = claim.deliveries.iter().rev().skip(1).find(|delivery| delivery.is_straggling);
        if let Some(former) = straggling {
            let until_then = claim.deliveries.iter().take_while(|delivery| delivery.id <= former.id).count();
            let folded = ledger::fold(&claim.ledger, &snapshots[..until_then], send_resolved);
            let reason = "delivered, but not to all recipients: they get what is newer".to_owned();
            self.settle(&claim, former, End::Delivered, reason, folded.entries).await;
            return self.release(context.clock.now()).await;
        }
        let folded = ledger::fold(&claim.ledger, &snapshots, send_resolved);
        let changes = match folded.changes {
            Ok(changes) => changes,
            Err(suppression) => {
                let reason = suppression.as_str().to_owned();
                return self.settle(&claim, delivery, End::Suppressed, reason, folded.entries).await;
            }
        };
        let message = self.compose(&claim, delivery, newest, changes);
        match self.send(&claim, delivery, message).await {
            Conclusion::Ended(end, reason) => {
                // The target knows it only if it was delivered.
                let entries = if end == End::Delivered { folded.entries } else { Vec::new() };
                self.settle(&claim, delivery, end, reason, entries).await;
            }
            Conclusion::Later(at) => self.release(at).await,
            Conclusion::LeaseLost => {}
        }
    }

    fn compose(&self, claim: &Claim, delivery: &Pending, newest: &Notification, changes: Changes) -> Message {
        let (dead, via) = (&claim.key.target, &self.sender.via.target);
        let Context { outbox, clock, .. } = &*self.sender.via.context;
        let content = Content {
            delivery: outbox.public_id(delivery.id).to_string(),
            newest,
            snapshots: u32::try_from(claim.deliveries.len()).unwrap_or(u32::MAX),
            mentions: compose::to_mention(&claim.deliveries, &changes.new),
            changes,
            banner: (via.name != *dead).then(|| compose::fallback_banner(dead, &via.name, via.language)),
        };
        compose::compose(&self.targets.defaults, content, clock.now().timestamp())
    }

    async fn send(&self, claim: &Claim, delivery: &Pending, message: Message) -> Conclusion {
        // Only what was sent through this channel counts.
        let via = self.sender.via.name();
        let progress = claim.progress.as_ref().filter(|progress| progress.rendering.via == via);
        let sending = Sending { delivery, progress, message };
        let recipients = self.sender.via.target.channel.recipients();
        if recipients.is_empty() {
            chat::send(&self.sender, sending).await
        } else {
            mail::send(&self.sender, sending, recipients).await
        }
    }

    async fn release(&self, at: Millis) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        context.insist("put a delivery back", &key.target, || context.outbox.release(key, at)).await;
    }

    async fn settle(
        &self,
        claim: &Claim,
        delivery: &Pending,
        end: End,
        reason: String,
        ledger: Vec<LedgerEntry>,
    ) {
        let Sender { key, via, .. } = &self.sender;
        let context = &via.context;
        let settlement = Settlement { key: key.clone(), delivery: delivery.id, end, reason, ledger };
        let settle = || context.outbox.settle(settlement.clone());
        match context.insist("end a delivery", &key.target, settle).await {
            None => {}
            Some(0) => {
                let (id, target) = (context.outbox.public_id(delivery.id), &key.target);
                tracing::warn!(
                    delivery = %id, %target,
                    "delivery {id} to {target}: the claim ran out before its end was noted; it may be sent twice"
                );
            }
            Some(_) => {
                let now = context.clock.now();
                if end == End::Delivered {
                    // Of the snapshot that waited longest.
                    let oldest = claim.deliveries.iter().map(|delivery| delivery.accepted_at).min();
                    let latency = now.since(oldest.unwrap_or(now)).as_secs_f64();
                    let is_by_fallback = via.name() != key.target;
                    context.metrics.delivered(&key.target, latency, is_by_fallback);
                }
                self.log_ends(claim, &settlement, now);
            }
        }
    }

    /// One line an end, so that a delivery can be followed by its name.
    fn log_ends(&self, claim: &Claim, settlement: &Settlement, now: Millis) {
        let Sender { key, via, .. } = &self.sender;
        let sent = settlement.delivery;
        for delivery in claim.deliveries.iter().filter(|delivery| delivery.id <= sent) {
            let is_older = delivery.id < sent;
            let (end, reason) = if is_older {
                settlement.end_of_older()
            } else {
                (settlement.end, settlement.reason.as_str())
            };
            let id = via.context.outbox.public_id(delivery.id);
            let (target, group, via) = (&key.target, &key.group, via.name());
            let (is_dead, end, attempts_before) = (end == End::Dead, end.as_str(), delivery.attempts);
            let duration_ms = whole_millis(now.since(delivery.accepted_at));
            if is_dead {
                tracing::error!(delivery = %id, %target, %via, %group, end, reason, attempts_before, duration_ms, "delivery {id} to {target} ended: {end} ({reason})");
            } else {
                tracing::info!(delivery = %id, %target, %via, %group, end, reason, attempts_before, duration_ms, "delivery {id} to {target} ended: {end} ({reason})");
            }
        }
    }
}

//! One alert group for one target, from its claim to its end or its next try: claim → ledger → message → parts → record.
//!
//! Owns the order of these steps and what is recorded at the end. Leaves out how parts are sent: `chat` where they make one
//! message, `mail` where each goes to somebody else.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::{Millis, whole_millis};
use crate::compose::{self, Content};
use crate::deliver::attempt::Sender;
use crate::deliver::context::Context;
use crate::deliver::sending::{Conclusion, Sending};
use crate::deliver::targets::Targets;
use crate::deliver::via::Via;
use crate::deliver::{chat, mail};
use crate::delivery::{Claim, End, LedgerEntry, Pending, Progress, Settlement};
use crate::intake;
use crate::ledger::{self, Snapshot};
use crate::memory::Share;
use crate::message::{Changes, Message};
use crate::notification::Notification;
use crate::recourse::{self, Extent, Recourse, Refusals};
use crate::settings::TargetSettings;

/// What is to be told.
struct Told<'a> {
    /// The newest delivery that waits.
    delivery: &'a Pending,
    /// Its webhook.
    newest: &'a Notification,
    changes: Changes,
}

/// A message that all present channels refuse waits this long for one that is not there at present.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_mins(1);

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
        // The share is given back when the message is sent, and with it all that was made of the webhooks.
        let Some((_share, mut claim)) = self.claim().await else { return };
        // Each body goes once it is read.
        let read = |delivery: &mut Pending| intake::parse(&mem::take(&mut delivery.payload));
        let notifications: Result<Vec<Notification>, _> = claim.deliveries.iter_mut().map(read).collect();
        let Some(delivery) = claim.deliveries.last() else { return };
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
        let told = Told { delivery, newest, changes };
        match self.tell(&claim, &told).await {
            // The target knows it only if it was delivered.
            (via, Conclusion::Ended(End::Delivered, reason)) => {
                self.settle_via(&via, &claim, delivery, End::Delivered, reason, folded.entries).await;
            }
            (via, Conclusion::Ended(end, reason)) => {
                self.settle_via(&via, &claim, delivery, end, reason, Vec::new()).await;
            }
            (_, Conclusion::Later(at)) => self.release(at).await,
            (_, Conclusion::Refused(..) | Conclusion::LeaseLost) => {}
        }
    }

    /// Takes the queue, once there is room for what its message is made of. What has ended a process gets all the room there is: if it does
    /// so again, nothing else was to blame.
    async fn claim(&self) -> Option<(Share, Claim)> {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        let Context { outbox, pace, memory, .. } = &**context;
        let waiting = context.insist("look at what waits", &key.target, || outbox.waiting(key)).await?;
        let share = if waiting.has_ended_a_process {
            memory.delivering.take_whole().await
        } else {
            memory.delivering.take(waiting.webhooks.saturating_add(waiting.ledger)).await
        };
        let claim = || outbox.claim(key, pace.lease, waiting.webhooks);
        // `None` inside: given up, or claimed by somebody else, since it was looked at.
        let claim = context.insist("claim a delivery", &key.target, claim).await??;
        Some((share, claim))
    }

    /// Sends it through this target's channel, and through others once that refuses the text. Returns through which it was sent last.
    async fn tell(&self, claim: &Claim, told: &Told<'_>) -> (String, Conclusion) {
        let context = &self.sender.via.context;
        let mut via = self.sender.via.name().to_owned();
        // Who has a mail has it; the others are tried on.
        let is_partly_told = claim.progress.as_ref().is_some_and(Progress::is_partly_told);
        let mut refusals = if is_partly_told { Refusals::default() } else { claim.refusals.clone() };
        let mut last_words = String::new();
        loop {
            let channels = context.state.channels(&claim.key.target, self.sender.via.name());
            let (name, extent) = match recourse::decide(&refusals, &channels) {
                Recourse::Send(name, extent) => (name, extent),
                Recourse::Wait => {
                    return (via, Conclusion::Later(context.clock.now().plus(REFUSED_AGAIN_AFTER)));
                }
                Recourse::GiveUp => return (via, Conclusion::Ended(End::Dead, last_words)),
            };
            name.clone_into(&mut via);
            let other = (name != self.sender.via.name()).then(|| self.sender_through(name)).flatten();
            let sender = other.as_ref().unwrap_or(&self.sender);
            let message = self.compose(claim, told, &sender.via.target, !refusals.is_empty());
            match self.send(sender, claim, told.delivery, message, extent).await {
                Conclusion::Refused(wording, words) => {
                    refusals.add(&via, wording);
                    let (id, target) = (context.outbox.public_id(told.delivery.id), &claim.key.target);
                    tracing::warn!(
                        delivery = %id, %target, %via, wording = ?wording,
                        "delivery {id} to {target}: {via} refuses the text: {words}"
                    );
                    last_words = words;
                }
                conclusion => return (via, conclusion),
            }
        }
    }

    /// The same through another target's channel, whose budget it waits for; `None` if a reload has just removed it.
    fn sender_through(&self, name: &str) -> Option<Sender> {
        let target = Arc::clone(self.targets.by_name.get(name)?);
        let Sender { key, via: Via { context, .. }, is_urgent, .. } = &self.sender;
        let via = Via { context: Arc::clone(context), target };
        Some(Sender { key: key.clone(), via, is_urgent: *is_urgent, first: Mutex::default() })
    }

    fn compose(
        &self,
        claim: &Claim,
        Told { delivery, newest, changes }: &Told<'_>,
        via: &TargetSettings,
        is_refused: bool,
    ) -> Message {
        let own = &claim.key.target;
        let Context { outbox, clock, .. } = &*self.sender.via.context;
        let content = Content {
            delivery: outbox.public_id(delivery.id).to_string(),
            newest,
            snapshots: u32::try_from(claim.deliveries.len()).unwrap_or(u32::MAX),
            mentions: compose::to_mention(&claim.deliveries, &changes.new),
            changes: changes.clone(),
            banner: (via.name != *own).then(|| {
                let banner = if is_refused { compose::refusal_banner } else { compose::fallback_banner };
                banner(own, &via.name, via.language)
            }),
        };
        compose::compose(&self.targets.defaults, content, clock.now().timestamp())
    }

    async fn send(
        &self,
        sender: &Sender,
        claim: &Claim,
        delivery: &Pending,
        message: Message,
        extent: Extent,
    ) -> Conclusion {
        // Only what was sent through this channel counts.
        let via = sender.via.name();
        let progress = claim.progress.as_ref().filter(|progress| progress.rendering.via == via);
        let sending = Sending { delivery, progress, message, extent };
        let recipients = sender.via.target.channel.recipients();
        if recipients.is_empty() {
            chat::send(sender, sending).await
        } else {
            mail::send(sender, sending, recipients).await
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
        self.settle_via(self.sender.via.name(), claim, delivery, end, reason, ledger).await;
    }

    async fn settle_via(
        &self,
        via: &str,
        claim: &Claim,
        delivery: &Pending,
        end: End,
        reason: String,
        ledger: Vec<LedgerEntry>,
    ) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
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
                    let is_by_fallback = via != key.target;
                    context.metrics.delivered(&key.target, latency, is_by_fallback);
                }
                self.log_ends(via, claim, &settlement, now);
            }
        }
    }

    /// One line an end, so that a delivery can be followed by its name.
    fn log_ends(&self, via: &str, claim: &Claim, settlement: &Settlement, now: Millis) {
        let Sender { key, via: Via { context, .. }, .. } = &self.sender;
        let sent = settlement.delivery;
        for delivery in claim.deliveries.iter().filter(|delivery| delivery.id <= sent) {
            let is_older = delivery.id < sent;
            let (end, reason) = if is_older {
                settlement.end_of_older()
            } else {
                (settlement.end, settlement.reason.as_str())
            };
            let id = context.outbox.public_id(delivery.id);
            let (target, group) = (&key.target, &key.group);
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

//! One attempt to send one part of a delivery, with its line in the store before and after.
//!
//! Leaves out the use of the channel itself (`via`), and what follows for the message (`chat`, `mail`), which `retry` decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::budget::Wait;
use crate::channel::{self, Part};
use crate::clock::{Millis, whole_millis};
use crate::deliver::context::STORE_RETRY;
use crate::deliver::recipients::Recipients;
use crate::deliver::state::{HealthChange, Reservation};
use crate::deliver::via::{Sent, Via};
use crate::delivery::{
    AttemptEnd, AttemptStart, DIGEST_PART, DeliveryKey, MOST_KEPT_BYTES, Pending, PublicId, Rendering,
    SentPart,
};
use crate::health::Health;
use crate::message::{Message, Wording};
use crate::outcome::{Outcome, Reason};
use crate::retry::{self, Next};
use crate::schedule::LATE_AFTER;

/// Sends what one group has for one target, through one channel.
pub(super) struct Sender {
    pub(super) key: DeliveryKey,
    /// Whose channel is used: the target's own, or its fallback's.
    pub(super) via: Via,
    pub(super) is_urgent: bool,
    /// What else it sends in the same message: other groups of the target, for a digest.
    pub(super) also: Vec<String>,
    /// Of the first attempt: reserved when this group was chosen, so that none that is chosen later overtakes it.
    pub(super) first: Mutex<Option<Reservation>>,
}

/// What came of trying to send a part.
pub(super) enum Tried {
    /// The channel answered, or did not in time.
    Answered(Answer),
    /// It was not sent: the budget is used up, the store does not take it, or the relay stops.
    NotBefore(Millis),
    /// The claim is no longer ours.
    LeaseLost,
}

/// A channel's verdict on a part.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) next: Next,
    pub(super) at: Millis,
}

impl Sender {
    /// The parts of a message in this wording, and what decides that they are these.
    pub(super) fn render(&self, message: &Message, wording: Wording) -> (Vec<Part>, Rendering) {
        let parts = self.via.target.channel.render(message, wording);
        let rendering = Rendering {
            via: self.via.name().to_owned(),
            wording,
            at: Millis::from(message.now),
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            text_hash: channel::text_hash(&parts),
        };
        (parts, rendering)
    }

    /// Sends one part. For a mail, `recipients` note what came of it.
    pub(super) async fn attempt(
        &self,
        delivery: &Pending,
        part: &Part,
        number: u32,
        rendering: &Rendering,
        recipients: Option<&mut Recipients>,
    ) -> Tried {
        let Via { context, target } = &self.via;
        if context.is_stopping() {
            return Tried::NotBefore(context.clock.now());
        }
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reservation = match first.map_or_else(|| self.via.reserve(self.is_urgent), Ok) {
            Ok(reservation) => reservation,
            Err(wait) => {
                context.metrics.budget_wait(&self.key.target);
                return Tried::NotBefore(match wait {
                    Wait::Until(at) => context.clock.wall_at(at),
                    Wait::ForReply => context.clock.now().plus(BUSY_ROBOT),
                });
            }
        };
        let id = context.outbox.public_id(delivery.id);
        let start = AttemptStart {
            delivery: delivery.id,
            rendering: rendering.clone(),
            robot: target.channel.robot().as_str().to_owned(),
            sent: SentPart::new(number, part.recipient(), part.bytes(), part.preview(), MOST_KEPT_BYTES),
            also: self.also.clone(),
        };
        let attempt = match context.outbox.begin_attempt(start, self.lease()).await {
            Ok(Some(attempt)) => attempt,
            Ok(None) => {
                let target = &self.key.target;
                tracing::warn!(
                    delivery = %id, %target,
                    "delivery {id} to {target}: not sent: its claim ran out, and it was claimed again or has ended"
                );
                return Tried::LeaseLost;
            }
            Err(error) => {
                context.store_failed("note an attempt", &self.key.target, &error);
                return Tried::NotBefore(context.clock.now().plus(STORE_RETRY));
            }
        };
        let Sent { outcome, at, took } = self.via.send(part, &id.to_string(), reservation).await;
        let failures = delivery.attempts.saturating_add(1);
        let backoff = context.pace.backoff;
        let next = retry::next(&outcome, rendering.wording, failures, backoff, context.jitter.draw());
        // A robot that demands a keyword refuses a digest, whose text is not the target's own, and takes all else.
        let is_about_digest = number == DIGEST_PART && matches!(outcome, Outcome::Misconfigured { .. });
        let change = if is_about_digest { HealthChange::None } else { self.via.note(&outcome, &next) };
        let answer = Answer { outcome, next, at };
        self.log(&id, part, number, &answer, took);
        self.record(delivery, attempt, part, &answer, recipients).await;
        self.via.after(change, &answer.outcome).await;
        Tried::Answered(answer)
    }

    /// Longer than an attempt can take, whatever time-out its target has.
    fn lease(&self) -> Duration {
        self.via.context.pace.lease.saturating_add(self.via.target.timeout)
    }

    /// Writes the verdict down, and tries until the store takes it: forgotten, a delivered part would be sent again.
    async fn record(
        &self,
        delivery: &Pending,
        attempt: i64,
        part: &Part,
        Answer { outcome, next, at }: &Answer,
        recipients: Option<&mut Recipients>,
    ) {
        let recipients = recipients.zip(part.recipient()).map(|(recipients, recipient)| {
            recipients.note(recipient, next);
            recipients.progress()
        });
        let end = AttemptEnd {
            attempt,
            delivery: delivery.id,
            is_delivered: matches!(outcome, Outcome::Delivered { .. }),
            outcome: outcome.as_str(),
            reason: outcome.reason().map(Reason::as_str),
            detail: outcome.detail().to_owned(),
            pause_until: if let Next::Pause(span) = next { Some(at.plus(*span)) } else { None },
            next_wording: if let Next::Reword(wording) = next { Some(*wording) } else { None },
            recipients,
        };
        let ask = || self.via.context.outbox.end_attempt(end.clone());
        self.via.context.insist("record an attempt", &self.key.target, ask).await;
    }

    fn log(&self, id: &PublicId, part: &Part, number: u32, answer: &Answer, took: Duration) {
        let Answer { outcome, next, .. } = answer;
        if matches!(outcome, Outcome::Delivered { .. }) {
            return;
        }
        let reason = outcome.reason().map_or("too_large", Reason::as_str);
        let (target, via, detail) = (&self.key.target, self.via.name(), outcome.detail());
        tracing::warn!(
            delivery = %id, %target, %via,
            part = number,
            recipient = part.recipient(),
            reason,
            %next,
            duration_ms = whole_millis(took),
            "delivery {id} to {target}: an attempt failed: {reason} ({detail})"
        );
    }

    /// When to come back after an answer that may be another one then. A robot's pause and a target's circuit breaker hold a message
    /// back for as long as it takes, and not from a fallback; so nothing is added where a fallback is used.
    pub(super) fn come_back_at(&self, Answer { next, at, .. }: &Answer) -> Millis {
        match next {
            Next::Wait(span) if !self.has_fallback() => at.plus(*span),
            _ => *at,
        }
    }

    /// The same, and for what is critical when a fallback may send it at the latest. Asked once it is known what all answers say of the
    /// target.
    pub(super) fn in_time_for_fallback(&self, delivery: &Pending, again_at: Millis) -> Millis {
        if !self.is_urgent || !self.may_be_late() {
            return again_at;
        }
        let next_look = self.via.context.clock.now().plus(LEAST_WAIT);
        again_at.min(delivery.accepted_at.plus(LATE_AFTER).max(next_look))
    }

    /// Whether a fallback would send what waits here for too long. It sends nothing for a target that is well: what waits then waits for
    /// one of its mailboxes, which no fallback knows.
    fn may_be_late(&self) -> bool {
        let (target, state) = (&self.key.target, &self.via.context.state);
        let is_well = state.health(target).is_none_or(|health| health == Health::Up);
        let mut channels = state.channels(target, self.via.name()).into_iter();
        self.via.name() == target
            && !is_well
            && channels.any(|channel| channel.is_ready && channel.name != *target)
    }

    /// Whether the target's fallback is used now. A fallback that fails itself has none here.
    fn has_fallback(&self) -> bool {
        self.via.name() == self.key.target && self.via.context.state.has_fallback(&self.key.target)
    }
}

/// Between two tries of what a fallback may send already.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Between two tries while all attempts that the robot's budget allows are under way.
const BUSY_ROBOT: Duration = Duration::from_millis(200);

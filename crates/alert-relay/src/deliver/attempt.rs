//! One attempt to send one part: a reservation in the budget, a line in the store, the channel, and what its answer says of the
//! target's health.
//!
//! Leaves out what follows for the message (`chat`, `mail`), which `retry` decides.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::budget::Wait;
use crate::channel::{Part, Stamp};
use crate::clock::{Millis, whole_millis};
use crate::deliver::context::{Context, STORE_RETRY};
use crate::deliver::recipients::Recipients;
use crate::deliver::state::{HealthChange, Reservation};
use crate::delivery::{AttemptEnd, AttemptStart, DeliveryKey, Pending, Rendering};
use crate::message::{Message, Wording};
use crate::metrics::outcome_word;
use crate::outcome::{Outcome, Reason};
use crate::retry::{self, Next};
use crate::settings::TargetSettings;

/// Sends what one group has for one target, through one channel.
pub(super) struct Sender {
    pub(super) shared: Arc<Context>,
    pub(super) key: DeliveryKey,
    /// Whose channel is used: the target's own, or its fallback's.
    pub(super) via: Arc<TargetSettings>,
    pub(super) is_urgent: bool,
    /// Of the first attempt: reserved when this group was chosen, so that none that is chosen later overtakes it.
    pub(super) first: Mutex<Option<Reservation>>,
}

/// What came of trying to send a part.
pub(super) enum Tried {
    /// The channel answered, or did not in time.
    Answered(Answer),
    /// It was not sent: the budget is spent, the store does not take it, or the relay stops.
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

impl Answer {
    /// The channel's words, whatever they are about.
    pub(super) fn detail(&self) -> &str {
        words(&self.outcome).1
    }
}

/// The reason and the channel's own words.
fn words(outcome: &Outcome) -> (Option<Reason>, &str) {
    match outcome {
        Outcome::Delivered { receipt } => (None, receipt),
        Outcome::TooLarge { detail } => (None, detail),
        Outcome::Retry { reason, detail, .. }
        | Outcome::Misconfigured { reason, detail }
        | Outcome::Rejected { reason, detail } => (Some(*reason), detail),
    }
}

impl Sender {
    /// The parts of a message in this wording, and what decides that they are these.
    pub(super) fn render(&self, message: &Message, wording: Wording) -> (Vec<Part>, Rendering) {
        let parts = self.via.channel.render(message, wording);
        let rendering = Rendering {
            via: self.via.name.clone(),
            wording,
            at: Millis::from(message.now),
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
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
        if self.shared.is_stopping.load(Ordering::Relaxed) {
            return Tried::NotBefore(self.shared.clock.now());
        }
        let robot = self.via.channel.robot().as_str();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut reservation = match first.map_or_else(|| self.shared.state.reserve(robot, self.is_urgent), Ok)
        {
            Ok(reservation) => reservation,
            Err(wait) => {
                self.shared.metrics.budget_wait(&self.key.target);
                return Tried::NotBefore(match wait {
                    Wait::Until(at) => at,
                    Wait::ForReply => self.shared.clock.now().plus(BUSY_ROBOT),
                });
            }
        };
        let start = AttemptStart {
            delivery: delivery.id,
            rendering: rendering.clone(),
            robot: robot.to_owned(),
            part: number,
        };
        let attempt = match self.shared.outbox.begin_attempt(start, self.lease()).await {
            Ok(Some(attempt)) => attempt,
            Ok(None) => {
                let id = self.shared.outbox.public_id(delivery.id);
                let target = &self.key.target;
                tracing::warn!(
                    delivery = %id, %target,
                    "delivery {id} to {target}: the claim ran out and somebody else has it; it is not sent from here"
                );
                return Tried::LeaseLost;
            }
            Err(error) => {
                self.shared.store_failed("note an attempt", &self.key.target, &error);
                return Tried::NotBefore(self.shared.clock.now().plus(STORE_RETRY));
            }
        };
        reservation.used();
        let began = self.shared.clock.now();
        let outcome = self.send(delivery, part, began).await;
        drop(reservation);
        let at = self.shared.clock.now();
        let took = at.since(began);
        self.shared.metrics.attempt(&self.via.name, &outcome, took.as_secs_f64());

        let failures = delivery.attempts.saturating_add(1);
        let backoff = self.shared.pace.backoff;
        let next = retry::next(&outcome, rendering.wording, failures, backoff, self.shared.jitter.draw());
        let change = self.note(&outcome, &next);
        let answer = Answer { outcome, next, at };
        self.log(delivery, part, number, &answer, took);
        self.record(delivery, attempt, part, &answer, recipients).await;
        self.after(change, &answer.outcome).await;
        Tried::Answered(answer)
    }

    /// Longer than an attempt can take, whatever time-out its target has.
    fn lease(&self) -> Duration {
        self.shared.pace.lease.saturating_add(self.via.timeout)
    }

    async fn send(&self, delivery: &Pending, part: &Part, began: Millis) -> Outcome {
        let public_id = self.shared.outbox.public_id(delivery.id).to_string();
        let since_epoch = began.since(Millis(0));
        let stamp = Stamp {
            at: UNIX_EPOCH.checked_add(since_epoch).unwrap_or_else(SystemTime::now),
            delivery: &public_id,
        };
        // The channel has its own time-out; this one is for the case that it does not keep it.
        let limit = self.via.timeout.saturating_add(TIMEOUT_MARGIN);
        match tokio::time::timeout(limit, self.via.channel.send(part, &stamp)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Outcome::Retry {
                reason: Reason::Timeout,
                after: None,
                detail: format!("no verdict within {} s", limit.as_secs()),
            },
        }
    }

    /// What an outcome says of the target behind the channel.
    pub(super) fn note(&self, outcome: &Outcome, next: &Next) -> HealthChange {
        let robot = self.via.channel.robot().as_str();
        self.shared.state.note(&self.via.name, robot, outcome, next, self.shared.jitter.draw())
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
        let (reason, detail) = words(outcome);
        let recipients = recipients.zip(part.recipient()).map(|(recipients, recipient)| {
            recipients.note(recipient, next);
            recipients.progress()
        });
        let end = AttemptEnd {
            attempt,
            delivery: delivery.id,
            is_delivered: matches!(outcome, Outcome::Delivered { .. }),
            outcome: outcome_word(outcome),
            reason: reason.map(Reason::as_str),
            detail: detail.to_owned(),
            pause_until: if let Next::Pause(span) = next { Some(at.plus(*span)) } else { None },
            next_wording: if let Next::Reword(wording) = next { Some(*wording) } else { None },
            recipients,
        };
        let ask = || self.shared.outbox.end_attempt(end.clone());
        self.shared.insist("record an attempt", &self.key.target, ask).await;
    }

    fn log(&self, delivery: &Pending, part: &Part, number: u32, answer: &Answer, took: Duration) {
        let Answer { outcome, next, .. } = answer;
        if matches!(outcome, Outcome::Delivered { .. }) {
            return;
        }
        let (reason, detail) = words(outcome);
        let reason = reason.map_or("too_large", Reason::as_str);
        let id = self.shared.outbox.public_id(delivery.id);
        let (target, via) = (&self.key.target, &self.via.name);
        tracing::warn!(
            delivery = %id, %target, %via,
            part = number,
            recipient = part.recipient(),
            reason,
            next = ?next,
            duration_ms = whole_millis(took),
            "delivery {id} to {target}: an attempt failed: {reason} ({detail})"
        );
    }

    /// What follows when a target's health changes.
    pub(super) async fn after(&self, change: HealthChange, outcome: &Outcome) {
        let target = &self.via.name;
        match change {
            HealthChange::None => {}
            HealthChange::Fails => tracing::error!(
                %target,
                "{target} does not answer: its messages wait, and one at a time is sent as a probe"
            ),
            HealthChange::Refuses => tracing::error!(
                %target,
                reason = ?outcome,
                "{target} refuses everything: its messages wait (hint: correct its address or secret and reload; \
                 `alert-relay send-test {target}` shows the channel's answer)"
            ),
            HealthChange::Silenced => tracing::error!(
                %target,
                reason = ?outcome,
                "{target}: its robot wants a long silence: its fallback is used, or its messages wait"
            ),
            HealthChange::Recovered => {
                tracing::info!(%target, "{target} takes messages again");
                self.shared
                    .insist("make waiting deliveries due", target, || self.shared.outbox.hasten(target))
                    .await;
            }
        }
    }

    /// When to come back after an answer that may be another one then. A robot's pause and a target's circuit breaker hold a message
    /// back for as long as it takes, and not from a fallback; so nothing is added where a fallback is used.
    pub(super) fn come_back_at(&self, Answer { next, at, .. }: &Answer) -> Millis {
        if let Next::Wait(span) = next
            && !self.has_fallback()
        {
            return at.plus(*span);
        }
        *at
    }

    /// Whether the target's fallback is used now. A fallback that fails itself has none here.
    fn has_fallback(&self) -> bool {
        self.via.name == self.key.target && self.shared.state.has_fallback(&self.key.target)
    }
}

/// Between two tries while all attempts that the robot's budget allows are under way.
const BUSY_ROBOT: Duration = Duration::from_millis(200);

/// What a channel may take beyond its time-out before it is cut off.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

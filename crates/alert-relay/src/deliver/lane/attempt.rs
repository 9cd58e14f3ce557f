//! One attempt of a lane: a place in the budget, a line in the store, the channel, and what its answer says of the target.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::budget::Wait;
use crate::channel::{Part, Stamp};
use crate::clock::Millis;
use crate::deliver::lane::recipients::Recipients;
use crate::deliver::lane::{LaneRun, STORE_RETRY};
use crate::deliver::millis;
use crate::deliver::state::Turn;
use crate::delivery::{AttemptEnd, AttemptStart, Pending, Rendering};
use crate::metrics::outcome_word;
use crate::outcome::{Outcome, Reason};
use crate::retry::{self, Next};

/// What came of trying to send a part.
pub(super) enum Tried {
    /// The channel answered, or kept silent for too long.
    Answered(Answer),
    /// It was not sent: there is no place in the budget, the store does not take it, or the relay stops.
    NotBefore(Millis),
    /// The lease is gone.
    Lost,
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

impl LaneRun {
    /// Sends one part. For a mail, `recipients` learn what came of it.
    pub(super) async fn attempt(
        &self,
        speaker: &Pending,
        part: &Part,
        number: u32,
        rendering: &Rendering,
        recipients: Option<&mut Recipients>,
    ) -> Tried {
        if self.shared.is_stopping.load(Ordering::Relaxed) {
            return Tried::NotBefore(self.shared.clock.now());
        }
        let robot = self.via.channel.robot().as_str();
        let first = self.first_place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut place = match first.map_or_else(|| self.shared.state.take(robot, self.is_urgent), Ok) {
            Ok(place) => place,
            Err(wait) => {
                self.shared.metrics.budget_wait(&self.key.target);
                return Tried::NotBefore(match wait {
                    Wait::Until(at) => at,
                    Wait::ForReply => self.shared.clock.now().plus(BUSY_ROBOT),
                });
            }
        };
        let start = AttemptStart {
            delivery: speaker.id,
            rendering: rendering.clone(),
            robot: robot.to_owned(),
            part: number,
        };
        let attempt = match self.shared.outbox.begin_attempt(start, self.lease()).await {
            Ok(Some(attempt)) => attempt,
            Ok(None) => {
                tracing::warn!(
                    delivery = speaker.id,
                    "The lease of a delivery was lost; whoever has it goes on"
                );
                return Tried::Lost;
            }
            Err(error) => {
                self.store_failed("note an attempt", &error);
                return Tried::NotBefore(self.shared.clock.now().plus(STORE_RETRY));
            }
        };
        place.used();
        let began = self.shared.clock.now();
        let outcome = self.send(speaker, part, began).await;
        drop(place);
        let at = self.shared.clock.now();
        let took = at.since(began);
        self.shared.metrics.attempt(&self.via.settings.name, &outcome, took.as_secs_f64());

        let failures = speaker.attempts.saturating_add(1);
        let backoff = self.shared.pace.backoff;
        let next = retry::next(&outcome, rendering.wording, failures, backoff, self.shared.jitter.draw());
        let turn = self.note(&outcome, &next);
        let answer = Answer { outcome, next, at };
        self.log(speaker, part, number, &answer, took);
        self.record(speaker, attempt, part, &answer, recipients).await;
        self.after(turn, &answer.outcome).await;
        Tried::Answered(answer)
    }

    /// Longer than an attempt can take, whatever time-out its target has.
    fn lease(&self) -> Duration {
        self.shared.pace.lease.saturating_add(self.via.settings.timeout)
    }

    async fn send(&self, speaker: &Pending, part: &Part, began: Millis) -> Outcome {
        let public_id = self.shared.outbox.public_id(speaker.id).to_string();
        let since_epoch = began.since(Millis(0));
        let stamp = Stamp {
            at: UNIX_EPOCH.checked_add(since_epoch).unwrap_or_else(SystemTime::now),
            delivery: &public_id,
        };
        // The channel has its own time-out; this one is for the case that it does not keep it.
        let limit = self.via.settings.timeout.saturating_add(TIMEOUT_MARGIN);
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
    pub(super) fn note(&self, outcome: &Outcome, next: &Next) -> Turn {
        let robot = self.via.channel.robot().as_str();
        self.shared.state.note(&self.via.settings.name, robot, outcome, next, self.shared.jitter.draw())
    }

    /// The verdict is kept trying into the store: forgotten, a delivered part would be sent again.
    async fn record(
        &self,
        speaker: &Pending,
        attempt: i64,
        part: &Part,
        Answer { outcome, next, at }: &Answer,
        recipients: Option<&mut Recipients>,
    ) {
        let (reason, detail) = words(outcome);
        let recipients = recipients.zip(part.recipient()).map(|(recipients, recipient)| {
            recipients.note(recipient, next);
            recipients.recipients()
        });
        let end = AttemptEnd {
            attempt,
            delivery: speaker.id,
            is_delivered: matches!(outcome, Outcome::Delivered { .. }),
            outcome: outcome_word(outcome),
            reason: reason.map(Reason::as_str),
            detail: detail.to_owned(),
            pause_until: if let Next::Pause(span) = next { Some(at.plus(*span)) } else { None },
            next_wording: if let Next::Reword(wording) = next { Some(*wording) } else { None },
            recipients,
        };
        self.insist("record an attempt", || self.shared.outbox.end_attempt(end.clone())).await;
    }

    fn log(&self, speaker: &Pending, part: &Part, number: u32, answer: &Answer, took: Duration) {
        let Answer { outcome, next, .. } = answer;
        if matches!(outcome, Outcome::Delivered { .. }) {
            return;
        }
        let (reason, detail) = words(outcome);
        tracing::warn!(
            delivery = %self.shared.outbox.public_id(speaker.id),
            target = %self.key.target,
            via = %self.via.settings.name,
            part = number,
            recipient = part.recipient(),
            reason = reason.map_or("too_large", Reason::as_str),
            detail,
            next = ?next,
            duration_ms = millis(took),
            "An attempt failed"
        );
    }

    pub(super) async fn after(&self, turn: Turn, outcome: &Outcome) {
        let name = &self.via.settings.name;
        match turn {
            Turn::Same => {}
            Turn::Fails => tracing::error!(
                target = %name,
                "The target does not answer: its messages wait, one at a time goes out to see whether it is back"
            ),
            Turn::Refuses => tracing::error!(
                target = %name,
                reason = ?outcome,
                "The target refuses everything: its queue is kept (hint: check its address and secret with `alert-relay send-test {name}`, \
                 then reload)"
            ),
            Turn::Silenced => tracing::error!(
                target = %name,
                reason = ?outcome,
                "The target's robot wants a long silence: its fallback speaks, or its messages wait"
            ),
            Turn::Recovered => {
                tracing::info!(target = %name, "The target takes messages again");
                self.insist("hasten deliveries", || self.shared.outbox.hasten(name)).await;
            }
        }
    }

    /// When to come back after an answer that may be another one then. A robot's pause and a target's gate keep a message as long
    /// as it takes, and keep it from no fallback; so does a fallback that can take it at once.
    pub(super) fn come_back_at(&self, Answer { next, at, .. }: &Answer) -> Millis {
        if let Next::Wait(span) = next
            && !self.is_spoken_for()
        {
            return at.plus(*span);
        }
        *at
    }

    /// Whether somebody else speaks for this target now. Nobody does for a fallback that fails.
    fn is_spoken_for(&self) -> bool {
        self.via.settings.name == self.key.target && self.shared.state.has_substitute(&self.key.target)
    }
}

/// Between two looks at a robot all of whose places are under way.
const BUSY_ROBOT: Duration = Duration::from_millis(200);

/// What a channel may take beyond its time-out before it is cut off.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

//! The use of one target's channel, whoever uses it: a delivery, a fallback's delivery, a test.
//!
//! Owns what every send has to pass: the budget before, the time-out around it, and what the answer says of the target's health.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::budget::Wait;
use crate::channel::{Part, Stamp};
use crate::clock::Millis;
use crate::deliver::context::Context;
use crate::deliver::state::{HealthChange, Reservation};
use crate::outcome::{Outcome, Reason};
use crate::retry::Next;
use crate::settings::TargetSettings;

/// A target whose channel is used.
#[derive(Clone, Debug)]
pub(super) struct Via {
    pub(super) context: Arc<Context>,
    pub(super) target: Arc<TargetSettings>,
}

impl Via {
    /// The target's name.
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// Reserves one attempt of the robot's budget, or says when to ask again.
    pub(super) fn reserve(&self, is_urgent: bool) -> Result<Reservation, Wait> {
        self.context.state.reserve(self.target.channel.robot().as_str(), is_urgent)
    }

    /// Sends one part, once, and counts it. `name` is the delivery's public name. The reservation counts from here on, also if the
    /// attempt is cut short: the robot may have seen the message.
    pub(super) async fn send(&self, part: &Part, name: &str, mut reservation: Reservation) -> Sent {
        reservation.used();
        let (wall, began) = (self.context.clock.now(), self.context.clock.elapsed());
        let stamp = Stamp {
            at: UNIX_EPOCH.checked_add(wall.since(Millis(0))).unwrap_or_else(SystemTime::now),
            delivery: name,
        };
        // The channel has its own time-out; this one is for the case that it does not keep it.
        let limit = self.target.timeout.saturating_add(TIMEOUT_MARGIN);
        let outcome = match tokio::time::timeout(limit, self.target.channel.send(part, &stamp)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Outcome::Retry {
                reason: Reason::Timeout,
                after: None,
                detail: format!("no verdict within {} s", limit.as_secs()),
            },
        };
        drop(reservation);
        let at = self.context.clock.now();
        let took = self.context.clock.elapsed().since(began);
        self.context.metrics.attempt(self.name(), &outcome, took.as_secs_f64());
        Sent { outcome, at, took }
    }

    /// Notes what an outcome says of the target's health.
    pub(super) fn note(&self, outcome: &Outcome, next: &Next) -> HealthChange {
        let robot = self.target.channel.robot().as_str();
        self.context.state.note(self.name(), robot, outcome, next, self.context.jitter.draw())
    }

    /// What follows when the target's health changes.
    pub(super) async fn after(&self, change: HealthChange, outcome: &Outcome) {
        let target = self.name();
        let (reason, detail) = (outcome.reason().map_or(outcome.as_str(), Reason::as_str), outcome.detail());
        match change {
            HealthChange::None => {}
            HealthChange::Fails => tracing::error!(
                %target,
                "{target} does not answer: its messages wait, and one at a time is sent as a probe"
            ),
            HealthChange::Refuses => tracing::error!(
                %target,
                reason, detail,
                "{target} refuses everything: its messages wait (hint: correct its address or secret and reload; \
                 `alert-relay send-test {target}` shows the channel's answer)"
            ),
            HealthChange::Silenced => tracing::error!(
                %target,
                reason, detail,
                "{target}: the robot asked for a pause of more than five minutes: messages go to the fallback, or wait where there is none"
            ),
            HealthChange::Recovered => {
                tracing::info!(%target, "{target} takes messages again");
                self.context
                    .insist("make waiting deliveries due", target, || self.context.outbox.hasten(target))
                    .await;
            }
        }
    }
}

/// What came of a send.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) outcome: Outcome,
    /// When the verdict was there.
    pub(super) at: Millis,
    /// From connecting to the verdict.
    pub(super) took: Duration,
}

/// What a channel may take beyond its time-out before it is cut off.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

//! A test message through the running relay, with the budget, the channel and the health that deliveries have.
//!
//! It is no delivery: it waits for nothing, is sent once, and is not kept. What came of it is the answer to whoever asked for it. Only that
//! it was sent is noted, so that it counts in the robot's budget after a restart too.

use std::time::Duration;

use crate::budget::Wait;
use crate::clock::whole_millis;
use crate::compose::MessageDefaults;
use crate::deliver::via::{Sent, Via};
use crate::message::Wording;
use crate::outbox::StoreError;
use crate::outcome::Outcome;
use crate::preview;
use crate::retry::{self, Next};
use crate::test_report::{TestRefusal, TestReport, TestedPart};

/// Sends a test message through this target's own channel, whatever its health: the person who asks wants to know.
pub(super) async fn send(via: &Via, defaults: &MessageDefaults) -> Result<TestReport, TestRefusal> {
    let settings = &via.target;
    let at = via.context.clock.now().timestamp();
    let message = preview::test(defaults, &settings.name, settings.language, at);
    let parts = via.target.channel.render(&message, Wording::Normal);
    let mut tested = Vec::new();
    for part in &parts {
        let reservation = match via.reserve(false) {
            Ok(reservation) => reservation,
            Err(wait) => {
                via.context.metrics.budget_wait(via.name());
                let wait = match wait {
                    Wait::Until(at) => at.since(via.context.clock.elapsed()),
                    Wait::ForReply => Duration::ZERO,
                };
                tested.push(TestedPart::NotBefore(wait));
                break;
            }
        };
        let robot = via.target.channel.robot().as_str();
        let attempt = match via.context.outbox.begin_test_attempt(robot).await {
            Ok(attempt) => attempt,
            Err(error) if tested.is_empty() => return Err(refusal(via, &error)),
            // What was sent is told.
            Err(error) => {
                refusal(via, &error);
                break;
            }
        };
        let Sent { outcome, at, took } = via.send(part, &message.delivery, reservation).await;
        let backoff = via.context.pace.backoff;
        let next = retry::next(&outcome, Wording::Normal, 1, backoff, via.context.jitter.draw());
        let change = via.note(&outcome, &next);
        let pause_until = if let Next::Pause(span) = &next { Some(at.plus(*span)) } else { None };
        let end = || via.context.outbox.end_test_attempt(attempt, pause_until);
        via.context.insist("record a test message", via.name(), end).await;
        via.after(change, &outcome).await;
        log(via, &outcome, took);
        tested.push(TestedPart::Sent(outcome));
    }
    Ok(TestReport { target: settings.name.clone(), of: parts.len(), parts: tested })
}

/// What is not noted is not sent: a restart would know nothing of it.
fn refusal(via: &Via, error: &StoreError) -> TestRefusal {
    match error {
        StoreError::Closed => TestRefusal::Stopping,
        StoreError::Deposed => TestRefusal::Elsewhere,
        error => {
            via.context.store_failed("note a test message", via.name(), error);
            TestRefusal::Store(error.to_string())
        }
    }
}

fn log(via: &Via, outcome: &Outcome, took: Duration) {
    let (target, outcome) = (via.name(), outcome.as_str());
    let duration_ms = whole_millis(took);
    tracing::info!(%target, outcome, duration_ms, "a test message to {target} was sent: {outcome}");
}

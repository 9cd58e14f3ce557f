//! A test message through the running relay, with the budget, the channel and the health that deliveries have.
//!
//! It is no delivery: it waits for nothing, is sent once, and is not kept. What came of it is the answer to whoever asked for it.

use std::time::Duration;

use crate::budget::Wait;
use crate::clock::whole_millis;
use crate::compose::MessageDefaults;
use crate::deliver::via::{Sent, Via};
use crate::message::Wording;
use crate::outcome::Outcome;
use crate::preview;
use crate::retry;
use crate::test_report::{TestReport, TestedPart};

/// Sends a test message through this target's own channel, whatever its health: the person who asks wants to know.
pub(super) async fn send(via: &Via, defaults: &MessageDefaults) -> TestReport {
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
        let Sent { outcome, took, .. } = via.send(part, &message.delivery, reservation).await;
        let backoff = via.context.pace.backoff;
        let next = retry::next(&outcome, Wording::Normal, 1, backoff, via.context.jitter.draw());
        let change = via.note(&outcome, &next);
        via.after(change, &outcome).await;
        log(via, &outcome, took);
        tested.push(TestedPart::Sent(outcome));
    }
    TestReport { target: settings.name.clone(), of: parts.len(), parts: tested }
}

fn log(via: &Via, outcome: &Outcome, took: Duration) {
    let (target, outcome) = (via.name(), outcome.as_str());
    let duration_ms = whole_millis(took);
    tracing::info!(%target, outcome, duration_ms, "a test message to {target} was sent: {outcome}");
}

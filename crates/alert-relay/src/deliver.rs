//! Delivering: from the outbox to the channels and back. Nothing here depends on a vendor.
//!
//! The handle that the rest of the relay holds. Its parts, from the bottom up: `state` (budgets and health), `via` (the use of a channel), `attempt` (one part, sent
//! once), `chat` and `mail` (all parts of a message), `read_claim` (what waits), `group` (a message from its claim to its end), `digest` (one message for many groups), `dispatcher` (what begins when).
//! Everything that is decided is asked of pure modules; everything that must not be forgotten is in the `outbox`.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::deliver::context::Context;
use crate::deliver::dispatcher::{Control, Dispatcher};
use crate::deliver::state::DeliveryState;
use crate::deliver::targets::Targets;
use crate::deliver::tried::Tried;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::outbox::{Outbox, StoreError};
use crate::retry::Jitter;
use crate::settings::Settings;
use crate::test_report::{TestRefusal, TestReport};

pub(crate) use crate::deliver::observer::{Nobody, Observer};
pub(crate) use crate::deliver::pace::Pace;
pub(crate) use crate::deliver::size_keeper::{SizeKeeper, SizeLimits};
pub(crate) use crate::deliver::standing::Standings;

mod attempt;
mod chat;
mod context;
mod digest;
mod dispatcher;
mod group;
mod housekeeping;
mod mail;
mod observer;
mod pace;
mod read_claim;
mod recipients;
mod sending;
mod size_keeper;
mod standing;
mod state;
mod targets;
mod test_message;
mod tried;
mod via;

/// The running deliverer.
#[derive(Debug)]
pub(crate) struct Deliverer {
    control: mpsc::Sender<Control>,
    task: JoinHandle<()>,
    standings: Standings,
}

/// What the deliverer works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where deliveries come from and go to.
    pub(crate) outbox: Outbox,
    /// Counts every attempt and end.
    pub(crate) metrics: Arc<Metrics>,
    /// Checked by the housekeeping.
    pub(crate) audit: Arc<Audit>,
    /// What time it is.
    pub(crate) clock: Clock,
    /// How much may be worked on at a time.
    pub(crate) memory: Memory,
    /// How patient to be.
    pub(crate) pace: Pace,
    /// Who watches.
    pub(crate) observer: Arc<dyn Observer>,
}

/// Why the deliverer cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The store does not say what was sent before.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Deliverer {
    /// Starts to deliver. Reads first which sends of a former process still count against the robots' budgets.
    pub(crate) async fn start(parts: Parts, settings: &Settings) -> Result<Self, StartError> {
        let targets = Arc::new(Targets::new(settings));
        let Parts { outbox, metrics, audit, clock, memory, pace, observer } = parts;
        let tried = Mutex::new(Tried::new(clock.reading(), outbox.last_at_work()));
        let state = DeliveryState::new(clock.clone(), pace.patience, Arc::clone(&metrics));
        let longest = targets.by_name.values().map(|target| target.budget.window).max();
        state.remember(&outbox.past_attempts(longest.unwrap_or_default()).await?);
        let standings = Standings { state: state.clone(), clock: clock.clone() };
        let context = Arc::new(Context {
            outbox,
            metrics,
            clock,
            memory,
            pace,
            state,
            jitter: Jitter::new(),
            observer,
            is_stopping: AtomicBool::new(false),
            tried,
        });
        let (control, orders) = mpsc::channel(CONTROLS);
        let dispatcher = Dispatcher::new(context, audit, targets);
        Ok(Self { control, task: tokio::spawn(dispatcher.run(orders)), standings })
    }

    /// How its targets stand, also while it is busy with something else.
    pub(crate) fn standings(&self) -> Standings {
        self.standings.clone()
    }

    /// Takes new settings for what begins from now on; returns once they are in force. Budgets and health are kept.
    pub(crate) async fn reload(&self, settings: &Settings) {
        let targets = Targets::new(settings);
        let (reply, adopted) = oneshot::channel();
        // A closed channel is a dispatcher that stops, which needs no new settings.
        let _stopping = self.control.send(Control::Reload(Arc::new(targets), reply)).await;
        let _stopped = adopted.await;
    }

    /// Sends a test message to a target, with its budget and channel as they are in force, and resolves to what came of it. Goes on
    /// when nobody waits for it.
    pub(crate) fn send_test(
        &self,
        target: &str,
    ) -> impl Future<Output = Result<TestReport, TestRefusal>> + Send + 'static {
        let (control, target) = (self.control.clone(), target.to_owned());
        async move {
            let (reply, report) = oneshot::channel();
            // A closed channel is a dispatcher that stops.
            let _stopping = control.send(Control::SendTest(target, reply)).await;
            report.await.unwrap_or(Err(TestRefusal::Stopping))
        }
    }

    /// Resolves once nothing is delivered any more: after [`stop`](Self::stop), or because of a fault of ours.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let control = self.control.clone();
        async move { control.closed().await }
    }

    /// Begins nothing more, lets sends under way finish within `limit`, and leaves the rest in the outbox. Returns how many
    /// were cut short; those may arrive twice.
    pub(crate) async fn stop(self, limit: Duration) -> usize {
        let (reply, cut_short) = oneshot::channel();
        let _stopped = self.control.send(Control::Stop(limit, reply)).await;
        let cut_short = cut_short.await.unwrap_or(0);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the deliverer did not end by itself: {error}");
        }
        cut_short
    }
}

/// Orders that may wait: a reload, a stop, some tests.
const CONTROLS: usize = 4;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

//! The one loop that gets deliveries to people. It knows no vendor.
//!
//! Owns the order of things: who may speak (`schedule`), what is claimed, how many at once, the stop and the reload. One lane's
//! way is its child's ([`lane`]). Everything it decides is asked of pure modules; everything it must not forget is in the
//! `outbox`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::audit::Audit;
use crate::clock::{Clock, Millis};
use crate::deliver::housekeeping::Housekeeping;
use crate::deliver::lane::LaneRun;
use crate::deliver::state::DeliveryState;
use crate::deliver::targets::Targets;
use crate::delivery::{DeliveryKey, DueDelivery, UrgencyFilter};
use crate::metrics::Metrics;
use crate::notification::Notification;
use crate::outbox::{Outbox, StoreError};
use crate::retry::{Backoff, Jitter};
use crate::schedule;
use crate::settings::Settings;
use crate::target::Patience;

mod compose;
mod housekeeping;
mod lane;
mod state;
mod targets;

/// The running deliverer.
#[derive(Debug)]
pub(crate) struct Deliverer {
    control: mpsc::Sender<Control>,
    task: JoinHandle<()>,
}

/// What the deliverer works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where deliveries come from and go to.
    pub(crate) outbox: Outbox,
    /// Told of every attempt and end.
    pub(crate) metrics: Arc<Metrics>,
    /// Checked by the housekeeping.
    pub(crate) audit: Arc<Audit>,
    /// What time it is.
    pub(crate) clock: Clock,
    /// Reads a stored webhook.
    pub(crate) read: ReadPayload,
    /// How patient to be.
    pub(crate) pace: Pace,
}

/// Reads a stored webhook's body back into a notification; `intake`'s, handed in so that imports run one way.
pub(crate) type ReadPayload = fn(&[u8]) -> Result<Notification, String>;

/// Times that tests shorten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A claim nobody renews is free again after this long. Longer than any attempt may take.
    pub(crate) lease: Duration,
    /// Between attempts of one lane.
    pub(crate) backoff: Backoff,
    /// With a target that is not well.
    pub(crate) patience: Patience,
    /// A delivery that could not be brought for this long is dead, if its target was in order for as long.
    pub(crate) give_up_after: Duration,
    /// A recipient that cannot be reached for this long misses a mail that others have. Well before a delivery is dead, so that its
    /// end says who heard it.
    pub(crate) straggle_for: Duration,
    /// The same whatever happened meanwhile. A target that is misconfigured needs a person: over a weekend and a holiday.
    pub(crate) hold_for: Duration,
    /// Between two rounds of the housekeeping.
    pub(crate) housekeeping: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        Self {
            lease: Duration::from_mins(3),
            backoff: Backoff { first: Duration::from_secs(2), cap: Duration::from_mins(5) },
            patience: Patience::default(),
            straggle_for: hours(12),
            give_up_after: hours(24),
            hold_for: hours(7 * 24),
            housekeeping: Duration::from_secs(15),
        }
    }
}

/// Why the deliverer cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The store does not say what was sent before.
    #[error(transparent)]
    Store(#[from] StoreError),
}

enum Control {
    Reload(Arc<Targets>, oneshot::Sender<()>),
    Stop(Duration, oneshot::Sender<usize>),
}

/// What the loop, its lanes and the housekeeping share.
#[derive(Debug)]
struct Shared {
    outbox: Outbox,
    metrics: Arc<Metrics>,
    clock: Clock,
    read: ReadPayload,
    pace: Pace,
    state: DeliveryState,
    jitter: Jitter,
    is_stopping: AtomicBool,
}

impl Deliverer {
    /// Starts to deliver. Reads first which sends of a former life still count against the robots' budgets.
    pub(crate) async fn start(parts: Parts, settings: &Settings) -> Result<Self, StartError> {
        let targets = Arc::new(Targets::new(settings));
        let now = parts.clock.now();
        let began_at = now.minus(parts.clock.passed());
        let state = DeliveryState::new(parts.clock.clone(), parts.pace.patience, Arc::clone(&parts.metrics));
        let longest = targets.by_name.values().map(|target| target.settings.budget.window).max();
        let since = now.minus(longest.unwrap_or_default());
        state.remember(&parts.outbox.past_attempts(since).await?);
        let shared = Arc::new(Shared {
            outbox: parts.outbox,
            metrics: parts.metrics,
            clock: parts.clock,
            read: parts.read,
            pace: parts.pace,
            state,
            jitter: Jitter::new(),
            is_stopping: AtomicBool::new(false),
        });
        let (control, orders) = mpsc::channel(CONTROLS);
        let mut work = Loop {
            housekeeping: Housekeeping::start(Arc::clone(&shared), parts.audit, Arc::clone(&targets)),
            shared,
            targets: Arc::clone(&targets),
            lanes: JoinSet::new(),
            spent: BTreeSet::new(),
            began_at,
        };
        work.adopt(targets);
        Ok(Self { control, task: tokio::spawn(work.run(orders)) })
    }

    /// Takes new settings for what begins from now on; returns once they are in force. Budgets and health are kept.
    pub(crate) async fn reload(&self, settings: &Settings) {
        let targets = Targets::new(settings);
        let (reply, adopted) = oneshot::channel();
        // A closed channel is a loop that stops, which needs no new settings.
        let _stopping = self.control.send(Control::Reload(Arc::new(targets), reply)).await;
        let _stopped = adopted.await;
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
            tracing::error!(%error, "The deliverer did not end by itself");
        }
        cut_short
    }
}

/// Orders that may wait: a reload and a stop.
const CONTROLS: usize = 4;

/// After the store failed the loop, it asks again this much later.
const STORE_RETRY: Duration = Duration::from_secs(1);

struct Loop {
    shared: Arc<Shared>,
    targets: Arc<Targets>,
    housekeeping: Housekeeping,
    lanes: JoinSet<()>,
    /// Targets that have something to send and no budget: counted when they begin to wait.
    spent: BTreeSet<String>,
    /// When the clock was made, by its own account: earlier once it is set back.
    began_at: Millis,
}

impl Loop {
    async fn run(mut self, mut orders: mpsc::Receiver<Control>) {
        loop {
            let wake_at = match self.look().await {
                Ok(wake_at) => wake_at,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.shared.metrics.store_error(&error);
                    tracing::error!(%error, "Could not look for deliveries");
                    Some(self.shared.clock.now().plus(STORE_RETRY))
                }
            };
            let wake = async {
                match wake_at {
                    Some(at) => {
                        let soon = self.shared.clock.now().plus(LOOK_AGAIN);
                        self.shared.clock.sleep_until(at.min(soon)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.outbox.arrived() => {}
                () = wake => {}
                Some(ended) = self.lanes.join_next() => report_panic(ended),
                () = self.housekeeping.ended() => {
                    tracing::error!("The housekeeping has ended by itself");
                    return;
                }
                order = orders.recv() => match order {
                    Some(Control::Reload(targets, reply)) => {
                        self.adopt(targets);
                        let _gone = reply.send(());
                    }
                    Some(Control::Stop(limit, reply)) => {
                        let cut_short = self.drain(limit).await;
                        let _gone = reply.send(cut_short);
                        return;
                    }
                    // Dropped without a stop: what is under way is cut short and found again at the next start.
                    None => return,
                },
            }
        }
    }

    fn adopt(&mut self, targets: Arc<Targets>) {
        self.shared.state.adopt(&targets);
        self.shared
            .metrics
            .expect(targets.receivers.iter().map(String::as_str), targets.by_name.keys().map(String::as_str));
        self.housekeeping.adopt(Arc::clone(&targets));
        self.targets = targets;
    }

    /// Starts what may begin. Returns when to look again if nothing happens before.
    async fn look(&mut self) -> Result<Option<Millis>, StoreError> {
        self.heed_clock().await?;
        self.begin_lanes().await
    }

    /// Waits are kept as the times at which they end. Once the clock is set back those are further away than was meant.
    async fn heed_clock(&mut self) -> Result<(), StoreError> {
        let began_at = self.shared.clock.now().minus(self.shared.clock.passed());
        let back = self.began_at.since(began_at);
        if back >= CLOCK_STEP {
            tracing::warn!(back_ms = millis(back), "The clock was set back: what waits is tried again now");
            for name in self.targets.by_name.keys() {
                self.shared.outbox.hasten(name).await?;
            }
            self.shared.state.set_back(back);
        }
        self.began_at = began_at;
        Ok(())
    }

    /// Starts every lane that may speak now. Returns when to look again if nothing happens before.
    async fn begin_lanes(&mut self) -> Result<Option<Millis>, StoreError> {
        let mut wake_at: Option<Millis> = None;
        let targets = Arc::clone(&self.targets);
        for name in targets.by_name.keys() {
            let room = self.shared.state.room(name);
            let now = self.shared.clock.now();
            self.note_spent(name, room.is_spent && room.ordinary() == 0, now).await?;
            wake_at = sooner(wake_at, room.wake_at);
            if room.lanes() == 0 {
                continue;
            }
            let busy: BTreeSet<DeliveryKey> =
                self.shared.state.busy().into_iter().filter(|key| key.target == *name).collect();
            // Begun messages come first in the answer; the rest of the list lets urgent ones pass those that must wait.
            let limit = u32::try_from(busy.len())
                .unwrap_or(u32::MAX)
                .saturating_add(room.lanes())
                .saturating_add(LOOK_AHEAD);
            let which = if room.ordinary() == 0 { UrgencyFilter::Urgent } else { UrgencyFilter::Any };
            let due = self.shared.outbox.due(name, which, now, limit).await?;
            let urgent: BTreeSet<DeliveryKey> =
                due.iter().filter(|due| due.is_urgent).map(|due: &DueDelivery| due.key.clone()).collect();
            for (key, via) in schedule::pick(name, &room, due, &busy) {
                let is_urgent = urgent.contains(&key);
                self.begin(&targets, key, &via, is_urgent);
            }
            wake_at = sooner(wake_at, self.shared.outbox.next_due(name, which, now).await?);
        }
        Ok(wake_at)
    }

    async fn note_spent(&mut self, name: &str, is_spent: bool, now: Millis) -> Result<(), StoreError> {
        if !is_spent {
            self.spent.remove(name);
        } else if !self.spent.contains(name)
            && !self.shared.outbox.due(name, UrgencyFilter::Any, now, 1).await?.is_empty()
        {
            self.spent.insert(name.to_owned());
            self.shared.metrics.budget_wait(name);
            tracing::info!(target = %name, "The robot's budget is spent, or its vendor wants silence: messages wait and are merged");
        }
        Ok(())
    }

    fn begin(&mut self, targets: &Arc<Targets>, key: DeliveryKey, via: &str, is_urgent: bool) {
        let (Some(target), Some(via)) = (targets.by_name.get(&key.target), targets.by_name.get(via)) else {
            return;
        };
        // Without one, a lane under way has just taken it for its next part; its end brings us back here.
        let Ok(place) = self.shared.state.take(via.channel.robot().as_str(), is_urgent) else { return };
        let token = self.shared.state.begin_delivery(&key, &via.settings.name);
        let run = LaneRun {
            shared: Arc::clone(&self.shared),
            targets: Arc::clone(targets),
            key,
            target: Arc::clone(target),
            via: Arc::clone(via),
            is_urgent,
            first_place: Mutex::new(Some(place)),
        };
        self.lanes.spawn(async move {
            let _token = token;
            run.run().await;
        });
    }

    async fn drain(&mut self, limit: Duration) -> usize {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        self.housekeeping.stop();
        let finish = async {
            while let Some(ended) = self.lanes.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(limit, finish).await.is_err() {
            tracing::warn!(
                sends = self.lanes.len(),
                "The time to stop ran out with sends under way: they are tried again at the next start and may arrive twice"
            );
        }
        let cut_short = self.lanes.len();
        self.lanes.shutdown().await;
        cut_short
    }
}

/// While something waits the loop looks at the clock this often.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A clock set back by less than this prolongs no wait by an amount that matters.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// Lanes looked at beyond those that may begin.
const LOOK_AHEAD: u32 = 16;

fn sooner(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The lane stays claimed until its lease ends, and is tried again then.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "A delivery was interrupted by a fault of alert-relay; it is tried again when its lease ends");
    }
}

#[cfg(test)]
mod tests;

//! The loop that begins deliveries: at every wake it looks at what is due for each target, and begins what may be sent.
//!
//! Owns when it looks, how many deliveries are under way, the reload and the stop. Leaves out the choice (`schedule`), what becomes of a
//! delivery once begun (`group`), and everything that must outlive the process (`outbox`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use crate::audit::Audit;
use crate::clock::{Millis, whole_millis};
use crate::deliver::attempt::Sender;
use crate::deliver::context::{Context, STORE_RETRY};
use crate::deliver::digest::DigestDelivery;
use crate::deliver::group::GroupDelivery;
use crate::deliver::housekeeping::Housekeeping;
use crate::deliver::observer::Step;
use crate::deliver::targets::Targets;
use crate::deliver::test_message;
use crate::deliver::via::Via;
use crate::delivery::{DeliveryKey, DueDelivery, UrgencyFilter};
use crate::outbox::StoreError;
use crate::schedule::{self, Capacity, Digest, LATE_AFTER, Room};
use crate::settings::no_such;
use crate::test_report::{TestRefusal, TestReport};

/// What the dispatcher is asked from outside.
#[derive(Debug)]
pub(super) enum Control {
    /// To take these targets; answered once they are in force.
    Reload(Arc<Targets>, oneshot::Sender<()>),
    /// To send a test message to this target; answered with what came of it.
    SendTest(String, oneshot::Sender<Result<TestReport, TestRefusal>>),
    /// To stop within this time; answered with how many deliveries were cut short.
    Stop(Duration, oneshot::Sender<usize>),
}

pub(super) struct Dispatcher {
    context: Arc<Context>,
    targets: Arc<Targets>,
    housekeeping: Housekeeping,
    under_way: JoinSet<()>,
    /// Targets that have something to send and no budget: counted when they begin to wait.
    spent: BTreeSet<String>,
}

impl Dispatcher {
    pub(super) fn new(context: Arc<Context>, audit: Arc<Audit>, targets: Arc<Targets>) -> Self {
        let mut dispatcher = Self {
            housekeeping: Housekeeping::start(Arc::clone(&context), audit, Arc::clone(&targets)),
            context,
            targets: Arc::clone(&targets),
            under_way: JoinSet::new(),
            spent: BTreeSet::new(),
        };
        dispatcher.adopt(targets);
        dispatcher
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Control>) {
        loop {
            self.context.observer.saw(Step::LookBegan);
            let wake_at = match self.look().await {
                Ok(wake_at) => wake_at,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.context.metrics.store_error(&error);
                    tracing::error!(%error, "could not look for deliveries: {error}");
                    Some(self.context.clock.now().plus(STORE_RETRY))
                }
            };
            let wake_at = wake_at.map(|at| at.min(self.context.clock.now().plus(LOOK_AGAIN)));
            self.context.observer.saw(Step::LookEnded { under_way: self.under_way.len(), wake_at });
            let wake = async {
                match wake_at {
                    Some(at) => self.context.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.context.outbox.arrived() => self.context.observer.saw(Step::Arrived),
                () = wake => {}
                Some(ended) = self.under_way.join_next() => report_panic(ended),
                () = self.housekeeping.ended() => {
                    tracing::error!("the housekeeping has ended by itself: nothing more is delivered");
                    return;
                }
                order = orders.recv() => match order {
                    Some(Control::Reload(targets, reply)) => {
                        self.adopt(targets);
                        let _gone = reply.send(());
                    }
                    Some(Control::SendTest(target, reply)) => self.begin_test(&target, reply),
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
        self.context.state.adopt(&targets);
        self.context
            .metrics
            .expect(targets.receivers.iter().map(String::as_str), targets.by_name.keys().map(String::as_str));
        self.housekeeping.adopt(Arc::clone(&targets));
        self.targets = targets;
    }

    /// Begins what may begin. Returns when to look again if nothing happens before.
    async fn look(&mut self) -> Result<Option<Millis>, StoreError> {
        self.heed_clock().await?;
        self.begin_due().await
    }

    /// The next tries stand in the store by the wall clock. Once that is set back they are further away than was meant.
    async fn heed_clock(&mut self) -> Result<(), StoreError> {
        let now = self.context.clock.reading();
        let back = {
            let mut tried = self.context.tried.lock().unwrap_or_else(PoisonError::into_inner);
            tried.note(now);
            tried.take_back()
        };
        let Some(back) = back else { return Ok(()) };
        let back_ms = whole_millis(back);
        tracing::warn!(back_ms, "the clock was set back by {back_ms} ms: what waits is tried again now");
        self.hasten_all().await.inspect_err(|_| {
            self.context.tried.lock().unwrap_or_else(PoisonError::into_inner).put_back(back);
        })
    }

    async fn hasten_all(&self) -> Result<(), StoreError> {
        for name in self.targets.by_name.keys() {
            self.context.outbox.hasten(name).await?;
        }
        Ok(())
    }

    async fn begin_due(&mut self) -> Result<Option<Millis>, StoreError> {
        let mut wake_at: Option<Millis> = None;
        let targets = Arc::clone(&self.targets);
        for name in targets.by_name.keys() {
            let mut capacity = self.context.state.capacity(name);
            let now = self.context.clock.now();
            self.note_spent(name, capacity.is_spent && capacity.ordinary() == 0, now).await?;
            wake_at = sooner(wake_at, capacity.wake_at.map(|at| self.context.clock.wall_at(at)));
            if capacity.all() == 0 {
                let waits = capacity.is_spent
                    && !self.context.outbox.due(name, UrgencyFilter::Urgent, now, 1).await?.is_empty();
                self.context.state.urgent_waits(name, waits);
                continue;
            }
            let busy: BTreeSet<DeliveryKey> =
                self.context.state.busy().into_iter().filter(|key| key.target == *name).collect();
            let urgency = if capacity.ordinary() == 0 { UrgencyFilter::Urgent } else { UrgencyFilter::Any };
            let digests = self.digests(name, &capacity);
            let room = digests.as_ref().map(|(_, room)| *room);
            let due = self.due(name, urgency, now, &capacity, room, busy.len()).await?;
            let mut urgent: BTreeMap<DeliveryKey, Option<Millis>> = due
                .iter()
                .filter(|due| due.is_urgent && !busy.contains(&due.key))
                .map(|due: &DueDelivery| (due.key.clone(), due.urgent_since))
                .collect();
            let due = match digests {
                None => due,
                Some((via, room)) => {
                    let (digests, singly) = schedule::gather(&via, &mut capacity, room, &due, &busy, now);
                    for digest in digests {
                        urgent.retain(|key, _| !digest.keys.contains(key));
                        self.begin_digest(&targets, name, digest);
                    }
                    singly
                }
            };
            for (key, via) in schedule::pick(name, &capacity, due, &busy, now) {
                let is_urgent = urgent.remove(&key).is_some();
                self.begin(&targets, key, &via, is_urgent);
            }
            self.context.state.urgent_waits(name, !urgent.is_empty());
            if capacity.late.is_some() {
                let late_at = urgent.into_values().flatten().map(|since| since.plus(LATE_AFTER)).min();
                wake_at = sooner(wake_at, late_at.filter(|at| *at > now));
            }
            wake_at = sooner(wake_at, self.context.outbox.next_due(name, urgency, now).await?);
        }
        Ok(wake_at)
    }

    /// Whose channel digests of a target go through now, and how much that takes besides; `None` if there are none.
    fn digests(&self, name: &str, capacity: &Capacity) -> Option<(String, Room)> {
        let via = schedule::channel(name, capacity)?;
        let takes_digests = self.targets.by_name.get(via)?.channel.kind().takes_digests;
        let room = self.context.state.room(via).filter(|_| takes_digests)?;
        Some((via.to_owned(), room))
    }

    /// What is due for a target, as far as it may matter: begun messages come first in the answer; the rest of the list lets urgent ones
    /// pass those that must wait. Where that is more than can be told one by one, all that one digest may tell.
    async fn due(
        &self,
        name: &str,
        urgency: UrgencyFilter,
        now: Millis,
        capacity: &Capacity,
        room: Option<Room>,
        busy: usize,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let outbox = &self.context.outbox;
        let busy = u32::try_from(busy).unwrap_or(u32::MAX);
        let limit = busy.saturating_add(capacity.all()).saturating_add(LOOK_AHEAD);
        let Some(room) = room else { return outbox.due(name, urgency, now, limit).await };
        let few = busy.saturating_add(room.urgent.min(room.soon)).saturating_add(1).min(MOST_DUE).max(limit);
        let due = outbox.due(name, urgency, now, few).await?;
        let is_all = due.len() < usize::try_from(few).unwrap_or(usize::MAX);
        if is_all { Ok(due) } else { outbox.due(name, urgency, now, busy.saturating_add(MOST_DUE)).await }
    }

    async fn note_spent(&mut self, name: &str, is_spent: bool, now: Millis) -> Result<(), StoreError> {
        if !is_spent {
            self.spent.remove(name);
        } else if !self.spent.contains(name)
            && !self.context.outbox.due(name, UrgencyFilter::Any, now, 1).await?.is_empty()
        {
            self.spent.insert(name.to_owned());
            self.context.metrics.budget_wait(name);
            tracing::info!(
                target = %name,
                "{name}: the robot's budget is used up, or it asked for a pause: messages wait and are merged"
            );
        }
        Ok(())
    }

    fn begin(&mut self, targets: &Arc<Targets>, key: DeliveryKey, via: &str, is_urgent: bool) {
        let (Some(target), Some(via)) = (targets.by_name.get(&key.target), targets.by_name.get(via)) else {
            return;
        };
        let via = Via { context: Arc::clone(&self.context), target: Arc::clone(via) };
        // A delivery under way may just have taken it for its next part; its end brings us back here.
        let Ok(reservation) = via.reserve(is_urgent) else { return };
        let token = self.context.state.begin_delivery(vec![key.clone()], via.name());
        let sender = Sender { key, via, is_urgent, also: Vec::new(), first: Mutex::new(Some(reservation)) };
        let delivery = GroupDelivery {
            sender,
            targets: Arc::clone(targets),
            target: Arc::clone(target),
            alerts: OnceLock::new(),
        };
        self.under_way.spawn(async move {
            let _token = token;
            delivery.run().await;
        });
    }

    fn begin_digest(&mut self, targets: &Arc<Targets>, name: &str, digest: Digest) {
        let Digest { keys, via, is_urgent } = digest;
        let (Some(target), Some(via)) = (targets.by_name.get(name), targets.by_name.get(&via)) else {
            return;
        };
        let via = Via { context: Arc::clone(&self.context), target: Arc::clone(via) };
        let Ok(reservation) = via.reserve(is_urgent) else { return };
        let token = self.context.state.begin_delivery(keys.clone(), via.name());
        let digest = DigestDelivery {
            keys,
            via,
            is_urgent,
            first: Mutex::new(Some(reservation)),
            targets: Arc::clone(targets),
            target: Arc::clone(target),
        };
        self.under_way.spawn(async move {
            let _token = token;
            digest.run().await;
        });
    }

    fn begin_test(&mut self, target: &str, reply: oneshot::Sender<Result<TestReport, TestRefusal>>) {
        let Some(target) = self.targets.by_name.get(target) else {
            let known = self.targets.by_name.keys().map(String::as_str).collect();
            let _gone = reply.send(Err(TestRefusal::Unknown(no_such("target", target, &known))));
            return;
        };
        let via = Via { context: Arc::clone(&self.context), target: Arc::clone(target) };
        let targets = Arc::clone(&self.targets);
        self.under_way.spawn(async move {
            let report = test_message::send(&via, &targets.defaults).await;
            // Sent is sent, also if whoever asked does not wait for the answer.
            let _gone = reply.send(report);
        });
    }

    async fn drain(&mut self, limit: Duration) -> usize {
        self.context.is_stopping.store(true, Ordering::Relaxed);
        self.housekeeping.stop().await;
        let finish = async {
            while let Some(ended) = self.under_way.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(limit, finish).await.is_err() {
            let sends = self.under_way.len();
            tracing::warn!(
                sends,
                "drain_timeout ended with {sends} deliveries being sent: they are tried again after the next start and may arrive twice"
            );
        }
        let cut_short = self.under_way.len();
        self.under_way.shutdown().await;
        cut_short
    }
}

/// While something waits the clock is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Groups looked at beyond those that may begin.
const LOOK_AHEAD: u32 = 16;

/// Groups looked at where many wait: those of two digests, so that what is critical does not hide what is not.
const MOST_DUE: u32 = 2_000;

fn sooner(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What it had claimed stays claimed until the lease ends, and is tried again then.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a delivery was interrupted by a fault of alert-relay; it is tried again when its claim runs out: {error}");
    }
}

//! Regular work beside delivering: the audit, giving up what is too old, pruning what is over, closing what has vanished.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::{Millis, whole_millis};
use crate::deliver::context::Context;
use crate::deliver::observer::Step;
use crate::deliver::size_keeper::SizeKeeper;
use crate::deliver::targets::Targets;
use crate::delivery::{Abandoned, DeliveryKey, Forgotten, TargetCount};
use crate::health::Health;
use crate::ledger::HOLD;
use crate::outbox::StoreError;
use crate::render::clean;
use crate::settings::removal;

/// Its task; stops when dropped.
#[derive(Debug)]
pub(super) struct Housekeeping {
    task: JoinHandle<()>,
    adopted: Arc<Notify>,
    targets: Arc<Mutex<Arc<Targets>>>,
}

impl Housekeeping {
    pub(super) fn start(context: Arc<Context>, audit: Arc<Audit>, targets: Arc<Targets>) -> Self {
        let targets = Arc::new(Mutex::new(targets));
        let round = Round {
            context,
            audit,
            targets: Arc::clone(&targets),
            stranded: BTreeMap::new(),
            size: SizeKeeper::default(),
        };
        let adopted = Arc::<Notify>::default();
        Self { task: tokio::spawn(round.repeat(Arc::clone(&adopted))), adopted, targets }
    }

    pub(super) fn adopt(&self, targets: Arc<Targets>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
        self.adopted.notify_one();
    }

    /// Returns once there are no more rounds: the store is closed, or a fault of ours has ended them.
    pub(super) async fn ended(&mut self) {
        let _panicked = (&mut self.task).await;
    }

    /// Once it returns nothing more is done, nor counted.
    pub(super) async fn stop(&mut self) {
        self.task.abort();
        self.ended().await;
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Round {
    context: Arc<Context>,
    audit: Arc<Audit>,
    targets: Arc<Mutex<Arc<Targets>>>,
    /// Deliveries that waited in the round before for a target that is not in the settings.
    stranded: BTreeMap<String, u64>,
    size: SizeKeeper,
}

/// Transactions of pruning in one round: few enough to let webhooks through. After a storm it takes some rounds.
const PRUNE_BATCHES: usize = 20;

impl Round {
    async fn repeat(mut self, adopted: Arc<Notify>) {
        let context = Arc::clone(&self.context);
        let Context { clock, pace, observer, .. } = &*context;
        loop {
            let targets = Arc::clone(&self.targets.lock().unwrap_or_else(PoisonError::into_inner));
            match self.once(&targets).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the housekeeping could not reach the store, and tries again: {error}");
                }
            }
            let next_at = clock.now().plus(pace.housekeeping);
            observer.saw(Step::HousekeepingEnded { next_at });
            tokio::select! {
                () = clock.sleep_until(next_at) => {}
                () = adopted.notified() => {}
            }
        }
    }

    async fn once(&mut self, targets: &Targets) -> Result<(), StoreError> {
        self.follow_names(targets).await?;
        let counts = self.audit.check().await?;
        self.note_stranded(targets, &counts);
        for (target, _) in counts.iter().filter(|(_, count)| count.pending > 0) {
            self.give_up(target).await?;
        }
        let over = self.context.accepted_before(targets.retention);
        for _ in 0..PRUNE_BATCHES {
            if self.context.outbox.prune(over).await? == 0 {
                break;
            }
        }
        let Context { outbox, metrics, clock, .. } = &*self.context;
        self.size.look(outbox, metrics, clock.now(), targets.size).await?;
        // A target that has left the settings is sent nothing.
        let is_there = |key: &DeliveryKey| targets.by_name.contains_key(&key.target);
        let vanished = self.context.outbox.vanished(over).await?;
        if !vanished.is_empty() {
            // What another relay, or this one a moment ago, has stored by a former name since is a delivery too.
            self.follow_names(targets).await?;
        }
        for vanished in vanished {
            if is_there(&vanished.key) {
                self.context.outbox.add_empty_delivery(vanished).await?;
            }
        }
        let now = self.context.clock.now();
        for key in self.context.outbox.held(now, now.plus(HOLD)).await?.into_iter().filter(is_there) {
            self.context.outbox.add_revision(key).await?;
        }
        self.forget_senders().await
    }

    /// Who has fallen silent for good keeps no alert firing. After a start everybody gets a while to be heard again, and what the clock
    /// went on by while no relay could hear them does not count.
    async fn forget_senders(&self) -> Result<(), StoreError> {
        let Context { outbox, clock, pace, .. } = &*self.context;
        if clock.passed() < pace.settle_in {
            return Ok(());
        }
        for forgotten in outbox.forget_senders(self.context.accepted_before(pace.silent_for)).await? {
            let Forgotten { group, sender, heard_at, targets } = forgotten;
            if !targets.is_empty() {
                let targets = targets.join(", ");
                tracing::warn!(
                    %group, %sender, %heard_at, %targets,
                    "{sender} has posted nothing of the alert group {group} since {heard_at}: what fires there for it alone is told \
                     as no longer reported to {targets}"
                );
            }
        }
        Ok(())
    }

    /// Moves what waits for a name that is gone to the target that takes its place.
    async fn follow_names(&self, targets: &Targets) -> Result<(), StoreError> {
        for (from, to) in &targets.former {
            let moved = self.context.outbox.rename(from, to).await?;
            if moved > 0 {
                tracing::info!(target = %to, %from, moved, "{moved} deliveries that waited for {from} wait for {to} now (`was`)");
            }
        }
        Ok(())
    }

    /// What waits for a target that the settings do not have is told to nobody: said when that begins or grows, and kept in a metric.
    fn note_stranded(&mut self, targets: &Targets, counts: &BTreeMap<String, TargetCount>) {
        let is_gone = |name: &String| !targets.by_name.contains_key(name);
        let stranded: BTreeMap<String, u64> = counts
            .iter()
            .filter(|(name, count)| count.pending > 0 && is_gone(name))
            .map(|(name, count)| (name.clone(), count.pending))
            .collect();
        for (target, pending) in &stranded {
            if self.stranded.get(target).is_none_or(|before| before < pending) {
                let hint = removal::how_to_move(target);
                tracing::error!(
                    %target, pending,
                    "{pending} deliveries wait for {target}, which is not in the settings: they are told to nobody, and given up in the end (hint: {hint})"
                );
            }
        }
        self.context.metrics.stranded(&stranded);
        self.stranded = stranded;
    }

    async fn give_up(&self, target: &str) -> Result<(), StoreError> {
        let Context { outbox, clock, pace, state, .. } = &*self.context;
        // What waited while the relay did not run gets its chance first.
        if clock.passed() < pace.least_tried {
            return Ok(());
        }
        let now = clock.now();
        // A queue that was kept while the target was in trouble gets its chance after it.
        let is_in_order = state.in_order_for(target) >= pace.give_up_after;
        let patience = if is_in_order { pace.give_up_after } else { pace.hold_for };
        let reason = match state.health(target) {
            Some(Health::Misconfigured { .. }) => "the target refused everything for too long",
            Some(Health::Up | Health::Failing { .. }) => "could not be brought for too long",
            None => "the target is no longer in the settings",
        };
        loop {
            let dead = outbox.give_up(target, self.context.accepted_before(patience), reason).await?;
            if dead.is_empty() {
                return Ok(());
            }
            for dead in dead {
                self.tell_of_dead(&dead, target, reason, now);
            }
        }
    }

    fn tell_of_dead(&self, dead: &Abandoned, target: &str, reason: &str, now: Millis) {
        let id = self.context.outbox.public_id(dead.id);
        let alerts = dead.alerts.as_deref().unwrap_or("alerts that an older version stored");
        tracing::error!(
            delivery = %id,
            %target,
            group = %dead.group,
            alerts,
            end = "dead",
            reason,
            attempts_before = dead.attempts,
            duration_ms = whole_millis(now.since(dead.accepted_at)),
            "delivery {id} to {target} ended: dead ({reason}), about {alerts} of group {}",
            clean::line(&dead.group_key.0, 200)
        );
    }
}

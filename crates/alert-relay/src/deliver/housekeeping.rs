//! Regular work beside delivering: the audit, giving up what is too old, pruning what is over, closing what has vanished.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::whole_millis;
use crate::deliver::context::Context;
use crate::deliver::observer::Step;
use crate::deliver::targets::Targets;
use crate::health::Health;
use crate::outbox::StoreError;

/// Its task; stops when dropped.
#[derive(Debug)]
pub(super) struct Housekeeping {
    task: JoinHandle<()>,
    targets: Arc<Mutex<Arc<Targets>>>,
}

impl Housekeeping {
    pub(super) fn start(context: Arc<Context>, audit: Arc<Audit>, targets: Arc<Targets>) -> Self {
        let targets = Arc::new(Mutex::new(targets));
        let round = Round { context, audit, targets: Arc::clone(&targets) };
        Self { task: tokio::spawn(round.repeat()), targets }
    }

    pub(super) fn adopt(&self, targets: Arc<Targets>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// Returns once there are no more rounds: the store is closed, or a fault of ours has ended them.
    pub(super) async fn ended(&mut self) {
        let _panicked = (&mut self.task).await;
    }

    pub(super) fn stop(&self) {
        self.task.abort();
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
}

/// Transactions of pruning in one round: few enough to let webhooks through. After a storm it takes some rounds.
const PRUNE_BATCHES: usize = 20;

impl Round {
    async fn repeat(self) {
        let Context { clock, pace, observer, .. } = &*self.context;
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
            clock.sleep_until(next_at).await;
        }
    }

    async fn once(&self, targets: &Targets) -> Result<(), StoreError> {
        let counts = self.audit.check().await?;
        for (target, _) in counts.iter().filter(|(_, count)| count.pending > 0) {
            self.give_up(target).await?;
        }
        let over = self.context.clock.now().minus(targets.retention);
        for _ in 0..PRUNE_BATCHES {
            if self.context.outbox.prune(over).await? == 0 {
                break;
            }
        }
        for key in self.context.outbox.vanished(over).await? {
            // A target that has left the settings is sent nothing.
            if targets.by_name.contains_key(&key.target) {
                self.context.outbox.add_empty_delivery(key).await?;
            }
        }
        Ok(())
    }

    async fn give_up(&self, target: &str) -> Result<(), StoreError> {
        let Context { outbox, clock, pace, state, .. } = &*self.context;
        let now = clock.now();
        // A queue that was kept while the target was in trouble gets its chance after it.
        let is_in_order = state.in_order_for(target) >= pace.give_up_after;
        let patience = if is_in_order { pace.give_up_after } else { pace.hold_for };
        let reason = match state.health(target) {
            Some(Health::Misconfigured { .. }) => "the target refused everything for too long",
            Some(Health::Up | Health::Failing { .. }) => "could not be brought for too long",
            None => "the target is no longer in the settings",
        };
        for dead in outbox.give_up(target, now.minus(patience), reason).await? {
            let id = outbox.public_id(dead.id);
            tracing::error!(
                delivery = %id,
                %target,
                group = %dead.group,
                end = "dead",
                reason,
                attempts_before = dead.attempts,
                duration_ms = whole_millis(now.since(dead.accepted_at)),
                "delivery {id} to {target} ended: dead ({reason})"
            );
        }
        Ok(())
    }
}

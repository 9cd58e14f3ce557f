//! What has to happen now and then: the audit, giving up what is too old, pruning what is over, closing what has vanished.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::deliver::targets::Targets;
use crate::deliver::{Shared, millis};
use crate::outbox::StoreError;
use crate::target::Health;

/// Its task; stops when dropped.
#[derive(Debug)]
pub(super) struct Housekeeping {
    task: JoinHandle<()>,
    targets: Arc<Mutex<Arc<Targets>>>,
}

impl Housekeeping {
    pub(super) fn start(shared: Arc<Shared>, audit: Arc<Audit>, targets: Arc<Targets>) -> Self {
        let targets = Arc::new(Mutex::new(targets));
        let round = Round { shared, audit, targets: Arc::clone(&targets) };
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
    shared: Arc<Shared>,
    audit: Arc<Audit>,
    targets: Arc<Mutex<Arc<Targets>>>,
}

/// Transactions of pruning in one round: few enough to let webhooks through. After a storm it takes some rounds.
const PRUNE_BATCHES: usize = 20;

impl Round {
    async fn repeat(self) {
        loop {
            let targets = Arc::clone(&self.targets.lock().unwrap_or_else(PoisonError::into_inner));
            match self.once(&targets).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "The housekeeping could not reach the store"),
            }
            self.shared.clock.sleep_until(self.shared.clock.now().plus(self.shared.pace.housekeeping)).await;
        }
    }

    async fn once(&self, targets: &Targets) -> Result<(), StoreError> {
        let counts = self.audit.check().await?;
        for (target, _) in counts.iter().filter(|(_, count)| count.pending > 0) {
            self.give_up(target).await?;
        }
        let over = self.shared.clock.now().minus(targets.retention);
        for _ in 0..PRUNE_BATCHES {
            if self.shared.outbox.prune(over).await? == 0 {
                break;
            }
        }
        for key in self.shared.outbox.left_out(over).await? {
            // Nobody speaks for a target that has left the settings.
            if targets.by_name.contains_key(&key.target) {
                self.shared.outbox.include(key).await?;
            }
        }
        Ok(())
    }

    async fn give_up(&self, target: &str) -> Result<(), StoreError> {
        let pace = &self.shared.pace;
        let now = self.shared.clock.now();
        // A queue that was kept through a trouble gets its chance after it.
        let is_in_order = self.shared.state.in_order_for(target) >= pace.give_up_after;
        let patience = if is_in_order { pace.give_up_after } else { pace.hold_for };
        let reason = match self.shared.state.health(target) {
            Some(Health::Misconfigured { .. }) => "the target refused everything for too long",
            Some(Health::Up | Health::Failing { .. }) => "could not be brought for too long",
            None => "the target is no longer in the settings",
        };
        let before = now.minus(patience);
        for dead in self.shared.outbox.give_up(target, before, reason).await? {
            tracing::error!(
                delivery = %self.shared.outbox.public_id(dead.id),
                %target,
                group = %dead.group,
                end = "dead",
                reason,
                attempts = dead.attempts,
                duration_ms = millis(now.since(dead.accepted_at)),
                "A delivery ended"
            );
        }
        Ok(())
    }
}

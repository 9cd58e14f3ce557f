//! What has to happen now and then: the audit, giving up what is too old, pruning what is over, closing what has vanished.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::deliver::roster::Roster;
use crate::deliver::{Shared, millis};
use crate::outbox::StoreError;
use crate::target::Health;

/// Its task; stops when dropped.
#[derive(Debug)]
pub(super) struct Housekeeping {
    task: JoinHandle<()>,
    roster: Arc<Mutex<Arc<Roster>>>,
}

impl Housekeeping {
    pub(super) fn start(shared: Arc<Shared>, audit: Arc<Audit>, roster: Arc<Roster>) -> Self {
        let roster = Arc::new(Mutex::new(roster));
        let round = Round { shared, audit, roster: Arc::clone(&roster) };
        Self { task: tokio::spawn(round.repeat()), roster }
    }

    pub(super) fn adopt(&self, roster: Arc<Roster>) {
        *self.roster.lock().unwrap_or_else(PoisonError::into_inner) = roster;
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
    roster: Arc<Mutex<Arc<Roster>>>,
}

/// Transactions of pruning in one round: few enough to let webhooks through. After a storm it takes some rounds.
const PRUNE_BATCHES: usize = 20;

impl Round {
    async fn repeat(self) {
        loop {
            let roster = Arc::clone(&self.roster.lock().unwrap_or_else(PoisonError::into_inner));
            match self.once(&roster).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "The housekeeping could not reach the store"),
            }
            self.shared.clock.sleep_until(self.shared.clock.now().plus(self.shared.pace.housekeeping)).await;
        }
    }

    async fn once(&self, roster: &Roster) -> Result<(), StoreError> {
        let counts = self.audit.check().await?;
        for (target, _) in counts.iter().filter(|(_, count)| count.pending > 0) {
            self.give_up(target).await?;
        }
        let over = self.shared.clock.now().minus(roster.retention);
        for _ in 0..PRUNE_BATCHES {
            if self.shared.outbox.prune(over).await? == 0 {
                break;
            }
        }
        for lane in self.shared.outbox.left_out(over).await? {
            // Nobody speaks for a target that has left the settings.
            if roster.targets.contains_key(&lane.target) {
                self.shared.outbox.include(lane).await?;
            }
        }
        Ok(())
    }

    async fn give_up(&self, target: &str) -> Result<(), StoreError> {
        let pace = &self.shared.pace;
        let now = self.shared.clock.now();
        // A queue that was kept through a trouble gets its chance after it.
        let is_in_order = self.shared.books.in_order_for(target) >= pace.give_up_after;
        let patience = if is_in_order { pace.give_up_after } else { pace.hold_for };
        let reason = match self.shared.books.health(target) {
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

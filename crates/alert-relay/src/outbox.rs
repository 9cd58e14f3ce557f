//! The store: what was accepted, what has to be told, and what became of it.
//!
//! Owns every SQL statement of the relay (in its children), the one writer and its group commit. Leaves out all decisions:
//! what to send is the `schedule`'s, what to say the `ledger`'s.
//!
//! Reads go to a few connections of their own; every change goes through one writer task, which puts all requests that
//! wait at that moment (at most [`BATCH`](writer::BATCH)) into one transaction and answers them after its COMMIT. One
//! process owns the file, held by a lock beside it, so the leases found in it at the start belong to a dead process and
//! are taken over at once.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::delivery::{
    Abandoned, Acceptance, Accepted, AttemptEnd, AttemptStart, Claim, DeliveryKey, DueDelivery, PastAttempt,
    PublicId, Settlement, TargetCount, UrgencyFilter,
};
use crate::outbox::readers::Readers;
use crate::outbox::writer::Writer;
use crate::settings::StoreSettings;

#[cfg(test)]
pub(crate) use crate::outbox::arrival::DEDUP_WINDOW;
pub(crate) use crate::outbox::error::StoreError;

mod accept;
mod arrival;
mod changes;
mod columns;
mod error;
mod gathered;
mod readers;
mod rows;
mod schema;
mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

/// The open store. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: Writer,
    readers: Readers,
    clock: Clock,
    tag: Arc<str>,
    /// Who we are in `lease_owner`.
    owner: String,
    /// Held, not read: the lock ends with the process, however that ends.
    _lock: File,
}

impl Outbox {
    /// Opens the file, making it if it is not there (its directory has to be), brings its schema up to date and takes over
    /// what a dead process left.
    pub(crate) async fn open(settings: &StoreSettings, clock: Clock) -> Result<Self, StoreError> {
        let lock = lock(&settings.path)?;
        let opened = sqlite::open(&settings.path, clock.now()).await?;
        let owner = format!("pid {} since {}", std::process::id(), clock.now());
        Ok(Self {
            shared: Arc::new(Shared {
                writer: Writer::start(opened.connection, owner.clone()),
                readers: opened.readers,
                clock,
                tag: opened.tag.into(),
                owner,
                _lock: lock,
            }),
        })
    }

    /// Whether another process has the store at `path` open. Makes no file.
    pub(crate) fn is_in_use(path: &Path) -> bool {
        File::open(lock_path(path)).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Makes a notification and its deliveries durable. Returns after the COMMIT; an error means that nothing is stored, and
    /// that the sender should try again (503).
    pub(crate) async fn accept(&self, accepted: Accepted) -> Result<Acceptance, StoreError> {
        let arrival = arrival::Arrival::new(&accepted, self.shared.clock.now());
        self.shared.writer.accept(arrival).await
    }

    /// Returns once there are new deliveries since the last call. For one waiter.
    pub(crate) async fn arrived(&self) {
        self.shared.writer.arrived().await;
    }

    /// The lanes whose target believes that something fires, while the group's newest snapshot has nothing for it at any hour.
    /// Only snapshots accepted later than this count: of older ones it is no longer known who had a share.
    pub(crate) async fn left_out(&self, accepted_after: Millis) -> Result<Vec<DeliveryKey>, StoreError> {
        self.shared.readers.left_out(accepted_after).await
    }

    /// Gives such a lane an empty share of the newest snapshot, so that its target hears what has vanished.
    pub(crate) async fn include(&self, key: DeliveryKey) -> Result<(), StoreError> {
        self.shared.writer.include(key, self.shared.clock.now()).await
    }

    /// The name outside of this store of the delivery with this number.
    pub(crate) fn public_id(&self, delivery: i64) -> PublicId {
        PublicId::new(&self.shared.tag, delivery)
    }

    /// The lanes of a target that may be sent now: begun messages first, then urgent ones, then the oldest.
    pub(crate) async fn due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        self.shared.readers.due(target, urgency, now, limit).await
    }

    /// When the next lane of a target becomes due that is not due yet: its wait or its lease is over.
    pub(crate) async fn next_due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        self.shared.readers.next_due(target, urgency, now).await
    }

    /// Takes a lane for this long, with all that waits in it; `None` if nothing does any more. While a message is partly sent,
    /// only what it speaks for is claimed: what came later waits for its turn, so that the parts stay those of one text, and each
    /// recipient of a mail is tried once.
    pub(crate) async fn claim(
        &self,
        key: &DeliveryKey,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.shared.clock.now();
        if !self.shared.writer.claim(key.clone(), now, now.plus(lease)).await? {
            return Ok(None);
        }
        self.shared.readers.claimed(key, &self.shared.owner).await
    }

    /// Notes that a part is about to be sent and renews the lease. `None`: the lease is lost, do not send.
    pub(crate) async fn begin_attempt(
        &self,
        start: AttemptStart,
        lease: Duration,
    ) -> Result<Option<i64>, StoreError> {
        let now = self.shared.clock.now();
        self.shared.writer.begin_attempt(start, now, now.plus(lease)).await
    }

    /// Notes what became of an attempt.
    pub(crate) async fn end_attempt(&self, end: AttemptEnd) -> Result<(), StoreError> {
        self.shared.writer.end_attempt(end, self.shared.clock.now()).await
    }

    /// Ends a claim: the delivery that spoke, the older ones with it, and what the target now knows, in one transaction.
    /// Returns how many deliveries ended; 0 means that the lease was lost.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
        self.shared.writer.settle(settlement, self.shared.clock.now()).await
    }

    /// Gives a claimed lane back, to be tried again at `next_at`.
    pub(crate) async fn release(&self, key: &DeliveryKey, next_at: Millis) -> Result<(), StoreError> {
        self.shared.writer.release(key.clone(), next_at).await
    }

    /// Ends as dead what waits for a target since before `accepted_before`, claimed deliveries left alone. Returns which.
    pub(crate) async fn give_up(
        &self,
        target: &str,
        accepted_before: Millis,
        reason: &str,
    ) -> Result<Vec<Abandoned>, StoreError> {
        self.shared
            .writer
            .give_up(target.to_owned(), accepted_before, reason.to_owned(), self.shared.clock.now())
            .await
    }

    /// Makes everything that waits for a target due at once: it has recovered.
    pub(crate) async fn hasten(&self, target: &str) -> Result<(), StoreError> {
        self.shared.writer.hasten(target.to_owned(), self.shared.clock.now()).await
    }

    /// Deletes up to a batch of what ended before `ended_before`. Returns how many rows went; 0 means that nothing is left to
    /// prune.
    pub(crate) async fn prune(&self, ended_before: Millis) -> Result<u64, StoreError> {
        self.shared.writer.prune(ended_before).await
    }

    /// How the deliveries stand, by target, as of one moment.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, TargetCount>, StoreError> {
        self.shared.readers.counts().await
    }

    /// The attempts that ended since `since`, or that asked for silence beyond it; for budgets after a restart.
    pub(crate) async fn past_attempts(&self, since: Millis) -> Result<Vec<PastAttempt>, StoreError> {
        self.shared.readers.past_attempts(since).await
    }

    /// How many requests each transaction of the writer has held, counted since the last call.
    pub(crate) fn take_batch_sizes(&self) -> Vec<usize> {
        self.shared.writer.take_batch_sizes()
    }

    /// Proves that the store can be written: a small transaction through the same writer.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.shared.writer.ping(self.shared.clock.now()).await
    }

    /// Returns once nothing is written any more: after [`close`](Self::close), or because of a fault of ours.
    pub(crate) async fn ended(&self) {
        self.shared.writer.ended().await;
    }

    /// Writes what waits, then closes the file. Later calls fail with [`StoreError::Closed`].
    pub(crate) async fn close(&self) {
        self.shared.writer.close().await;
        self.shared.readers.close().await;
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// One process owns an `SQLite` file. `SQLite`'s own locks would let two relays share it, and each would take the other's leases
/// for those of a dead one.
fn lock(store: &Path) -> Result<File, StoreError> {
    let file = File::create(lock_path(store))
        .map_err(|error| StoreError::CannotOpen { path: store.to_owned(), detail: error.to_string() })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: store.to_owned() }),
        Err(TryLockError::Error(error)) => {
            Err(StoreError::CannotOpen { path: store.to_owned(), detail: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;

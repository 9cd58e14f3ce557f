//! The store: what was accepted, what has to be sent, and what became of it.
//!
//! Owns the cut between the relay and whatever keeps its records: the records of [`delivery`](crate::delivery) go in and come
//! out, and no statement shows. Leaves out all decisions (what to send is the `schedule`'s, what to say the `ledger`'s) and the
//! keeping itself: the database is a child's ([`sqlite`]), the statements are one text for all (`statements`), and every change goes
//! through one writer task (`writer`), which puts all requests that wait at that moment into one transaction and answers them after its
//! COMMIT. What holds for every database is in `contract`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::clock::{Clock, Millis};
use crate::delivery::{
    Abandoned, Acceptance, Accepted, AttemptEnd, AttemptStart, Claim, DeliveryKey, DueDelivery, Forgotten,
    PastAttempt, PublicId, SetAside, Settlement, TargetCount, UrgencyFilter, Vanished, Waiting,
};
use crate::notification::GroupKey;
use crate::offload::offload;
use crate::outbox::arrival::{Arrival, group_id};
use crate::outbox::database::Database;
use crate::outbox::postgres::terms::Terms;
use crate::outbox::readers::Readers;
use crate::outbox::sqlite::ownership;
use crate::outbox::statements::take_over::TakenOver;
use crate::outbox::writer::Writer;
use crate::settings::StoreSettings;
use crate::story::Received;

#[cfg(test)]
pub(crate) use crate::outbox::arrival::DEDUP_WINDOW;
pub(crate) use crate::outbox::arrival::HEARTBEATS;
pub(crate) use crate::outbox::error::{ReadError, StoreError};
pub(crate) use crate::outbox::moving::move_store;
pub(crate) use crate::outbox::reading::ReadOnlyOutbox;

mod arrival;
mod columns;
#[cfg(test)]
mod contract;
mod database;
mod error;
mod failure;
mod heartbeats;
mod letters;
mod listing;
mod moving;
mod operating;
mod postgres;
mod readers;
mod reading;
mod request;
mod search_text;
mod session;
mod size;
mod sqlite;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

/// The open store of a relay that accepts and delivers. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    store: Arc<Store>,
    clock: Clock,
}

#[derive(Debug)]
struct Store {
    /// Takes every change.
    writer: Writer,
    /// Answer every question.
    readers: Readers,
    /// Answer an operator's questions: however much is asked, the deliverer never waits for it.
    operating: Readers,
    /// Makes this store's deliveries unlike those of any other.
    tag: Arc<str>,
    /// What lets this relay deliver.
    right: Right,
    /// What the deliverer found that this relay has become last.
    taken_over: ArcSwap<TakenOver>,
}

/// What lets this relay deliver.
#[derive(Debug)]
enum Right {
    /// The file is this process's alone; this is its name in `lease_owner`.
    Alone(Arc<str>),
    /// Each relay in its term.
    Terms(Arc<Terms>),
}

impl Outbox {
    /// Opens the store that the settings name and takes over what a dead process left.
    pub(crate) async fn open(settings: &StoreSettings, clock: Clock) -> Result<Self, StoreError> {
        let now = clock.now();
        let arrived = Arc::<Notify>::default();
        let store = if let Some(url) = &settings.postgres {
            let opened = postgres::open(url, now, Arc::clone(&arrived)).await?;
            Store {
                writer: Writer::start(Database::Postgres(Box::new(opened.link)), arrived),
                readers: Readers::Postgres(opened.readers),
                operating: Readers::Postgres(opened.operating),
                tag: opened.tag.into(),
                right: Right::Terms(opened.terms),
                taken_over: ArcSwap::default(),
            }
        } else {
            let opened = sqlite::open(&settings.path, now).await?;
            let owner: Arc<str> = format!("pid {} since {now}", std::process::id()).into();
            Store {
                writer: Writer::start(Database::Sqlite(opened.file, Arc::clone(&owner)), arrived),
                readers: Readers::Sqlite(opened.readers),
                operating: Readers::Sqlite(opened.operating),
                tag: opened.tag.into(),
                right: Right::Alone(owner),
                taken_over: ArcSwap::from_pointee(opened.taken_over),
            }
        };
        Ok(Self { store: Arc::new(store), clock })
    }

    /// Whether several relays may work on this store.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.store.right, Right::Terms(_))
    }

    /// Waits until this relay is the one that delivers, and takes over what the former one left half done. A file's owner is it at once.
    pub(crate) async fn lead(&self) -> Result<(), StoreError> {
        let Right::Terms(terms) = &self.store.right else { return Ok(()) };
        let begun = terms.begin().await;
        let taken_over = self.store.writer.take_over(self.clock.now(), begun.has_died).await;
        match taken_over {
            Ok(taken_over) => self.store.taken_over.store(Arc::new(taken_over)),
            // Another relay may have more luck.
            Err(error) => {
                terms.end().await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether this relay is the one that delivers, for certain.
    pub(crate) fn is_leading(&self) -> bool {
        match &self.store.right {
            Right::Alone(_) => true,
            Right::Terms(terms) => terms.held().is_some(),
        }
    }

    /// Returns once another relay may deliver.
    pub(crate) async fn deposed(&self) {
        match &self.store.right {
            Right::Alone(_) => std::future::pending().await,
            Right::Terms(terms) => terms.lost().await,
        }
    }

    /// Lets another relay deliver.
    pub(crate) async fn resign(&self) {
        if let Right::Terms(terms) = &self.store.right {
            terms.end().await;
        }
    }

    /// How the relay that delivers calls itself, of those that share a store; `None`: none has said of late that it does.
    pub(crate) async fn deliverer(&self) -> Result<Option<String>, StoreError> {
        match &self.store.right {
            Right::Alone(_) => Ok(None),
            Right::Terms(_) => self.store.readers.deliverer().await,
        }
    }

    /// The newest webhook of a group whose sender has no name of its own.
    pub(crate) async fn newest(
        &self,
        endpoint: &str,
        receiver: &str,
        group: &GroupKey,
    ) -> Result<Option<Received>, StoreError> {
        self.store.readers.newest(&group_id(endpoint, receiver, group, None)).await
    }

    /// What was found that is not tried again, when this relay became the deliverer.
    pub(crate) fn set_aside(&self) -> Vec<SetAside> {
        self.store.taken_over.load().set_aside.clone()
    }

    /// When a former process was last at work, by the clock of then; `None`: there was none.
    pub(crate) fn last_at_work(&self) -> Option<Millis> {
        self.store.taken_over.load().last_at_work
    }

    /// Whether another process has the store at `path` open. Makes no file.
    pub(crate) fn is_in_use(path: &Path) -> bool {
        ownership::is_held(path)
    }

    /// Makes a notification and its deliveries durable. Returns after the COMMIT; an error means that nothing is stored, and
    /// that the sender should try again (503).
    pub(crate) async fn accept(&self, accepted: Accepted) -> Result<Acceptance, StoreError> {
        let now = self.clock.now();
        // What is written is the body; what was read in it is gone once the arrival is made, and not held while it waits for the disk.
        let arrival = offload(accepted.payload.len(), move || Arrival::new(&accepted, now)).await?;
        self.store.writer.accept(arrival).await
    }

    /// Returns once there are new deliveries since the last call. For one waiter.
    pub(crate) async fn arrived(&self) {
        self.store.writer.arrived().await;
    }

    /// Queues whose ledger has a firing alert although a sender's newest snapshot has none for the target, at any hour.
    /// Only snapshots accepted later than this count: of older ones it is no longer known which targets had a delivery.
    pub(crate) async fn vanished(&self, accepted_after: Millis) -> Result<Vec<Vanished>, StoreError> {
        self.store.readers.vanished(accepted_after).await
    }

    /// Adds an empty delivery of that snapshot, so that the target is sent what has vanished.
    pub(crate) async fn add_empty_delivery(&self, vanished: Vanished) -> Result<(), StoreError> {
        self.store.writer.add_empty_delivery(vanished, self.clock.now()).await
    }

    /// Some of the queues in which something was held back until `until` or earlier, or until later than `longest`, as a clock that was set
    /// back leaves it.
    pub(crate) async fn held(&self, until: Millis, longest: Millis) -> Result<Vec<DeliveryKey>, StoreError> {
        self.store.readers.held(until, longest).await
    }

    /// Adds a delivery that has looked at once more what a queue's target knows.
    pub(crate) async fn add_revision(&self, key: DeliveryKey) -> Result<(), StoreError> {
        self.store.writer.add_revision(key, self.clock.now()).await
    }

    /// Forgets some of the senders that were not heard since `heard_before`: what they said fires counts no more. What a target
    /// knows only from them is looked at once more.
    pub(crate) async fn forget_senders(&self, heard_before: Millis) -> Result<Vec<Forgotten>, StoreError> {
        self.store.writer.forget_senders(heard_before, self.clock.now()).await
    }

    /// The name outside of this store of the delivery with this number.
    pub(crate) fn public_id(&self, delivery: i64) -> PublicId {
        PublicId::new(&self.store.tag, delivery)
    }

    /// The queues of a target that may be sent now: begun messages first, then urgent ones, then the oldest.
    pub(crate) async fn due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        self.store.readers.due(target, urgency, now, limit).await
    }

    /// When the next queue of a target becomes due that is not due yet: its wait or its lease is over.
    pub(crate) async fn next_due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        self.store.readers.next_due(target, urgency, now).await
    }

    /// What the next claim of a queue would take of memory.
    pub(crate) async fn waiting(&self, key: &DeliveryKey) -> Result<Waiting, StoreError> {
        self.store.readers.waiting(key).await
    }

    /// Takes a queue for this long, with all that waits in it as far as it is no more than `bytes` of webhooks (one at least); `None` if
    /// nothing waits any more. While a message is partly sent, only the deliveries it is sent for are claimed: what came later waits for
    /// its turn, so that the parts stay those of one text, and each recipient of a mail is tried once.
    pub(crate) async fn claim(
        &self,
        key: &DeliveryKey,
        lease: Duration,
        bytes: u64,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.clock.now();
        if !self.store.writer.claim(key.clone(), now, now.plus(lease), bytes).await? {
            return Ok(None);
        }
        let owner = match &self.store.right {
            Right::Alone(owner) => Arc::clone(owner),
            Right::Terms(terms) => terms.held().ok_or(StoreError::Deposed)?.owner,
        };
        self.store.readers.claimed(key, &owner).await
    }

    /// Notes that a part is about to be sent and renews the lease. `None`: the lease is lost, or another relay delivers: do not send.
    pub(crate) async fn begin_attempt(
        &self,
        start: AttemptStart,
        lease: Duration,
    ) -> Result<Option<i64>, StoreError> {
        let now = self.clock.now();
        let attempt = match self.store.writer.begin_attempt(start, now, now.plus(lease)).await {
            Err(StoreError::Deposed) => None,
            begun => begun?,
        };
        // Frozen since it was written, this process may wake up long after its term.
        Ok(attempt.filter(|_| self.is_leading()))
    }

    /// Notes what became of an attempt.
    pub(crate) async fn end_attempt(&self, end: AttemptEnd) -> Result<(), StoreError> {
        self.store.writer.end_attempt(end, self.clock.now(), self.clock.boot_time()).await
    }

    /// Notes that a part of a test message is about to be sent to this robot; returns a number for its end.
    pub(crate) async fn begin_test_attempt(&self, robot: &str) -> Result<i64, StoreError> {
        let attempt = self.store.writer.begin_test_attempt(robot.to_owned(), self.clock.now()).await?;
        // Frozen since it was written, this process may wake up long after its term.
        if self.is_leading() { Ok(attempt) } else { Err(StoreError::Deposed) }
    }

    /// Notes that it was sent. The robot may have asked for silence.
    pub(crate) async fn end_test_attempt(
        &self,
        attempt: i64,
        pause_until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let (now, booted) = (self.clock.now(), self.clock.boot_time());
        self.store.writer.end_test_attempt(attempt, pause_until, now, booted).await
    }

    /// Ends a claim: the delivery that was sent, the older ones with it, and what the target now knows, in one transaction.
    /// Returns how many deliveries ended; 0 means that the lease was lost.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
        self.store.writer.settle(settlement, self.clock.now()).await
    }

    /// Gives a claimed queue back, to be tried again at `next_at`.
    pub(crate) async fn release(&self, key: &DeliveryKey, next_at: Millis) -> Result<(), StoreError> {
        self.store.writer.release(key.clone(), next_at).await
    }

    /// Ends as dead up to a batch of what waits for a target since before `accepted_before`, claimed deliveries left alone. Returns which;
    /// none means that nothing is left to do.
    pub(crate) async fn give_up(
        &self,
        target: &str,
        accepted_before: Millis,
        reason: &str,
    ) -> Result<Vec<Abandoned>, StoreError> {
        self.store
            .writer
            .give_up(target.to_owned(), accepted_before, reason.to_owned(), self.clock.now())
            .await
    }

    /// Makes everything that waits for a target due at once: it has recovered.
    pub(crate) async fn hasten(&self, target: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        while self.store.writer.hasten(target.to_owned(), now).await? > 0 {}
        Ok(())
    }

    /// Moves what waits for a target, and what it was told, to the target that takes its place; what is being sent stays until it is put
    /// back. Returns how many deliveries moved.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<u64, StoreError> {
        self.store.writer.rename(from.to_owned(), to.to_owned(), self.clock.now()).await
    }

    /// Deletes up to a batch of what ended before `ended_before`. Returns how many rows went; 0 means that nothing is left to
    /// prune.
    pub(crate) async fn prune(&self, ended_before: Millis) -> Result<u64, StoreError> {
        Ok(self.store.writer.prune(ended_before, self.clock.now()).await?.rows)
    }

    /// How the deliveries stand, by target, as of one moment.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, TargetCount>, StoreError> {
        self.store.readers.counts().await
    }

    /// The attempts that ended within the last `span`, or that asked for silence beyond its beginning; for budgets after a restart.
    pub(crate) async fn past_attempts(&self, span: Duration) -> Result<Vec<PastAttempt>, StoreError> {
        self.store.readers.past_attempts(span, self.clock.now(), &self.clock.boot_time()).await
    }

    /// How many requests each transaction of the writer has held, counted since the last call.
    pub(crate) fn take_batch_sizes(&self) -> Vec<usize> {
        self.store.writer.take_batch_sizes()
    }

    /// Proves that the store can be written: a small transaction through the same writer.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.store.writer.ping(self.clock.now()).await
    }

    /// Returns once nothing is written any more: after [`close`](Self::close), or because of a fault of ours.
    pub(crate) async fn ended(&self) {
        self.store.writer.ended().await;
    }

    /// Writes what waits, then closes the file. Later calls fail with [`StoreError::Closed`].
    pub(crate) async fn close(&self) {
        self.store.writer.close().await;
        self.resign().await;
        self.store.readers.close().await;
        self.store.operating.close().await;
    }
}

//! The one writer: takes what waits, puts it into one transaction, and answers after its COMMIT.
//!
//! Owns the order of writes, the bound of the queue and what an error means for the others in the same transaction. Leaves
//! the statements to `changes`.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::{BootTime, Millis};
use crate::delivery::{
    Abandoned, Acceptance, AttemptEnd, AttemptStart, DeliveryKey, Forgotten, Settlement, Vanished,
};
use crate::operation::audit_trail::Deed;
use crate::outbox::arrival::Arrival;
use crate::outbox::database::Database;
use crate::outbox::error::StoreError;
use crate::outbox::letters::{LetterBatch, Letters};
use crate::outbox::postgres::link::{Link, Refused, Work};
use crate::outbox::request::{Order, Request};
use crate::outbox::statements::accept::accept;
use crate::outbox::statements::changes::Pruned;
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::take_over::TakenOver;

/// At most this many requests share a transaction: enough to make a slow disk's fsync cheap, few enough that the first one
/// does not wait long for the last.
const BATCH: usize = 512;

/// At most this many requests wait; the next one is turned away at once. Two batches: one being written, one behind it.
const QUEUE: usize = 2 * BATCH;

/// A handle to the writer task.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Request>,
    batches: Arc<Mutex<Vec<usize>>>,
    arrived: Arc<Notify>,
    /// `store.max_bytes`, while what is pending fills the store; else 0.
    filled: Arc<AtomicU64>,
}

impl Writer {
    /// `arrived` is told of what may have to be delivered.
    pub(super) fn start(database: Database, arrived: Arc<Notify>) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let (batches, filled) = (Arc::default(), Arc::<AtomicU64>::default());
        let writing = Loop {
            database,
            batches: Arc::clone(&batches),
            arrived: Arc::clone(&arrived),
            filled: Arc::clone(&filled),
        };
        tokio::spawn(writing.run(requests));
        Self { queue, batches, arrived, filled }
    }

    /// Takes nothing new, or again. Returns whether that changes something.
    pub(super) fn fill(&self, max_bytes: Option<u64>) -> bool {
        let now = max_bytes.unwrap_or(0);
        self.filled.swap(now, Ordering::Relaxed) != now
    }

    /// The only request refused when the queue is full: Alertmanager sends a webhook again, while the relay's own changes would be lost.
    pub(super) async fn accept(&self, arrival: Arrival) -> Result<Acceptance, StoreError> {
        let (reply, answer) = oneshot::channel();
        let order = Order { ask: arrival, answer: None, reply };
        self.queue.try_send(Request::Accept(order)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded,
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The writer announces it, not who asked: that one may have hung up while its request was being written.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Returns once nothing is written any more: it was closed, or a fault of ours has ended it.
    pub(super) async fn ended(&self) {
        self.queue.closed().await;
    }

    pub(super) async fn add_empty_delivery(&self, vanished: Vanished, now: Millis) -> Result<(), StoreError> {
        self.ask(Request::AddEmptyDelivery, (vanished, now)).await
    }

    pub(super) async fn add_revision(&self, key: DeliveryKey, now: Millis) -> Result<(), StoreError> {
        self.ask(Request::AddRevision, (key, now)).await
    }

    pub(super) async fn forget_senders(
        &self,
        heard_before: Millis,
        now: Millis,
    ) -> Result<Vec<Forgotten>, StoreError> {
        self.ask(Request::ForgetSenders, (heard_before, now)).await
    }

    pub(super) async fn claim(
        &self,
        key: DeliveryKey,
        now: Millis,
        until: Millis,
        bytes: u64,
    ) -> Result<bool, StoreError> {
        self.ask(Request::Claim, (key, now, until, bytes)).await
    }

    pub(super) async fn begin_attempt(
        &self,
        start: AttemptStart,
        now: Millis,
        until: Millis,
    ) -> Result<Option<i64>, StoreError> {
        self.ask(Request::BeginAttempt, (start, now, until)).await
    }

    pub(super) async fn end_attempt(
        &self,
        end: AttemptEnd,
        now: Millis,
        booted: BootTime,
    ) -> Result<(), StoreError> {
        self.ask(Request::EndAttempt, (end, now, booted)).await
    }

    pub(super) async fn begin_test_attempt(&self, robot: String, now: Millis) -> Result<i64, StoreError> {
        self.ask(Request::BeginTestAttempt, (robot, now)).await
    }

    pub(super) async fn end_test_attempt(
        &self,
        number: i64,
        pause_until: Option<Millis>,
        now: Millis,
        booted: BootTime,
    ) -> Result<(), StoreError> {
        self.ask(Request::EndTestAttempt, (number, pause_until, now, booted)).await
    }

    pub(super) async fn settle(&self, settlement: Settlement, now: Millis) -> Result<u64, StoreError> {
        self.ask(Request::Settle, (settlement, now)).await
    }

    pub(super) async fn release(&self, key: DeliveryKey, next_at: Millis) -> Result<(), StoreError> {
        self.ask(Request::Release, (key, next_at)).await
    }

    pub(super) async fn give_up(
        &self,
        target: String,
        accepted_before: Millis,
        reason: String,
        now: Millis,
    ) -> Result<Vec<Abandoned>, StoreError> {
        self.ask(Request::GiveUp, (target, accepted_before, reason, now)).await
    }

    pub(super) async fn hasten(&self, target: String, now: Millis) -> Result<u64, StoreError> {
        self.ask(Request::Hasten, (target, now)).await
    }

    pub(super) async fn rename(&self, from: String, to: String, now: Millis) -> Result<u64, StoreError> {
        self.ask(Request::Rename, (from, to, now)).await
    }

    pub(super) async fn prune(&self, ended_before: Millis, now: Millis) -> Result<Pruned, StoreError> {
        self.ask(Request::Prune, (ended_before, now)).await
    }

    pub(super) async fn treat(&self, letters: Letters, now: Millis) -> Result<LetterBatch, StoreError> {
        self.ask(Request::TreatLetters, (letters, now)).await
    }

    pub(super) async fn note(&self, deed: Deed, now: Millis) -> Result<(), StoreError> {
        self.ask(Request::Note, (deed, now)).await
    }

    pub(super) async fn take_over(&self, now: Millis, has_died: bool) -> Result<TakenOver, StoreError> {
        self.ask(Request::TakeOver, (now, has_died)).await
    }

    pub(super) async fn beat(&self, name: String) -> Result<(), StoreError> {
        self.ask(Request::Beat, name).await
    }

    pub(super) async fn ping(&self, now: Millis) -> Result<(), StoreError> {
        self.ask(Request::Ping, now).await
    }

    /// Runs a statement on the writer's own connection, to bring about a fault.
    #[cfg(test)]
    pub(super) async fn statement(&self, sql: &'static str) -> Result<(), StoreError> {
        self.ask(Request::Statement, sql).await
    }

    pub(super) async fn close(&self) {
        // Already closed is closed.
        let _closed = self.ask(Request::Close, ()).await;
    }

    pub(super) fn take_batch_sizes(&self) -> Vec<usize> {
        mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask<A, T>(&self, request: fn(Order<A, T>) -> Request, ask: A) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let order = Order { ask, answer: None, reply };
        self.queue.send(request(order)).await.map_err(|_closed| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

struct Loop {
    database: Database,
    batches: Arc<Mutex<Vec<usize>>>,
    arrived: Arc<Notify>,
    filled: Arc<AtomicU64>,
}

impl Loop {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut closers = Vec::new();
        // Once closed, the queue still hands out what it holds, then 0.
        while requests.recv_many(&mut batch, BATCH).await > 0 {
            for request in mem::take(&mut batch) {
                if let Request::Close(order) = request {
                    requests.close();
                    closers.push(order);
                } else {
                    batch.push(request);
                }
            }
            if let Some(error) = self.refusal().await {
                // What is in the file is still delivered.
                refuse(&mut batch, Request::is_promise, &error);
            }
            if !batch.is_empty() {
                self.note(batch.len());
                self.write(mem::take(&mut batch)).await;
            }
        }
        // The last connection to leave moves the write-ahead log into the file.
        if let Err(error) = self.database.close().await {
            tracing::warn!(%error, "the store did not close cleanly: {error}; its log is applied at the next start");
        }
        for closer in closers {
            closer.finish(Ok(()));
        }
    }

    /// Why nothing new is taken now.
    async fn refusal(&mut self) -> Option<StoreError> {
        match self.filled.load(Ordering::Relaxed) {
            0 => self.database.refusal().await,
            max_bytes => Some(StoreError::MaxBytes { max_bytes }),
        }
    }

    async fn write(&mut self, mut batch: Vec<Request>) {
        let mut outcome = self.transact(&mut batch).await;
        if let Err(deposed @ StoreError::Deposed) = &outcome {
            refuse(&mut batch, Request::is_the_deliverers, deposed);
            if batch.is_empty() {
                return;
            }
            outcome = self.transact(&mut batch).await;
        }
        if let Err(full @ StoreError::Full { .. }) = &outcome {
            // The reserve is for delivering.
            refuse(&mut batch, Request::is_promise, full);
            if batch.is_empty() {
                return;
            }
            outcome = self.transact(&mut batch).await;
        }
        while let Err(full @ StoreError::Full { .. }) = &outcome
            && self.database.release_reserve(full)
        {
            outcome = self.transact(&mut batch).await;
        }
        match outcome {
            Err(error) if batch.len() > 1 && !error.is_about_the_store() => {
                // One of them is at fault: the others must not suffer, so each gets a transaction of its own.
                let requests = batch.len();
                tracing::warn!(%error, requests, "a transaction of {requests} requests failed: {error}; they are tried one by one");
                for request in batch {
                    let mut alone = vec![request];
                    let outcome = self.transact(&mut alone).await;
                    for request in alone {
                        request.finish(&outcome);
                    }
                }
            }
            outcome => batch.into_iter().for_each(|request| request.finish(&outcome)),
        }
    }

    /// One transaction: all of the batch, or nothing.
    async fn transact(&mut self, batch: &mut [Request]) -> Result<(), StoreError> {
        let mut tries = MOST_TRIES;
        loop {
            tries -= 1;
            match self.try_transaction(batch).await {
                Ok(()) => {
                    self.database.note_commit();
                    if batch.iter().any(Request::may_add_deliveries) {
                        self.arrived.notify_one();
                    }
                    return Ok(());
                }
                Err(Refused::Failed(error)) if Link::is_worth_another_try(&error) && tries > 0 => {}
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    async fn try_transaction(&mut self, batch: &mut [Request]) -> Result<(), Refused> {
        let result = match self.database.patience() {
            None => self.apply(batch).await,
            Some(patience) => match tokio::time::timeout(patience, self.apply(batch)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(Refused::Failed(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
            },
        };
        if result.is_err() {
            self.database.undo().await;
        }
        result
    }

    async fn apply(&mut self, batch: &mut [Request]) -> Result<(), Refused> {
        let work = Work {
            is_accepting: batch.iter().any(Request::may_add_deliveries),
            is_delivering: batch.iter().any(Request::is_the_deliverers),
        };
        let (mut session, owner) = self.database.begin(work).await?;
        let owner = owner.as_deref().unwrap_or_default();
        let mut gathered = Gathered::default();
        let mut arriving = Vec::new();
        for request in batch {
            match request {
                Request::Accept(order) => arriving.push(order),
                other => other.apply(&mut session, owner, &mut gathered).await?,
            }
        }
        let arrivals: Vec<&Arrival> = arriving.iter().map(|order| &order.ask).collect();
        let acceptances = accept(&mut session, &arrivals, &mut gathered).await?;
        for (order, acceptance) in arriving.into_iter().zip(acceptances) {
            order.answer = Some(acceptance);
        }
        gathered.write(&mut session).await?;
        session.query("COMMIT").execute().await?;
        Ok(())
    }

    fn note(&self, size: usize) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads them may be away; a bound, so that this does not grow.
        if batches.len() < KEPT_BATCH_SIZES {
            batches.push(size);
        }
    }
}

/// Answers some of them with this error.
fn refuse(batch: &mut Vec<Request>, which: fn(&Request) -> bool, error: &StoreError) {
    for request in batch.extract_if(.., |request| which(request)) {
        request.finish(&Err(error.clone()));
    }
}

/// A transaction that stood in another's way is tried this often.
const MOST_TRIES: u32 = 4;

const KEPT_BATCH_SIZES: usize = 65_536;

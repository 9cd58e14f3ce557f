//! The store: what was accepted, what has to be told, and what became of it.
//!
//! Owns every SQL statement of the relay (in its children), the one writer and its group commit. Leaves out all decisions:
//! what to send is the `schedule`'s, what to say the `ledger`'s.
//!
//! Reads go to a few connections of their own; every change goes through one writer task, which puts all requests that
//! wait at that moment (at most [`BATCH`](writer::BATCH)) into one transaction and answers them after its COMMIT. One
//! process owns the file, held by a lock beside it, so the leases found in it at the start belong to a dead process and
//! are taken over at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::Fit;
use crate::clock::{Clock, Millis};
use crate::notification::{Alert, Fingerprint, Notification};
use crate::outbox::readers::Readers;
use crate::outbox::writer::Writer;
use crate::routes::{Mentions, Planned};
use crate::settings::StoreSettings;

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
    tag: String,
    /// Who we are in `lease_owner`.
    owner: String,
    /// Held, not read: the lock ends with the process, however that ends.
    _lock: File,
}

/// One webhook, parsed and routed, ready to be made durable.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// The receiver in the URL.
    pub(crate) endpoint: String,
    /// What the body says.
    pub(crate) notification: Notification,
    /// The body as it came; the message is made from it.
    pub(crate) payload: Bytes,
    /// Who is to be told of what; a target at most once.
    pub(crate) deliveries: Vec<Planned>,
}

/// What became of an [`Accepted`]: either way it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// New: its deliveries are pending.
    Stored {
        /// The notification's number.
        notification: i64,
        /// How many deliveries are now pending.
        deliveries: usize,
    },
    /// The same snapshot was accepted within [`DEDUP_WINDOW`]: a cluster's second peer, or our 200 got lost. Its
    /// deliveries ended at once as suppressed.
    Duplicate {
        /// This copy's number.
        notification: i64,
        /// The number of the one it repeats.
        of: i64,
        /// How many deliveries were suppressed.
        deliveries: usize,
    },
}

/// Equal snapshots this close to each other are one. It has to cover Alertmanager's peer timeout (15 s a peer), a slow answer
/// and a restart of ours, and stay below any `repeat_interval`, whose smallest usual value is five minutes: a genuine
/// repeat must get through.
pub(crate) const DEDUP_WINDOW: Duration = Duration::from_mins(4);

/// Deliveries of one alert group to one target: told one after the other. Lanes are independent of each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lane {
    /// The target's name.
    pub(crate) target: String,
    /// The hash of endpoint, receiver and group key.
    pub(crate) group: String,
}

/// Which lanes to look at. With thousands of deliveries waiting, a look at all of them at every webhook would slow the
/// accepting down, and while only a robot's reserve is left, ordinary ones could not be sent anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All.
    Any,
    /// Those that hold a firing critical alert.
    Urgent,
}

/// A lane with something to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueLane {
    /// Which.
    pub(crate) lane: Lane,
    /// A delivery in it holds a firing critical alert.
    pub(crate) is_urgent: bool,
}

/// A claimed lane: nobody else works on it until the lease ends.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Which.
    pub(crate) lane: Lane,
    /// The pending deliveries, oldest first; never empty. The last one speaks for all.
    pub(crate) deliveries: Vec<Pending>,
    /// What the target was told of this group.
    pub(crate) told: Vec<Told>,
    /// How far the last one's message has come.
    pub(crate) progress: Option<Progress>,
}

/// One pending delivery.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Its number.
    pub(crate) id: i64,
    /// When its notification was accepted.
    pub(crate) accepted_at: Millis,
    /// The alerts for this target.
    pub(crate) alerts: Vec<Fingerprint>,
    /// Alerts for this target outside of its hours, as in [`Planned::quiet`].
    pub(crate) quiet: Vec<Fingerprint>,
    /// Whom to mention.
    pub(crate) mentions: Mentions,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Some recipients have its mail; the others were tried, and are tried again unless something newer comes.
    pub(crate) is_straggling: bool,
    /// The webhook's body.
    pub(crate) payload: Bytes,
}

/// A message that was tried before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How it was rendered then.
    pub(crate) rendering: Rendering,
    /// The parts (from 1) that are proven delivered.
    pub(crate) done: BTreeSet<u32>,
    /// Of a mail: what became of its recipients.
    pub(crate) hearings: BTreeMap<String, Hearing>,
}

/// What became of one recipient of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hearing {
    /// The server took it.
    Heard,
    /// Refused for good.
    Refused,
    /// Tried, and to be tried again.
    Deferred,
}

/// How far a mail has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hearings {
    /// By recipient; who was not tried is not in it.
    pub(crate) by_recipient: BTreeMap<String, Hearing>,
    /// As in [`Pending::is_straggling`].
    pub(crate) is_straggling: bool,
}

/// What decides how a message is cut into parts: with the same rendering, part 2 is the same part 2 again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendering {
    /// The target whose channel is used.
    pub(crate) via: String,
    /// With markup, smaller, or plain.
    pub(crate) fit: Fit,
    /// The `now` of the text.
    pub(crate) at: Millis,
    /// How many parts there are.
    pub(crate) parts: u32,
}

/// What a target last heard of one alert.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// The alert as it was told; its status says what the target believes.
    pub(crate) alert: Alert,
}

/// One try to send one part.
#[derive(Clone, Debug)]
pub(crate) struct AttemptStart {
    /// The delivery that speaks for its lane.
    pub(crate) delivery: i64,
    /// How the message is rendered.
    pub(crate) rendering: Rendering,
    /// Hash of the robot's address.
    pub(crate) robot: String,
    /// Which part, from 1.
    pub(crate) part: u32,
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptEnd {
    /// From [`Outbox::begin_attempt`].
    pub(crate) attempt: i64,
    /// The delivery it was for.
    pub(crate) delivery: i64,
    /// Proven delivered.
    pub(crate) is_delivered: bool,
    /// The outcome as a bounded word.
    pub(crate) outcome: &'static str,
    /// The reason as a bounded word.
    pub(crate) reason: Option<&'static str>,
    /// The channel's own words.
    pub(crate) detail: String,
    /// The robot asked for silence until then.
    pub(crate) pause_until: Option<Millis>,
    /// The message has to be put differently: its parts so far no longer count.
    pub(crate) next_fit: Option<Fit>,
    /// How far the mail has come with this; `None` where the parts make one message.
    pub(crate) hearings: Option<Hearings>,
}

/// How a delivery ends. There is no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    /// The channel's reply proves that it arrived.
    Delivered,
    /// A newer snapshot of the group told it.
    Superseded,
    /// There was nothing to tell that the target did not know, or the notification was a duplicate.
    Suppressed,
    /// Given up.
    Dead,
}

impl End {
    /// Every end, for metrics that start at 0.
    pub(crate) const ALL: [Self; 4] = [Self::Delivered, Self::Superseded, Self::Suppressed, Self::Dead];

    /// The state in the store, the metric label and the word in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Superseded => "superseded",
            Self::Suppressed => "suppressed",
            Self::Dead => "dead",
        }
    }
}

/// The end of a claim: of the delivery that spoke, and with it of the older ones it spoke for.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    /// The claimed lane.
    pub(crate) lane: Lane,
    /// The delivery that spoke.
    pub(crate) delivery: i64,
    /// How it ended. The older ones end as superseded by it; if it is dead, so are they, for nobody was told.
    pub(crate) end: End,
    /// Why, in a few words.
    pub(crate) reason: String,
    /// What the target now knows; written in the same transaction.
    pub(crate) told: Vec<Told>,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    /// Its number.
    pub(crate) id: i64,
    /// The group it spoke of.
    pub(crate) group: String,
    /// When its notification was accepted.
    pub(crate) accepted_at: Millis,
    /// Attempts made.
    pub(crate) attempts: u32,
}

/// How the deliveries of one target stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetCount {
    /// Accepted since the file was made.
    pub(crate) accepted: u64,
    /// Ended since the file was made, by end.
    pub(crate) ended: BTreeMap<End, u64>,
    /// Rows that are pending now.
    pub(crate) pending: u64,
    /// When the oldest pending one was accepted.
    pub(crate) oldest: Option<Millis>,
}

/// An attempt that still counts against a robot's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastAttempt {
    /// Hash of the robot's address.
    pub(crate) robot: String,
    /// When it was over.
    pub(crate) ended_at: Millis,
    /// The robot asked for silence until then.
    pub(crate) pause_until: Option<Millis>,
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
                tag: opened.tag,
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
    pub(crate) async fn left_out(&self, accepted_after: Millis) -> Result<Vec<Lane>, StoreError> {
        self.shared.readers.left_out(accepted_after).await
    }

    /// Gives such a lane an empty share of the newest snapshot, so that its target hears what has vanished.
    pub(crate) async fn include(&self, lane: Lane) -> Result<(), StoreError> {
        self.shared.writer.include(lane, self.shared.clock.now()).await
    }

    /// A delivery's public name: its number, made unique across stores, so that a new file never repeats a mail's Message-ID.
    pub(crate) fn public_id(&self, delivery: i64) -> String {
        format!("{}-{delivery}", self.shared.tag)
    }

    /// The lanes of a target that may be sent now: begun messages first, then urgent ones, then the oldest.
    pub(crate) async fn due(
        &self,
        target: &str,
        which: Which,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<DueLane>, StoreError> {
        self.shared.readers.due(target, which, now, limit).await
    }

    /// When the next lane of a target becomes due that is not due yet: its wait or its lease is over.
    pub(crate) async fn next_due(
        &self,
        target: &str,
        which: Which,
        now: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        self.shared.readers.next_due(target, which, now).await
    }

    /// Takes a lane for this long, with all that waits in it; `None` if nothing does any more. While a message is partly sent,
    /// only what it speaks for is claimed: what came later waits for its turn, so that the parts stay those of one text, and each
    /// recipient of a mail is tried once.
    pub(crate) async fn claim(&self, lane: &Lane, lease: Duration) -> Result<Option<Claim>, StoreError> {
        let now = self.shared.clock.now();
        if !self.shared.writer.claim(lane.clone(), now, now.plus(lease)).await? {
            return Ok(None);
        }
        self.shared.readers.claimed(lane, &self.shared.owner).await
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
    pub(crate) async fn release(&self, lane: &Lane, next_at: Millis) -> Result<(), StoreError> {
        self.shared.writer.release(lane.clone(), next_at).await
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
pub(crate) mod tests;

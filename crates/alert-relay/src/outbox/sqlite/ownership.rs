//! The lock that lets one process write the file, and ending the leases of a process that died.
//!
//! `SQLite`'s own locks would let two relays share a file, and each would take the other's leases for those of a dead one. With
//! one owner, the leases found at the start belong to a dead process and end at once.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::clock::Millis;
use crate::delivery::{End, SetAside};
use crate::outbox::columns;
use crate::outbox::error::StoreError;
use crate::outbox::sqlite::failure::store_error;
use crate::outbox::sqlite::gathered::Gathered;

/// Held by the one process that may write a file.
#[derive(Debug)]
pub(super) struct Ownership {
    /// Never read: the system ends the lock with the process, however that ends.
    _lock: File,
}

impl Ownership {
    /// Becomes the owner of the store at `path`, unless another process is.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let cannot_open = |error: std::io::Error| StoreError::CannotOpen {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        // Not through a link, which might lead to another file of ours; and nothing is ever in it that could be truncated.
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(lock_path(path))
            .map_err(cannot_open)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(cannot_open(error)),
        }
    }
}

/// Whether another process owns the store at `path`. Makes no file.
pub(in crate::outbox) fn is_held(path: &Path) -> bool {
    File::open(lock_path(path)).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// What a new owner finds.
#[derive(Debug)]
pub(super) struct TakenOver {
    /// The file's tag.
    pub(super) tag: String,
    /// What is not tried again.
    pub(super) set_aside: Vec<SetAside>,
    /// When a former process was last at work, by the clock of then.
    pub(super) last_at_work: Option<Millis>,
}

/// Processes that may end while they prepare the same delivery. Once is a coincidence.
const MOST_DEATHS: i64 = 2;

/// Ends what a dead process left half done.
pub(super) async fn take_over(
    connection: &mut SqliteConnection,
    now: Millis,
) -> Result<TakenOver, StoreError> {
    let mut transaction = connection.begin().await.map_err(|error| store_error(&error))?;
    let taken = end_half_done(&mut transaction, now).await.map_err(|error| store_error(&error))?;
    transaction.commit().await.map_err(|error| store_error(&error))?;
    Ok(taken)
}

async fn end_half_done(connection: &mut SqliteConnection, now: Millis) -> Result<TakenOver, sqlx::Error> {
    let tag = format!("{:06x}", RandomState::new().hash_one(now) & 0x00ff_ffff);
    sqlx::query("INSERT INTO store (name, value) VALUES ('tag', $1) ON CONFLICT (name) DO NOTHING")
        .bind(tag)
        .execute(&mut *connection)
        .await?;
    let last_at_work = last_at_work(connection).await?;
    // Whatever waited for a time may be tried again: by now that time may be meaningless, if the clock was set meanwhile.
    sqlx::query(
        "UPDATE deliveries SET deaths = CASE WHEN lease_owner IS NOT NULL THEN deaths + is_preparing ELSE deaths END, is_preparing = 0, \
         lease_owner = NULL, lease_until = NULL, next_at = 0 WHERE state = 'pending'",
    )
    .execute(&mut *connection)
    .await?;
    let set_aside = set_aside(connection, now).await?;
    // A message under way when we died may have arrived just now: it counts against the robot's budget from now.
    sqlx::query(
        "UPDATE attempts SET ended_at = $1, outcome = 'unknown', detail = 'the relay stopped while this was under way' \
         WHERE ended_at IS NULL",
    )
    .bind(now.0)
    .execute(&mut *connection)
    .await?;
    let tag =
        sqlx::query("SELECT value FROM store WHERE name = 'tag'").fetch_one(connection).await?.try_get(0)?;
    Ok(TakenOver { tag, set_aside, last_at_work })
}

/// What the newest rows say of it. While something waits, it is tried every few minutes.
async fn last_at_work(connection: &mut SqliteConnection) -> Result<Option<Millis>, sqlx::Error> {
    let at: Option<i64> = sqlx::query_scalar(
        "SELECT MAX(at) FROM ( \
           SELECT (SELECT accepted_at FROM notifications ORDER BY id DESC LIMIT 1) AS at \
           UNION ALL SELECT (SELECT started_at FROM attempts ORDER BY id DESC LIMIT 1) \
           UNION ALL SELECT CAST(value AS INTEGER) FROM store WHERE name = 'checked_at')",
    )
    .fetch_one(connection)
    .await?;
    Ok(at.map(Millis))
}

/// A delivery whose message cannot be made, because the process ends each time it is tried, would end every process to come.
async fn set_aside(connection: &mut SqliteConnection, now: Millis) -> Result<Vec<SetAside>, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE deliveries SET state = 'dead', ended_at = $1, end_reason = $2 WHERE state = 'pending' AND deaths >= $3 \
         RETURNING id, target, group_id",
    )
    .bind(now.0)
    .bind(SetAside::REASON)
    .bind(MOST_DEATHS)
    .fetch_all(&mut *connection)
    .await?;
    let set_aside = |row: &SqliteRow| {
        Ok(SetAside {
            id: row.try_get("id")?,
            target: row.try_get("target")?,
            group: row.try_get("group_id")?,
        })
    };
    let list: Vec<SetAside> = rows.iter().map(set_aside).collect::<Result<_, sqlx::Error>>()?;
    let mut counted = Gathered::default();
    for delivery in &list {
        counted.count(&delivery.target, End::Dead.as_str(), 1);
        counted.count(&delivery.target, columns::SET_ASIDE, 1);
    }
    counted.write(connection).await?;
    Ok(list)
}

//! The lock that lets one process write the file, and ending the leases of a process that died.
//!
//! `SQLite`'s own locks would let two relays share a file, and each would take the other's leases for those of a dead one. With
//! one owner, the leases found at the start belong to a dead process and end at once.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use sqlx::{Row, SqliteConnection};

use crate::clock::Millis;
use crate::outbox::error::StoreError;
use crate::outbox::sqlite::failure::store_error;

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
        let lock = File::create(lock_path(path)).map_err(cannot_open)?;
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

/// Ends what a dead process left half done, and returns the file's tag.
pub(super) async fn take_over(connection: &mut SqliteConnection, now: Millis) -> Result<String, StoreError> {
    end_half_done(connection, now).await.map_err(|error| store_error(&error))
}

async fn end_half_done(connection: &mut SqliteConnection, now: Millis) -> Result<String, sqlx::Error> {
    let tag = format!("{:06x}", RandomState::new().hash_one(now) & 0x00ff_ffff);
    sqlx::query("INSERT INTO store (name, value) VALUES ('tag', $1) ON CONFLICT (name) DO NOTHING")
        .bind(tag)
        .execute(&mut *connection)
        .await?;
    // Whatever waited for a time may be tried again: by now that time may be meaningless, if the clock was set meanwhile.
    sqlx::query(
        "UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = 0 WHERE state = 'pending'",
    )
    .execute(&mut *connection)
    .await?;
    // A message under way when we died may have arrived just now: it counts against the robot's budget from now.
    sqlx::query(
        "UPDATE attempts SET ended_at = $1, outcome = 'unknown', detail = 'the relay stopped while this was under way' \
         WHERE ended_at IS NULL",
    )
    .bind(now.0)
    .execute(&mut *connection)
    .await?;
    sqlx::query("SELECT value FROM store WHERE name = 'tag'").fetch_one(connection).await?.try_get(0)
}

//! Opening the file: everything that is `SQLite`'s own, but for `BEGIN IMMEDIATE` in the writer and the statements of the schema.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection};

use crate::clock::Millis;
use crate::outbox::error::StoreError;
use crate::outbox::readers::Readers;
use crate::outbox::schema;

/// An opened file.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    pub(super) readers: Readers,
    pub(super) tag: String,
}

/// How long a statement waits for a lock of another program (an operator's `sqlite3`). Below Alertmanager's patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for reading: the deliverer's claims, the counts, a person at the console.
const READERS: u32 = 3;

pub(super) async fn open(path: &Path, now: Millis) -> Result<Opened, StoreError> {
    let failed = |error: sqlx::Error| match StoreError::from_driver(&error) {
        StoreError::CannotOpen { detail, .. } => StoreError::CannotOpen { path: path.to_owned(), detail },
        other => other,
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL makes a COMMIT wait for the disk.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("journal_size_limit", "67108864")
        // What a statement puts aside is small, and a file for it costs more than the statement.
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(64)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    schema::migrate(&mut connection).await?;
    let tag = take_over(&mut connection, now).await.map_err(failed)?;
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options.create_if_missing(false))
        .await
        .map_err(failed)?;
    Ok(Opened { connection, readers: Readers { pool }, tag })
}

/// Ends what a dead process left half done, and returns the file's tag.
async fn take_over(connection: &mut SqliteConnection, now: Millis) -> Result<String, sqlx::Error> {
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

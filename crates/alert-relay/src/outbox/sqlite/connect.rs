//! Connections to the file: how `SQLite` is told to keep it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use crate::outbox::error::StoreError;
use crate::outbox::sqlite::failure::open_error;

/// How long a statement waits for a lock of another program (an operator's `sqlite3`). Below Alertmanager's patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for reading: the deliverer's claims, the counts, a person at the console.
const READERS: u32 = 3;

/// The connection of the one writer. Makes the file if it is not there.
pub(super) async fn writing(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).create_if_missing(true).connect().await.map_err(|error| open_error(path, &error))
}

/// The owner's connections that only read.
pub(super) async fn reading(path: &Path) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options(path))
        .await
        .map_err(|error| open_error(path, &error))
}

/// A connection that cannot write, to a file that another process may own.
pub(super) async fn read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|error| open_error(path, &error))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL makes a COMMIT wait for the disk.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("journal_size_limit", "67108864")
        // What a statement puts aside is small, and a file for it costs more than the statement.
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(64)
        .disable_statement_logging()
}

//! Connections to the file, and the settings under which `SQLite` keeps it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use crate::outbox::error::StoreError;
use crate::outbox::failure::open_error;
use crate::outbox::sqlite::ownership;

/// How long a statement waits for a lock of another program (an operator's `sqlite3`). Below Alertmanager's patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that stay prepared for the writer: those of a transaction of webhooks in each number of rows, and all others.
const WRITERS_STATEMENTS: usize = 128;

/// Connections for reading: the deliverer's claims, the counts.
const READERS: u32 = 3;

/// Questions of an operator that are answered at the same time.
const OPERATING: u32 = 2;

/// Memory for pages of a connection that reads, as SQLite wants it: KiB, below zero. Most pages are read once; the upper ones of each index
/// have room in it.
const READERS_PAGES: &str = "-512";

/// A connection that nobody needs for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The connection of the one writer. Makes the file if it is not there.
pub(super) async fn writing(path: &Path) -> Result<SqliteConnection, StoreError> {
    // In force for files that are made by it; an older one stays as large as it was, unless somebody runs VACUUM.
    let options = options(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .statement_cache_capacity(WRITERS_STATEMENTS);
    options.connect().await.map_err(|error| open_error(path, &error))
}

/// The connection that moves the log into the file: it reads no page twice.
pub(super) async fn checkpointing(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path).pragma("cache_size", "-64");
    options.connect().await.map_err(|error| open_error(path, &error))
}

/// The owner's connections that only read.
pub(super) async fn reading(path: &Path) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options(path).pragma("cache_size", READERS_PAGES))
        .await
        .map_err(|error| open_error(path, &error))
}

/// The owner's connections for an operator's questions, made when they are needed. They only read, and wait for nobody else's.
pub(super) fn operating(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(OPERATING)
        .min_connections(0)
        .idle_timeout(IDLE_TIMEOUT)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(options(path).pragma("cache_size", READERS_PAGES).read_only(true))
}

/// A connection that cannot write, to a file that another process may own.
///
/// A file at rest (nobody owns it, and its log is empty) is taken as it is. `SQLite` would make files beside it otherwise, and
/// leave them there: files of the reader's user, which the relay's user perhaps cannot write.
pub(super) async fn read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    let is_at_rest = !ownership::is_held(path) && is_log_empty(path);
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(is_at_rest)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|error| open_error(path, &error))
}

/// Whether everything that was committed is in the file itself.
fn is_log_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |log| log.len() == 0)
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

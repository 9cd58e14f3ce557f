//! Moves the write-ahead log into the file, beside the writer.
//!
//! `SQLite` would do it itself within every COMMIT that finds a thousand pages in the log: with some hundred kilobytes a commit one in a few
//! waits for it. Here a connection of its own moves as many while the writer goes on, and the writer moves the few that came meanwhile: only
//! a log that is moved to its end is written from its beginning again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::outbox::error::StoreError;
use crate::outbox::failure::store_error;
use crate::outbox::sqlite::connect;

/// Pages in the log from which on they are moved: 4 MiB. The file may have to grow by as much, on a full disk out of the reserve, which has
/// to last for what deliveries write too.
const MANY: i64 = 1_024;

/// Pages that the writer moves itself, in some milliseconds.
const FEW: i64 = 256;

/// So often the log is moved before the writer moves what is left, however much: it may write faster than its pages are moved.
const MOST_PASSES: u32 = 4;

/// While webhooks come, the log is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What moves the log of one open file.
#[derive(Debug)]
pub(super) struct Checkpoints {
    written: mpsc::Sender<()>,
    /// The writer is to move the rest.
    is_nearly_moved: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The log as `PRAGMA wal_checkpoint` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    /// Takes it over from the writer's connection.
    pub(super) async fn start(path: &Path, writer: &mut SqliteConnection) -> Result<Self, StoreError> {
        let connection = connect::checkpointing(path).await?;
        let own = sqlx::raw_sql("PRAGMA wal_autocheckpoint = 0").execute(writer).await;
        own.map_err(|error| store_error(&error))?;
        let (written, commits) = mpsc::channel(1);
        let is_nearly_moved = Arc::<AtomicBool>::default();
        let task = tokio::spawn(run(connection, commits, Arc::clone(&is_nearly_moved)));
        Ok(Self { written, is_nearly_moved, task })
    }

    /// Something was committed.
    pub(super) fn note_commit(&self) {
        // Full: it is going to look anyway.
        let _looks = self.written.try_send(());
    }

    /// Between two transactions: moves what is left, if that is little.
    pub(super) async fn finish(&self, writer: &mut SqliteConnection) {
        if self.is_nearly_moved.swap(false, Ordering::Relaxed) {
            Self::move_all(writer).await;
        }
    }

    /// After a transaction that has failed: where the disk is full, a log that is moved takes more without growing.
    pub(super) async fn move_all(writer: &mut SqliteConnection) {
        if let Err(error) = checkpoint(writer, "PRAGMA wal_checkpoint(PASSIVE)").await {
            tracing::debug!(%error, "the log of the store was not moved to its end: {error}");
        }
    }

    /// Returns once its connection is closed.
    pub(super) async fn stop(self) {
        drop(self.written);
        // A panic in it costs a longer log, and was told.
        let _ended = self.task.await;
    }
}

/// Until the writer is gone.
async fn run(
    mut connection: SqliteConnection,
    mut commits: mpsc::Receiver<()>,
    is_nearly_moved: Arc<AtomicBool>,
) {
    while commits.recv().await.is_some() {
        match shorten(&mut connection).await {
            Ok(true) => is_nearly_moved.store(true, Ordering::Relaxed),
            Ok(false) => {}
            // A full or failing disk: whoever writes finds out too, and says so.
            Err(error) => tracing::debug!(%error, "the log of the store was not moved: {error}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _closed = connection.close().await;
}

/// Moves a long log. Whether the writer is to move the rest.
async fn shorten(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let mut log = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)").await?;
    if log.pages < MANY {
        return Ok(false);
    }
    for _ in 0..MOST_PASSES {
        if log.pages - log.moved <= FEW {
            break;
        }
        log = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    }
    Ok(true)
}

async fn checkpoint(connection: &mut SqliteConnection, pragma: &'static str) -> Result<Log, sqlx::Error> {
    let row = sqlx::query(pragma).fetch_one(connection).await?;
    Ok(Log { pages: row.try_get("log")?, moved: row.try_get("checkpointed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

    /// Writes this many pages, and has no other part in moving them.
    async fn write(writer: &mut SqliteConnection, pages: i64) {
        sqlx::query("INSERT INTO blobs VALUES (zeroblob($1 * 4096))")
            .bind(pages)
            .execute(writer)
            .await
            .unwrap();
    }

    async fn writer(path: &Path) -> SqliteConnection {
        let mut writer = connect::writing(path).await.unwrap();
        sqlx::raw_sql("PRAGMA wal_autocheckpoint = 0; CREATE TABLE blobs (bytes BLOB)")
            .execute(&mut writer)
            .await
            .unwrap();
        writer
    }

    #[tokio::test]
    async fn only_a_long_log_is_moved() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("relay.db");
        let mut writer = writer(&path).await;
        let mut beside = connect::checkpointing(&path).await.unwrap();
        write(&mut writer, MANY / 2).await;
        assert!(!shorten(&mut beside).await.unwrap());
        let log = checkpoint(&mut writer, "PRAGMA wal_checkpoint(NOOP)").await.unwrap();
        assert!(log.pages > MANY / 2 && log.moved == 0, "{log:?}");

        write(&mut writer, MANY / 2).await;
        assert!(shorten(&mut beside).await.unwrap());
        let log = checkpoint(&mut writer, PASSIVE).await.unwrap();
        assert!(log.pages >= MANY && log.moved == log.pages, "{log:?}");
        // The next one begins at its beginning.
        write(&mut writer, 1).await;
        let log = checkpoint(&mut writer, PASSIVE).await.unwrap();
        assert!(log.pages < FEW, "{log:?}");
    }

    #[tokio::test]
    async fn the_log_stays_short_however_much_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("relay.db");
        let mut writer = writer(&path).await;
        let checkpoints = Checkpoints::start(&path, &mut writer).await.unwrap();
        let begun = std::time::Instant::now();
        let mut longest = 0;
        let mut restarts = 0;
        // Until it has begun anew three times, as fast as the disk takes it.
        while restarts < 3 {
            checkpoints.finish(&mut writer).await;
            write(&mut writer, MANY / 4).await;
            checkpoints.note_commit();
            let log = checkpoint(&mut writer, "PRAGMA wal_checkpoint(NOOP)").await.unwrap();
            restarts += u32::from(log.pages < longest);
            longest = if log.pages < longest { 0 } else { log.pages };
            assert!(begun.elapsed() < Duration::from_mins(1), "the log does not begin anew: {log:?}");
        }
        checkpoints.stop().await;
    }
}

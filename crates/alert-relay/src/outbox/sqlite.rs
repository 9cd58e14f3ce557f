//! The store in one `SQLite` file, of which one process is the owner.
//!
//! Owns the file: opening it, its tables, the lock that keeps a second process out, its size and the space kept for it. The statements
//! are in `statements`.

use std::path::Path;

use sqlx::{SqliteConnection, SqlitePool};

use crate::clock::Millis;
use crate::outbox::error::StoreError;
use crate::outbox::failure::store_error;
use crate::outbox::session::Session;
use crate::outbox::sqlite::checkpoints::Checkpoints;
use crate::outbox::sqlite::open_files::OpenFiles;
use crate::outbox::sqlite::ownership::Ownership;
use crate::outbox::sqlite::reserve::Reserve;
use crate::outbox::statements::take_over::{self, TakenOver};

pub(super) mod backup;
mod checkpoints;
pub(super) mod connect;
pub(super) mod free_pages;
mod open_files;
pub(super) mod ownership;
pub(super) mod read_only;
mod reserve;
pub(super) mod schema;

/// The open file, for its owner.
#[derive(Debug)]
pub(super) struct Opened {
    /// Of the one writer.
    pub(super) file: OpenFile,
    /// Of those who only read.
    pub(super) readers: SqlitePool,
    /// For an operator's questions.
    pub(super) operating: SqlitePool,
    /// Makes the file's deliveries unlike those of any other file.
    pub(super) tag: String,
    /// What a former process left.
    pub(super) taken_over: TakenOver,
}

/// The file as its one writer has it.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) connection: SqliteConnection,
    files: OpenFiles,
    reserve: Reserve,
    checkpoints: Checkpoints,
    /// Held, not read: it ends with the process, however that ends.
    _ownership: Ownership,
}

/// Opens the file as its owner, making it if it is not there (its directory has to be), brings its schema up to date and takes
/// over what a dead process left.
pub(super) async fn open(path: &Path, now: Millis) -> Result<Opened, StoreError> {
    let ownership = Ownership::take(path)?;
    let mut reserve = Reserve::of(path);
    let (mut connection, tag, taken_over, readers) = loop {
        match begin(path, now).await {
            // Of a full disk `SQLite` says here also that it could not write.
            Err(error @ (StoreError::Full { .. } | StoreError::Failed { .. })) if reserve.release(&error) => {
            }
            begun => break begun?,
        }
    };
    if !reserve.refill() && !reserve.is_used() {
        let path = path.display();
        tracing::warn!(
            "the disk of {path} has no space for its reserve: once the disk is full, nothing is delivered"
        );
    }
    // It is there now, as is its log: something was written.
    let files = OpenFiles::of(path);
    let checkpoints = Checkpoints::start(path, &mut connection).await?;
    Ok(Opened {
        file: OpenFile { connection, files, reserve, checkpoints, _ownership: ownership },
        readers,
        operating: connect::operating(path),
        tag,
        taken_over,
    })
}

async fn begin(
    path: &Path,
    now: Millis,
) -> Result<(SqliteConnection, String, TakenOver, SqlitePool), StoreError> {
    let mut connection = connect::writing(path).await?;
    schema::migrate(&mut connection).await?;
    let (tag, taken_over) = take_over(&mut connection, now).await.map_err(|error| store_error(&error))?;
    Ok((connection, tag, taken_over, connect::reading(path).await?))
}

/// `SQLite`'s own locks would let two relays share a file. With one owner, whatever is half done belongs to a dead process.
async fn take_over(
    connection: &mut SqliteConnection,
    now: Millis,
) -> Result<(String, TakenOver), sqlx::Error> {
    let mut session = Session::Sqlite(connection);
    let mut moment = session.moment().await?;
    let tag = take_over::tag(&mut moment.session(), now).await?;
    let taken_over = take_over::take_over(&mut moment.session(), now, true).await?;
    moment.commit().await?;
    Ok((tag, taken_over))
}

impl OpenFile {
    /// Between two transactions.
    pub(super) async fn shorten_log(&mut self) {
        self.checkpoints.finish(&mut self.connection).await;
    }

    /// After a COMMIT.
    pub(super) fn note_commit(&self) {
        self.checkpoints.note_commit();
    }

    /// Ends a transaction that has failed.
    pub(super) async fn undo(&mut self) {
        // Fails when the error has already ended the transaction (a full disk does), which is what we want.
        let _ended = Session::Sqlite(&mut self.connection).run("ROLLBACK").await;
        Checkpoints::move_all(&mut self.connection).await;
    }

    /// Closes it, as far as it is the writer's.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.checkpoints.stop().await;
        sqlx::Connection::close(self.connection).await
    }

    /// Why nothing new is taken now.
    pub(super) async fn refusal(&mut self) -> Option<StoreError> {
        if let Some(gone) = self.files.gone() {
            return Some(StoreError::Gone { path: gone.to_owned() });
        }
        if self.reserve.refill() || !self.reserve.is_used() || self.has_free_pages().await {
            return None;
        }
        Some(StoreError::Full {
            detail: "what is left of it is kept for delivering what is stored".to_owned(),
        })
    }

    /// Gives some of the reserve to the disk that is full. `false`: there is none left.
    pub(super) fn release_reserve(&mut self, full: &StoreError) -> bool {
        self.reserve.release(full)
    }

    /// Whether the store's own file has as much space as a whole reserve, from what was pruned.
    async fn has_free_pages(&mut self) -> bool {
        let pages = sqlx::query_scalar::<_, i64>(
            "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
        );
        let bytes = pages.fetch_one(&mut self.connection).await.unwrap_or_default();
        u64::try_from(bytes).is_ok_and(|bytes| bytes >= reserve::WHOLE)
    }
}

#[cfg(test)]
mod tests;

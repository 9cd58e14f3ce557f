//! The store in one `SQLite` file, of which one process is the owner.
//!
//! Owns every SQL statement of the relay (in its children), the one writer and its group commit. Reads go to a few connections
//! of their own; every change goes through one writer task, which puts all requests that wait at that moment (at most
//! [`BATCH`](writer::BATCH)) into one transaction and answers them after its COMMIT.

use std::path::Path;
use std::sync::Arc;

use sqlx::{SqliteConnection, SqlitePool};

use crate::clock::Millis;
use crate::delivery::SetAside;
use crate::outbox::error::StoreError;
use crate::outbox::sqlite::open_files::OpenFiles;
use crate::outbox::sqlite::ownership::{Ownership, TakenOver};
use crate::outbox::sqlite::readers::Readers;
use crate::outbox::sqlite::reserve::Reserve;
use crate::outbox::sqlite::writer::Writer;

mod accept;
mod changes;
mod connect;
mod failure;
mod gathered;
mod ledger;
mod missed;
mod open_files;
pub(super) mod ownership;
pub(super) mod read_only;
mod readers;
mod renaming;
mod request;
mod reserve;
mod revisions;
mod rows;
mod schema;
mod senders;
mod stories;
mod webhooks;
mod writer;

/// The open file.
#[derive(Debug)]
pub(super) struct Sqlite {
    /// Takes every change.
    pub(super) writer: Writer,
    /// Answer every question.
    pub(super) readers: Readers,
    /// Makes the file's deliveries unlike those of any other file.
    pub(super) tag: Arc<str>,
    /// Who we are in `lease_owner`.
    pub(super) owner: String,
    /// What was found at the start that is not tried again.
    pub(super) set_aside: Vec<SetAside>,
    /// When a former process was last at work, by the clock of then.
    pub(super) last_at_work: Option<Millis>,
    /// Held, not read: it ends with the process, however that ends.
    _ownership: Ownership,
}

impl Sqlite {
    /// Opens the file as its owner, making it if it is not there (its directory has to be), brings its schema up to date and takes
    /// over what a dead process left.
    pub(super) async fn open(path: &Path, now: Millis) -> Result<Self, StoreError> {
        let ownership = Ownership::take(path)?;
        let mut reserve = Reserve::of(path);
        let (connection, TakenOver { tag, set_aside, last_at_work }, pool) = loop {
            match Self::begin(path, now).await {
                // Of a full disk `SQLite` says here also that it could not write.
                Err(error @ (StoreError::Full { .. } | StoreError::Failed { .. }))
                    if reserve.release(&error) => {}
                begun => break begun?,
            }
        };
        if !reserve.refill() && !reserve.is_used() {
            let path = path.display();
            tracing::warn!(
                "the disk of {path} has no space for its reserve: once the disk is full, nothing is delivered"
            );
        }
        let readers = Readers { pool };
        let owner = format!("pid {} since {now}", std::process::id());
        Ok(Self {
            // It is there now, as is its log: something was written.
            writer: Writer::start(connection, owner.clone(), OpenFiles::of(path), reserve),
            readers,
            tag: tag.into(),
            owner,
            set_aside,
            last_at_work,
            _ownership: ownership,
        })
    }

    async fn begin(
        path: &Path,
        now: Millis,
    ) -> Result<(SqliteConnection, TakenOver, SqlitePool), StoreError> {
        let mut connection = connect::writing(path).await?;
        schema::migrate(&mut connection).await?;
        let taken_over = ownership::take_over(&mut connection, now).await?;
        Ok((connection, taken_over, connect::reading(path).await?))
    }

    /// Writes what waits, then closes the file.
    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

#[cfg(test)]
mod tests;

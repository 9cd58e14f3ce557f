//! The database as the one writer has it, whichever it is: where transactions begin, and when nothing new is taken.

use crate::outbox::error::StoreError;
use crate::outbox::session::Session;
use crate::outbox::sqlite;

/// What the writer writes to.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(sqlite::OpenFile),
}

impl Database {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(file) => Session::Sqlite(&mut file.connection),
        }
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            // IMMEDIATE: the lock is taken here, where waiting for it is harmless, and not halfway.
            Self::Sqlite(_) => self.session().query("BEGIN IMMEDIATE").execute().await.map(drop),
        }
    }

    /// Why nothing new is taken now.
    pub(super) async fn refusal(&mut self) -> Option<StoreError> {
        match self {
            Self::Sqlite(file) => file.refusal().await,
        }
    }

    /// Gives some of the reserve to the disk that is full. `false`: there is none left.
    pub(super) fn release_reserve(&mut self, full: &StoreError) -> bool {
        match self {
            Self::Sqlite(file) => file.release_reserve(full),
        }
    }

    /// Tells the database good-bye.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            // The last connection to leave moves the write-ahead log into the file.
            Self::Sqlite(file) => sqlx::Connection::close(file.connection).await,
        }
    }
}

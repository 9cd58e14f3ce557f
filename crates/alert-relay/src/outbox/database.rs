//! The database as the one writer has it, whichever it is: where transactions begin and are undone, and when nothing new is taken.

use std::sync::Arc;
use std::time::Duration;

use crate::outbox::error::StoreError;
use crate::outbox::failure::store_error;
use crate::outbox::postgres::link::{self, Link, Refused, Work};
use crate::outbox::session::Session;
use crate::outbox::sqlite::OpenFile;

/// What the writer writes to.
#[derive(Debug)]
pub(super) enum Database {
    /// With whose leases we work: the file is ours alone.
    Sqlite(OpenFile, Arc<str>),
    Postgres(Box<Link>),
}

impl Database {
    /// Begins a transaction. With whose leases it works, where this relay delivers.
    pub(super) async fn begin(&mut self, work: Work) -> Result<(Session<'_>, Option<Arc<str>>), Refused> {
        match self {
            Self::Sqlite(file, owner) => {
                file.shorten_log().await;
                let mut session = Session::Sqlite(&mut file.connection);
                // IMMEDIATE: the lock is taken here, where waiting for it is harmless, and not halfway.
                session.query("BEGIN IMMEDIATE").execute().await?;
                Ok((session, Some(Arc::clone(owner))))
            }
            Self::Postgres(link) => {
                let (connection, owner) = link.begin(work).await?;
                Ok((Session::Postgres(connection), owner))
            }
        }
    }

    /// Notes that a transaction was committed.
    pub(super) fn note_commit(&self) {
        if let Self::Sqlite(file, _) = self {
            file.note_commit();
        }
    }

    /// Ends a transaction that has failed.
    pub(super) async fn undo(&mut self) {
        match self {
            Self::Sqlite(file, _) => file.undo().await,
            Self::Postgres(link) => link.undo().await,
        }
    }

    /// How long a transaction may take; `None`: a file's disk answers in the end.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(..) => None,
            Self::Postgres(_) => Some(link::PATIENCE),
        }
    }

    /// Why nothing new is taken now.
    pub(super) async fn refusal(&mut self) -> Option<StoreError> {
        match self {
            Self::Sqlite(file, _) => file.refusal().await,
            Self::Postgres(_) => None,
        }
    }

    /// Gives some of the reserve to the disk that is full. `false`: there is none left.
    pub(super) fn release_reserve(&mut self, full: &StoreError) -> bool {
        match self {
            Self::Sqlite(file, _) => file.release_reserve(full),
            Self::Postgres(_) => false,
        }
    }

    /// Tells the database good-bye.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            // The last connection to leave moves the write-ahead log into the file.
            Self::Sqlite(file, _) => file.close().await,
            Self::Postgres(link) => link.close().await,
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Deposed => Self::Deposed,
            Refused::Failed(error) => store_error(&error),
        }
    }
}

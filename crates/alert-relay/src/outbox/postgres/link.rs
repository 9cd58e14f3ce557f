//! The writer's connection: made again when it breaks, and where a transaction begins with what has to be held for it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::outbox::failure::{is_broken, is_deadlock};
use crate::outbox::postgres::connect;
use crate::outbox::postgres::terms::Terms;

/// A transaction that takes longer is given up: the database, or the way to it, does not answer.
pub(in crate::outbox) const PATIENCE: Duration = Duration::from_secs(10);

/// What a transaction is going to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::outbox) struct Work {
    /// Webhooks: what is the newest of a group has to stay so until it is stored.
    pub(in crate::outbox) is_accepting: bool,
    /// What only the deliverer may write.
    pub(in crate::outbox) is_delivering: bool,
}

/// Why a transaction has not begun.
#[derive(Debug)]
pub(in crate::outbox) enum Refused {
    /// Another relay delivers.
    Deposed,
    /// The driver's error.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// The one writer's connection.
#[derive(Debug)]
pub(in crate::outbox) struct Link {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    terms: Arc<Terms>,
}

impl Link {
    pub(super) fn new(options: PgConnectOptions, connection: PgConnection, terms: Arc<Terms>) -> Self {
        Self { options, connection: Some(connection), terms }
    }

    /// Begins a transaction. With whose leases it works, where this is the deliverer.
    pub(in crate::outbox) async fn begin(
        &mut self,
        work: Work,
    ) -> Result<(&mut PgConnection, Option<Arc<str>>), Refused> {
        let connection = self.open_transaction().await?;
        let connection = self.connection.insert(connection);
        if work.is_accepting {
            // Relays accept one after the other: numbers then follow the order of commits, and no copy is taken for news.
            sqlx::query("SELECT pg_advisory_xact_lock(1634497141, 'deliverer'::regclass::oid::int4)")
                .execute(&mut *connection)
                .await?;
        }
        if !work.is_delivering {
            return Ok((connection, None));
        }
        let Some(held) = self.terms.held() else { return Err(Refused::Deposed) };
        // The term's number is kept until the commit: a new term begins before or after, and not while this is written. It is the row's key,
        // so that the term can be renewed meanwhile, however long this takes.
        let is_ours = sqlx::query("SELECT term FROM deliverer WHERE term = $1 FOR KEY SHARE")
            .bind(held.number)
            .fetch_optional(&mut *connection)
            .await?;
        if is_ours.is_none() {
            return Err(Refused::Deposed);
        }
        Ok((connection, Some(held.owner)))
    }

    /// A connection that was good yesterday may be dead; nothing was asked of it yet, so that another will do.
    async fn open_transaction(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(mut connection) = self.connection.take() {
            match sqlx::query("BEGIN").execute(&mut connection).await {
                Ok(_) => return Ok(connection),
                Err(error) if is_broken(&error) => {}
                Err(error) => {
                    self.connection = Some(connection);
                    return Err(error);
                }
            }
        }
        let mut connection = connect::connect(&self.options).await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        Ok(connection)
    }

    /// Ends what has failed. A connection that does not answer to that is not used again.
    pub(in crate::outbox) async fn undo(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut connection);
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), rolled_back).await {
            self.connection = Some(connection);
        }
    }

    /// Whether the same transaction may well succeed now.
    pub(in crate::outbox) fn is_worth_another_try(error: &sqlx::Error) -> bool {
        is_deadlock(error)
    }

    /// Tells the database good-bye.
    pub(in crate::outbox) async fn close(self) -> Result<(), sqlx::Error> {
        match self.connection {
            Some(connection) => sqlx::Connection::close(connection).await,
            None => Ok(()),
        }
    }
}

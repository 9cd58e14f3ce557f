//! The file opened for reading only, also while its owner writes: in WAL mode neither waits for the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sqlx::{Row, SqliteConnection};

use crate::notification::Fingerprint;
use crate::outbox::error::ReadError;
use crate::outbox::sqlite::failure::store_error;
use crate::outbox::sqlite::{connect, schema, stories, webhooks};
use crate::story::{Received, Sightings, Story};

/// One connection that cannot write.
#[derive(Debug)]
pub(in crate::outbox) struct ReadOnly {
    connection: SqliteConnection,
    tag: Arc<str>,
}

impl ReadOnly {
    /// Opens a file that is there, is a relay's, and has this version's tables.
    pub(in crate::outbox) async fn open(path: &Path) -> Result<Self, ReadError> {
        if !path.exists() {
            return Err(ReadError::Missing { path: path.to_owned() });
        }
        let mut connection = connect::read_only(path).await?;
        let found = schema::version(&mut connection).await.map_err(|error| store_error(&error))?;
        schema::refuse_later(found)?;
        let tag = tag(&mut connection).await.map_err(|error| store_error(&error))?;
        let Some(tag) = tag else { return Err(ReadError::NotAStore { path: path.to_owned() }) };
        if found < schema::NEWEST {
            return Err(ReadError::TooOld { found, known: schema::NEWEST });
        }
        Ok(Self { connection, tag: tag.into() })
    }

    /// Of the file, in every name of a delivery.
    pub(in crate::outbox) fn tag(&self) -> &str {
        &self.tag
    }

    pub(in crate::outbox) async fn story(&mut self, number: i64) -> Result<Option<Story>, ReadError> {
        let story = stories::story(&mut self.connection, &self.tag, number).await;
        Ok(story.map_err(|error| store_error(&error))?)
    }

    pub(in crate::outbox) async fn webhook(&mut self, number: i64) -> Result<Option<Received>, ReadError> {
        let webhook = webhooks::webhook(&mut self.connection, number).await;
        Ok(webhook.map_err(|error| store_error(&error))?)
    }

    pub(in crate::outbox) async fn waiting(&mut self) -> Result<BTreeMap<String, u64>, ReadError> {
        let rows: Result<Vec<(String, i64)>, _> =
            sqlx::query_as("SELECT target, COUNT(*) FROM deliveries WHERE state = 'pending' GROUP BY target")
                .fetch_all(&mut self.connection)
                .await;
        let rows = rows.map_err(|error| store_error(&error))?;
        Ok(rows.into_iter().map(|(target, count)| (target, u64::try_from(count).unwrap_or(0))).collect())
    }

    pub(in crate::outbox) async fn set_aside(&mut self) -> Result<Sightings, ReadError> {
        let seen = stories::set_aside(&mut self.connection, &self.tag).await;
        Ok(seen.map_err(|error| store_error(&error))?)
    }

    pub(in crate::outbox) async fn sightings(&mut self, of: &Fingerprint) -> Result<Sightings, ReadError> {
        let seen = stories::sightings(&mut self.connection, &self.tag, of).await;
        Ok(seen.map_err(|error| store_error(&error))?)
    }
}

/// `None`: another program's file has no such table, or no such row.
async fn tag(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('notifications', 'deliveries', 'attempts', 'store')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if tables < 4 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT value FROM store WHERE name = 'tag'").fetch_optional(connection).await?;
    row.map(|row| row.try_get(0)).transpose()
}

//! The file opened for reading only, also while its owner writes: in WAL mode neither waits for the other.

use std::path::Path;

use sqlx::{Row as _, SqliteConnection};

use crate::outbox::error::ReadError;
use crate::outbox::failure::store_error;
use crate::outbox::sqlite::{connect, schema};

/// Opens a file that is there, is a relay's, and has this version's tables. With its tag.
pub(in crate::outbox) async fn open(path: &Path) -> Result<(SqliteConnection, String), ReadError> {
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
    Ok((connection, tag))
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

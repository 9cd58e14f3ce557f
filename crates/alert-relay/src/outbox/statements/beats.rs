//! Signs of life that any relay has heard, for the one that watches them.

use std::time::Duration;

use crate::clock::Millis;
use crate::outbox::session::{Row, Session};

/// When a heartbeat was last heard by any relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBeat {
    /// The heartbeat's name in the settings.
    pub(crate) name: String,
    /// By the database's clock.
    pub(crate) heard_at: Millis,
    /// How long ago that was, by the same clock.
    pub(crate) ago: Duration,
}

/// Milliseconds since 1970 by the clock of PostgreSQL. A file has one process, which keeps its heartbeats itself.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

pub(in crate::outbox) async fn note(session: &mut Session<'_>, name: &str) -> Result<(), sqlx::Error> {
    let note = format!(
        "INSERT INTO beats (name, heard_at) VALUES ($1, {NOW}) ON CONFLICT (name) DO UPDATE SET heard_at = excluded.heard_at"
    );
    session.query(sqlx::AssertSqlSafe(note)).bind(name).execute().await.map(drop)
}

pub(in crate::outbox) async fn read(session: &mut Session<'_>) -> Result<Vec<StoredBeat>, sqlx::Error> {
    let read = format!("SELECT name, heard_at, {NOW} - heard_at AS ago FROM beats");
    let rows = session.query(sqlx::AssertSqlSafe(read)).fetch_all().await?;
    let beat = |row: &Row| {
        let ago = u64::try_from(row.try_get::<i64>("ago")?).unwrap_or(0);
        Ok(StoredBeat {
            name: row.try_get("name")?,
            heard_at: Millis(row.try_get("heard_at")?),
            ago: Duration::from_millis(ago),
        })
    };
    rows.iter().map(beat).collect()
}

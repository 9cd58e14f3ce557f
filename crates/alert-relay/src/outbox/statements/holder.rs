//! Which of several relays delivers, for the ones that do not.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::outbox::session::Session;

/// How the relay that delivers calls itself; `None`: none has renewed its term for this long, by the clock of PostgreSQL.
pub(in crate::outbox) async fn read(
    session: &mut Session<'_>,
    silent_for: Duration,
) -> Result<Option<String>, sqlx::Error> {
    let read = AssertSqlSafe(format!(
        "SELECT holder FROM deliverer WHERE holder <> '' AND renewed_at > clock_timestamp() - interval '{} seconds'",
        silent_for.as_secs()
    ));
    session.query(read).fetch_optional().await?.map(|row| row.try_get("holder")).transpose()
}

//! Tries to send test messages: they belong to no delivery, and count in their robot's budget as its attempts do.

use crate::clock::{BootTime, Millis};
use crate::outbox::session::Session;

/// Notes one that begins now; returns its number.
pub(in crate::outbox) async fn begin(
    session: &mut Session<'_>,
    robot: &str,
    now: Millis,
) -> Result<i64, sqlx::Error> {
    session
        .query("INSERT INTO test_attempts (robot, started_at) VALUES ($1, $2) RETURNING id")
        .bind(robot)
        .bind(now.0)
        .fetch_value()
        .await
}

/// Notes that it is over. The robot may have asked for silence.
pub(in crate::outbox) async fn end(
    session: &mut Session<'_>,
    number: i64,
    pause_until: Option<Millis>,
    now: Millis,
    booted: &BootTime,
) -> Result<(), sqlx::Error> {
    session
        .query("UPDATE test_attempts SET ended_at = $1, pause_until = $2, boot = $3, booted_ms = $4 WHERE id = $5")
        .bind(now.0)
        .bind(pause_until.map(|until| until.0))
        .bind(&*booted.boot)
        .bind(i64::try_from(booted.since.as_millis()).unwrap_or(i64::MAX))
        .bind(number)
        .execute()
        .await
        .map(drop)
}

/// Those under way when their relay stopped may have arrived just now: they count from now.
pub(in crate::outbox) async fn take_over(session: &mut Session<'_>, now: Millis) -> Result<(), sqlx::Error> {
    let end = session.query("UPDATE test_attempts SET ended_at = $1 WHERE ended_at IS NULL");
    end.bind(now.0).execute().await.map(drop)
}

/// Deletes those that ended before; returns how many.
pub(in crate::outbox) async fn prune(
    session: &mut Session<'_>,
    before: Millis,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    session
        .query(
            "DELETE FROM test_attempts WHERE id IN (SELECT id FROM test_attempts WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 + 0)",
        )
        .bind(before.0)
        .bind(limit)
        .execute()
        .await
}

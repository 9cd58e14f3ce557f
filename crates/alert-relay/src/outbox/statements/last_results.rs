//! How the channel of each target has answered last: one row a target, written with the attempt.

use std::collections::BTreeMap;

use crate::clock::Millis;
use crate::delivery::AttemptEnd;
use crate::operation::overview::{LastError, LastResult};
use crate::outbox::session::Session;

/// Notes the end of an attempt. A part that is too large and will be cut says nothing of the target.
pub(in crate::outbox) async fn note(
    session: &mut Session<'_>,
    end: &AttemptEnd,
    now: Millis,
) -> Result<(), sqlx::Error> {
    if end.is_delivered {
        session
            .query(
                "INSERT INTO last_results (target, success_at) SELECT via, $1 FROM attempts WHERE id = $2 \
             ON CONFLICT (target) DO UPDATE SET success_at = excluded.success_at",
            )
            .bind(now.0)
            .bind(end.attempt)
            .execute()
            .await?;
    } else if let Some(reason) = end.reason {
        session.query(
            "INSERT INTO last_results (target, error_at, reason, detail) SELECT via, $1, $2, $3 FROM attempts WHERE id = $4 \
             ON CONFLICT (target) DO UPDATE SET error_at = excluded.error_at, reason = excluded.reason, detail = excluded.detail",
        )
        .bind(now.0)
        .bind(reason)
        .bind(&end.detail)
        .bind(end.attempt)
        .execute()
        .await?;
    }
    Ok(())
}

/// By target.
pub(in crate::outbox) async fn read(
    session: &mut Session<'_>,
) -> Result<BTreeMap<String, LastResult>, sqlx::Error> {
    let rows = session
        .query("SELECT target, success_at, error_at, reason, detail FROM last_results")
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            let error_at: Option<i64> = row.try_get("error_at")?;
            let (reason, words): (Option<String>, Option<String>) =
                (row.try_get("reason")?, row.try_get("detail")?);
            let last_error = error_at.map(|at| LastError {
                at: Millis(at),
                reason: reason.unwrap_or_default(),
                words: words.unwrap_or_default(),
            });
            let last_success = row.try_get::<Option<i64>>("success_at")?.map(Millis);
            Ok((row.try_get("target")?, LastResult { last_success, last_error }))
        })
        .collect()
}

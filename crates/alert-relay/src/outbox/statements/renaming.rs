//! A target that has another name now: what waits for it, and what it knows, goes along.

use crate::clock::Millis;
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;

/// Moves what waits and is not being sent, the ledger, and what single recipients missed. What has ended stays under the name it ended with. Returns how many deliveries moved.
pub(in crate::outbox) async fn rename(
    session: &mut Session<'_>,
    from: &str,
    to: &str,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<u64, sqlx::Error> {
    let moved = session.query(
        "UPDATE deliveries SET target = $1 WHERE target = $2 AND state = 'pending' AND (lease_until IS NULL OR lease_until <= $3)",
    )
    .bind(to)
    .bind(from)
    .bind(now.0)
        .execute()
    .await?
    ;
    if moved > 0 {
        gathered.moved(from, to, moved);
    }
    // What is known under the new name is newer.
    for statement in [
        "DELETE FROM told WHERE target = $1 AND EXISTS (SELECT 1 FROM told AS newer WHERE newer.target = $2 \
         AND newer.group_id = told.group_id AND newer.fingerprint = told.fingerprint)",
        "UPDATE told SET target = $2 WHERE target = $1",
        "DELETE FROM missed WHERE target = $1 AND EXISTS (SELECT 1 FROM missed AS newer WHERE newer.target = $2 \
         AND newer.group_id = missed.group_id AND newer.recipient = missed.recipient)",
        "UPDATE missed SET target = $2 WHERE target = $1",
    ] {
        session.query(statement).bind(from).bind(to).execute().await?;
    }
    Ok(moved)
}

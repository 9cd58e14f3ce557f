//! What single recipients of a mail have missed, beside what their target was told.

use crate::clock::Millis;
use crate::delivery::{Arrears, DeliveryKey};
use crate::outbox::columns::{missed_from_json, missed_to_json};
use crate::outbox::session::{Row, Session};

/// Replaces all that is kept of a queue.
pub(super) async fn replace(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    arrears: &Arrears,
    now: Millis,
) -> Result<(), sqlx::Error> {
    session
        .query("DELETE FROM missed WHERE target = $1 AND group_id = $2")
        .bind(&key.target)
        .bind(&key.group)
        .execute()
        .await?;
    for (recipient, missed) in arrears {
        session.query(
            "INSERT INTO missed (target, group_id, recipient, alerts, missed_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&key.target)
        .bind(&key.group)
        .bind(recipient)
        .bind(missed_to_json(missed))
        .bind(now.0)
        .execute()
        .await?;
    }
    Ok(())
}

/// What is kept of a queue.
pub(super) async fn read(session: &mut Session<'_>, key: &DeliveryKey) -> Result<Arrears, sqlx::Error> {
    let rows = session
        .query("SELECT recipient, alerts FROM missed WHERE target = $1 AND group_id = $2")
        .bind(&key.target)
        .bind(&key.group)
        .fetch_all()
        .await?;
    let missed = |row: &Row| Ok((row.try_get("recipient")?, missed_from_json(row.try_get("alerts")?)?));
    rows.iter().map(missed).collect()
}

//! What single recipients of a mail have missed, beside what their target was told.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::clock::Millis;
use crate::delivery::{Arrears, DeliveryKey};
use crate::outbox::columns::{missed_from_json, missed_to_json};

/// Replaces all that is kept of a queue.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    key: &DeliveryKey,
    arrears: &Arrears,
    now: Millis,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM missed WHERE target = $1 AND group_id = $2")
        .bind(&key.target)
        .bind(&key.group)
        .execute(&mut *connection)
        .await?;
    for (recipient, missed) in arrears {
        sqlx::query(
            "INSERT INTO missed (target, group_id, recipient, alerts, missed_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&key.target)
        .bind(&key.group)
        .bind(recipient)
        .bind(missed_to_json(missed))
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What is kept of a queue.
pub(super) async fn read(pool: &SqlitePool, key: &DeliveryKey) -> Result<Arrears, sqlx::Error> {
    let rows = sqlx::query("SELECT recipient, alerts FROM missed WHERE target = $1 AND group_id = $2")
        .bind(&key.target)
        .bind(&key.group)
        .fetch_all(pool)
        .await?;
    let missed = |row: &SqliteRow| Ok((row.try_get("recipient")?, missed_from_json(row.try_get("alerts")?)?));
    rows.iter().map(missed).collect()
}

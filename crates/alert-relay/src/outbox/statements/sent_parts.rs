//! What was sent for a delivery, as it looked.

use crate::delivery::{Rendering, SentPart};
use crate::outbox::session::{Row, Session};

/// Keeps a part that is about to be sent. What the message was before it was put differently goes; each mail stays until its recipient is
/// sent another.
pub(super) async fn keep(
    session: &mut Session<'_>,
    delivery: i64,
    rendering: &Rendering,
    sent: &SentPart,
) -> Result<(), sqlx::Error> {
    session
        .query(
            "DELETE FROM sent_parts WHERE delivery = $1 \
             AND (via <> $2 OR recipient IS NULL AND (fit <> $3 OR rendered_at <> $4))",
        )
        .bind(delivery)
        .bind(&rendering.via)
        .bind(rendering.wording.as_str())
        .bind(rendering.at.0)
        .execute()
        .await?;
    if !sent.is_kept() {
        return Ok(());
    }
    session
        .query(
            "INSERT INTO sent_parts (delivery, part, via, fit, rendered_at, recipient, bytes, text, is_cut) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (delivery, part) DO UPDATE SET fit = excluded.fit, rendered_at = excluded.rendered_at, \
               recipient = excluded.recipient, bytes = excluded.bytes, text = excluded.text, is_cut = excluded.is_cut \
             WHERE sent_parts.text <> excluded.text",
        )
        .bind(delivery)
        .bind(i64::from(sent.part))
        .bind(&rendering.via)
        .bind(rendering.wording.as_str())
        .bind(rendering.at.0)
        .bind(sent.recipient.as_deref())
        .bind(i64::try_from(sent.bytes).unwrap_or(i64::MAX))
        .bind(&sent.text)
        .bind(i64::from(sent.is_cut))
        .execute()
        .await
        .map(drop)
}

/// What is kept of a delivery's message, in order.
pub(super) async fn of(session: &mut Session<'_>, delivery: i64) -> Result<Vec<SentPart>, sqlx::Error> {
    let rows = session
        .query(
            "SELECT part, recipient, bytes, text, is_cut FROM sent_parts WHERE delivery = $1 ORDER BY part",
        )
        .bind(delivery)
        .fetch_all()
        .await?;
    let part = |row: &Row| {
        Ok(SentPart {
            part: u32::try_from(row.try_get::<i64>("part")?).unwrap_or(u32::MAX),
            recipient: row.try_get("recipient")?,
            bytes: u64::try_from(row.try_get::<i64>("bytes")?).unwrap_or(0),
            text: row.try_get("text")?,
            is_cut: row.try_get::<i64>("is_cut")? > 0,
        })
    };
    rows.iter().map(part).collect()
}

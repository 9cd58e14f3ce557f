//! How large the store is, and what in it is over.

use crate::clock::Millis;
use crate::outbox::session::Session;
use crate::store_size::StoreSize;

pub(in crate::outbox) async fn size(session: &mut Session<'_>) -> Result<StoreSize, sqlx::Error> {
    let shrinks = matches!(session, Session::Sqlite(_));
    let bytes: i64 = session
        .query(if shrinks {
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        } else {
            "SELECT CAST(COALESCE(SUM(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class \
             WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'"
        })
        .fetch_value()
        .await?;
    Ok(StoreSize { bytes: u64::try_from(bytes).unwrap_or(0), shrinks })
}

/// Since when the first of what may be deleted is over: a delivery that has ended, or a webhook that has none.
pub(in crate::outbox) async fn first_over(session: &mut Session<'_>) -> Result<Option<Millis>, sqlx::Error> {
    let bare = session
        .query(
            "SELECT accepted_at FROM notifications WHERE NOT EXISTS ( \
               SELECT 1 FROM deliveries WHERE deliveries.notification = notifications.id) ORDER BY accepted_at LIMIT 1",
        )
        .fetch_optional()
        .await?;
    let bare = bare.map(|row| row.try_get(0).map(Millis)).transpose()?;
    Ok(ended(session, 0).await?.into_iter().chain(bare).min())
}

/// When the delivery ended that comes after this many others; `None`: there are not so many.
pub(in crate::outbox) async fn ended(
    session: &mut Session<'_>,
    others: u64,
) -> Result<Option<Millis>, sqlx::Error> {
    let row = session
        .query("SELECT ended_at FROM deliveries WHERE state <> 'pending' ORDER BY ended_at LIMIT 1 OFFSET $1")
        .bind(i64::try_from(others).unwrap_or(i64::MAX))
        .fetch_optional()
        .await?;
    row.map(|row| row.try_get(0).map(Millis)).transpose()
}

/// Bytes of the webhooks of which something is pending.
pub(in crate::outbox) async fn pending_bytes(session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
    let bytes: i64 = session
        .query(
            "SELECT CAST(COALESCE(SUM(LENGTH(payload)), 0) AS BIGINT) FROM notifications \
             WHERE id IN (SELECT notification FROM deliveries WHERE state = 'pending')",
        )
        .fetch_value()
        .await?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

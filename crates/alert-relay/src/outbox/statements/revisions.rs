//! Deliveries that no webhook brings: the relay adds them to have what a target knows compared once more.

use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::{DeliveryKey, Vanished};
use crate::outbox::arrival::ArrivingDelivery;
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;

/// A target that refuses everything is not bothered more often.
const BETWEEN_REVISIONS: Duration = Duration::from_mins(10);

/// An empty delivery of a sender's newest snapshot, unless the target has a delivery of it.
pub(in crate::outbox) async fn add_empty_delivery(
    session: &mut Session<'_>,
    vanished: &Vanished,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<(), sqlx::Error> {
    let Vanished { key, notification } = vanished;
    let is_new: bool = session
        .query("SELECT NOT EXISTS (SELECT 1 FROM deliveries WHERE notification = $1 AND target = $2)")
        .bind(*notification)
        .bind(&key.target)
        .fetch_value()
        .await?;
    if is_new {
        gathered.share(*notification, &key.group, ArrivingDelivery::empty(&key.target), now);
    }
    Ok(())
}

/// A delivery that brings no snapshot, so that what the target knows is looked at once more. None where something waits that will
/// have it looked at anyway, or where a look was taken a moment ago.
pub(in crate::outbox) async fn add_revision(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<(), sqlx::Error> {
    let newest = session
        .query(LATEST)
        .bind(&key.group)
        .bind(&key.target)
        .bind(now.minus(BETWEEN_REVISIONS).0)
        .bind(now.0)
        .fetch_optional()
        .await?;
    if let Some(newest) = newest {
        let notification = newest.try_get(0)?;
        gathered.share(notification, &key.group, ArrivingDelivery::revision(&key.target), now);
    }
    Ok(())
}

/// The group's newest original, as far as somebody speaks for it or a target was to hear of it, unless no look is needed. Neither is looked
/// for among all webhooks.
const LATEST: &str = "SELECT id FROM notifications WHERE id = (SELECT MAX(latest.id) FROM ( \
       SELECT MAX(notification) AS id FROM senders WHERE group_id = $1 \
       UNION ALL SELECT COALESCE(duplicate_of, id) FROM notifications WHERE id = ( \
         SELECT MAX(notification) FROM deliveries WHERE group_id = $1)) AS latest) \
     AND NOT EXISTS (SELECT 1 FROM deliveries WHERE target = $2 AND group_id = $1 AND state = 'pending') \
     AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notification = notifications.id AND target = $2 \
       AND is_revision = 1 AND accepted_at > $3 AND accepted_at <= $4)";

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

    use super::*;
    use crate::outbox::sqlite::schema;

    /// Hundreds of groups may fall silent at once, in one transaction, and webhooks of a month are stored.
    #[tokio::test]
    async fn what_a_group_said_last_is_found_without_reading_all_webhooks() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection).await.unwrap();
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LATEST}"));
        let rows = Session::Sqlite(&mut connection).query(plan).fetch_all().await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        let is_whole = |step: &&String| step.starts_with("SCAN") && !step.contains("latest");
        assert_eq!(steps.iter().find(is_whole), None, "{steps:#?}");
    }
}

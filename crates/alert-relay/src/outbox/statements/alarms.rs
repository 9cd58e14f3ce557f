//! Whom the relay told by itself that something is wrong: alarms of heartbeats.

use std::collections::BTreeMap;

use crate::outbox::arrival::HEARTBEATS;
use crate::outbox::session::{Row, Session};

/// The targets that know of an alarm, or are about to be told of what was stored last, by the heartbeat's name.
pub(in crate::outbox) async fn known(
    session: &mut Session<'_>,
) -> Result<BTreeMap<String, Vec<String>>, sqlx::Error> {
    let rows = session
        .query(
            "SELECT newest.endpoint, known.target \
             FROM (SELECT DISTINCT target, group_id FROM told WHERE status = 'firing') AS known \
             JOIN senders ON senders.group_id = known.group_id \
             JOIN notifications AS newest ON newest.id = senders.notification \
             WHERE newest.endpoint LIKE $1 \
             UNION \
             SELECT newest.endpoint, deliveries.target \
             FROM senders JOIN notifications AS newest ON newest.id = senders.notification \
             JOIN deliveries ON deliveries.notification = newest.id \
             WHERE newest.endpoint LIKE $1 AND deliveries.state = 'pending' AND deliveries.alerts <> '[]' \
             ORDER BY 2",
        )
        .bind(format!("{HEARTBEATS}%"))
        .fetch_all()
        .await?;
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let pair = |row: &Row| Ok::<_, sqlx::Error>((row.try_get::<String>("endpoint")?, row.try_get("target")?));
    for row in &rows {
        let (endpoint, target) = pair(row)?;
        if let Some(name) = endpoint.strip_prefix(HEARTBEATS) {
            known.entry(name.to_owned()).or_default().push(target);
        }
    }
    Ok(known)
}

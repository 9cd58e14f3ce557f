//! Who posts the snapshots of each group, and when each was last heard.
//!
//! An alert fires as long as anybody who is heard says so (`ledger`), so nobody may be listed for ever: who falls silent is
//! forgotten ([`forget`]), and of more than [`MAX_SENDERS`] in one group who was not heard for longest.

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::{DeliveryKey, Forgotten};
use crate::outbox::arrival::Arrival;
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::revisions;
use crate::outbox::statements::rows::values;

/// Senders of one group. Clusters that do not know each other and are more than that have to name themselves by a `source`.
pub(super) const MAX_SENDERS: i64 = 64;

/// Senders that one transaction forgets.
const FORGET_ROWS: i64 = 100;

/// Notes that the senders of these arrivals are heard; `newest` is the newest snapshot of each. No two arrivals are of one group.
pub(in crate::outbox) async fn note(
    session: &mut Session<'_>,
    arrivals: &[&Arrival],
    newest: &[Option<i64>],
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO senders (group_id, sender, notification, heard_at) VALUES {} \
         ON CONFLICT (group_id, sender) DO UPDATE SET notification = excluded.notification, heard_at = excluded.heard_at",
        values(session, arrivals.len(), 4)
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for (arrival, newest) in arrivals.iter().zip(newest) {
        query = query.bind(&arrival.group_id).bind(arrival.sender.teller()).bind(*newest).bind(arrival.at.0);
    }
    query.execute().await?;
    Ok(())
}

/// Forgets who was not heard for longest, where a group has too many.
pub(super) async fn make_room(session: &mut Session<'_>, group_id: &str) -> Result<(), sqlx::Error> {
    let forgotten: Vec<String> = session.query(
        "DELETE FROM senders WHERE group_id = $1 AND sender NOT IN ( \
           SELECT sender FROM senders WHERE group_id = $1 ORDER BY heard_at DESC, notification DESC LIMIT $2 + 0) RETURNING sender",
    )
    .bind(group_id)
    .bind(MAX_SENDERS)
    .fetch_values()
    .await?;
    for sender in forgotten {
        tracing::warn!(
            group = %group_id, %sender,
            "more than {MAX_SENDERS} senders post the same alert group: {sender} was not heard for longest, and what it says fires \
             counts no more until it posts again (hint: post to …?source=NAME, one name for each cluster)"
        );
    }
    Ok(())
}

/// Forgets who was not heard since `heard_before`, and has the targets looked at that may know of something only they told.
pub(in crate::outbox) async fn forget(
    session: &mut Session<'_>,
    heard_before: Millis,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<Vec<Forgotten>, sqlx::Error> {
    let rows = session
        .query(
            "DELETE FROM senders WHERE (group_id, sender) IN ( \
           SELECT group_id, sender FROM senders WHERE heard_at < $1 ORDER BY heard_at LIMIT $2 + 0) \
         RETURNING group_id, sender, heard_at",
        )
        .bind(heard_before.0)
        .bind(FORGET_ROWS)
        .fetch_all()
        .await?;
    let mut forgotten = Vec::new();
    for row in &rows {
        let group: String = row.try_get("group_id")?;
        let targets: Vec<String> = session
            .query("SELECT DISTINCT target FROM told WHERE status = 'firing' AND group_id = $1")
            .bind(&group)
            .fetch_values()
            .await?;
        for target in &targets {
            let key = DeliveryKey { target: target.clone(), group: group.clone() };
            revisions::add_revision(session, &key, now, gathered).await?;
        }
        forgotten.push(Forgotten {
            group,
            sender: row.try_get("sender")?,
            heard_at: Millis(row.try_get("heard_at")?),
            targets,
        });
    }
    Ok(forgotten)
}

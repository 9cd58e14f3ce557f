//! The statements that change something, each inside a transaction of the writer.

use sqlx::AssertSqlSafe;

use crate::clock::{BootTime, Millis};
use crate::delivery::{Abandoned, AttemptEnd, AttemptStart, DeliveryKey, End, RecipientStatus, Settlement};
use crate::notification::GroupKey;
use crate::outbox::columns::to_json;
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::ledger::{self, FIRING_IS_KEPT_LONGER, OVER_IS_KEPT};
use crate::outbox::statements::rows::{in_statements, parameters_from};
use crate::outbox::statements::{audit_trail, last_results, missed, sent_parts, standing, test_attempts};

/// Rows that one transaction of [`prune`] deletes at most, so that a webhook never waits long behind it.
pub(in crate::outbox) const PRUNE_ROWS: i64 = 500;

/// Deliveries that one transaction of [`give_up`] or [`hasten`] changes at most, for the same reason.
pub(in crate::outbox) const CHANGED_ROWS: i64 = 1_000;

/// What one transaction of [`prune`] has deleted.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::outbox) struct Pruned {
    /// Rows of all tables.
    pub(in crate::outbox) rows: u64,
    /// Webhooks among them.
    pub(in crate::outbox) webhooks: u64,
}

/// Deliveries that one claim takes at most: more than a target that is down for a day gathers at one snapshot every five
/// minutes. What is beyond stays for the next message.
pub(in crate::outbox) const CLAIM_ROWS: i64 = 512;

pub(in crate::outbox) async fn claim(
    session: &mut Session<'_>,
    owner: &str,
    key: &DeliveryKey,
    now: Millis,
    until: Millis,
    bytes: u64,
) -> Result<bool, sqlx::Error> {
    // Nobody may hold any delivery of the queue, or one group would be sent twice at the same time. And while a message is partly
    // sent, nothing newer joins it, unless it is a mail that all of its recipients were tried with.
    let claimed = session.query(
        "UPDATE deliveries SET lease_owner = $1, lease_until = $2, is_preparing = 1 WHERE id IN ( \
           SELECT id FROM deliveries WHERE target = $3 AND group_id = $4 AND state = 'pending' AND id <= COALESCE( \
             (SELECT MAX(id) FROM deliveries WHERE target = $3 AND group_id = $4 AND state = 'pending' AND parts_done > 0 \
               AND is_straggling = 0), \
             9223372036854775807) \
           ORDER BY id LIMIT $6 + 0) \
         AND id < COALESCE((SELECT MIN(sizes.id) FROM ( \
             SELECT waiting.id, LENGTH(payload) AS bytes, SUM(LENGTH(payload)) OVER (ORDER BY waiting.id) AS bytes_so_far FROM ( \
               SELECT id, notification FROM deliveries WHERE target = $3 AND group_id = $4 AND state = 'pending' \
               ORDER BY id LIMIT $6 + 0) AS waiting \
             JOIN notifications ON notifications.id = waiting.notification) AS sizes \
           WHERE sizes.bytes_so_far > $7 AND sizes.bytes_so_far > sizes.bytes), 9223372036854775807) \
         AND NOT EXISTS (SELECT 1 FROM deliveries held WHERE held.target = $3 AND held.group_id = $4 \
           AND held.state = 'pending' AND held.lease_until > $5)",
    )
    .bind(owner)
    .bind(until.0)
    .bind(&key.target)
    .bind(&key.group)
    .bind(now.0)
    .bind(CLAIM_ROWS)
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .execute()
    .await?;
    Ok(claimed > 0)
}

pub(in crate::outbox) async fn begin_attempt(
    session: &mut Session<'_>,
    owner: &str,
    start: &AttemptStart,
    now: Millis,
    until: Millis,
) -> Result<Option<i64>, sqlx::Error> {
    let rendering = &start.rendering;
    // Another rendering is another text: parts of the former one no longer count. A mail is done once its recipient has it, in
    // whatever words.
    let held = session.query(
        "UPDATE deliveries SET attempts = attempts + 1, \
           parts_done = CASE WHEN via = $1 AND (recipients IS NOT NULL OR fit = $2 AND parts = $4 AND text_hash = $5) \
             THEN parts_done ELSE 0 END, \
           recipients = CASE WHEN via = $1 THEN recipients END, \
           is_straggling = CASE WHEN via = $1 THEN is_straggling ELSE 0 END, \
           via = $1, fit = $2, rendered_at = $3, parts = $4, text_hash = $5 \
         WHERE id = $6 AND state = 'pending' AND lease_owner = $7",
    )
    .bind(&rendering.via)
    .bind(rendering.wording.as_str())
    .bind(rendering.at.0)
    .bind(i64::from(rendering.parts))
    .bind(&rendering.text_hash)
    .bind(start.delivery)
    .bind(owner)
        .execute()
    .await?
    ;
    if held == 0 {
        return Ok(None);
    }
    session.query(
        "UPDATE deliveries SET lease_until = $1, is_preparing = 0, deaths = 0 WHERE state = 'pending' AND lease_owner = $2 \
         AND target = (SELECT target FROM deliveries WHERE id = $3) AND group_id = (SELECT group_id FROM deliveries WHERE id = $3)",
    )
    .bind(until.0)
    .bind(owner)
    .bind(start.delivery)
        .execute()
    .await?;
    for groups in in_statements(&start.also) {
        let sql = format!(
            "UPDATE deliveries SET lease_until = $1, is_preparing = 0, deaths = 0 WHERE state = 'pending' AND lease_owner = $2 \
             AND target = (SELECT target FROM deliveries WHERE id = $3) AND group_id IN {}",
            parameters_from(4, groups.len())
        );
        let mut query = session.query(AssertSqlSafe(sql)).bind(until.0).bind(owner).bind(start.delivery);
        for group in groups {
            query = query.bind(group);
        }
        query.execute().await?;
    }
    sent_parts::keep(session, start.delivery, rendering, &start.sent).await?;
    session.query(
        "INSERT INTO attempts (delivery, via, robot, fit, part, started_at, text_hash) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(start.delivery)
    .bind(&rendering.via)
    .bind(&start.robot)
    .bind(rendering.wording.as_str())
    .bind(i64::from(start.sent.part))
    .bind(now.0)
    .bind(&rendering.text_hash)
    .fetch_value()
    .await
    .map(Some)
}

pub(in crate::outbox) async fn end_attempt(
    session: &mut Session<'_>,
    end: &AttemptEnd,
    now: Millis,
    booted: &BootTime,
) -> Result<(), sqlx::Error> {
    session.query(
        "UPDATE attempts SET ended_at = $1, outcome = $2, reason = $3, detail = $4, pause_until = $5, boot = $7, booted_ms = $8 WHERE id = $6",
    )
    .bind(now.0)
    .bind(end.outcome)
    .bind(end.reason)
    .bind(&end.detail)
    .bind(end.pause_until.map(|until| until.0))
    .bind(end.attempt)
    .bind(&*booted.boot)
    .bind(i64::try_from(booted.since.as_millis()).unwrap_or(i64::MAX))
        .execute()
    .await?;
    last_results::note(session, end, now).await?;
    if let Some(recipients) = &end.recipients {
        let accepted =
            recipients.by_recipient.values().filter(|status| **status == RecipientStatus::Accepted).count();
        session
            .query("UPDATE deliveries SET recipients = $1, parts_done = $2, is_straggling = $3 WHERE id = $4")
            .bind(to_json(&recipients.by_recipient))
            .bind(i64::try_from(accepted).unwrap_or(i64::MAX))
            .bind(i64::from(recipients.is_straggling))
            .bind(end.delivery)
            .execute()
            .await?;
    } else if end.is_delivered {
        session
            .query("UPDATE deliveries SET parts_done = parts_done + 1 WHERE id = $1")
            .bind(end.delivery)
            .execute()
            .await?;
    }
    if let Some(wording) = end.next_wording {
        session
            .query("UPDATE deliveries SET fit = $1, parts_done = 0 WHERE id = $2")
            .bind(wording.as_str())
            .bind(end.delivery)
            .execute()
            .await?;
    }
    Ok(())
}

pub(in crate::outbox) async fn settle(
    session: &mut Session<'_>,
    owner: &str,
    settlement: &Settlement,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<u64, sqlx::Error> {
    let key = &settlement.key;
    let ended = session.query(
        "UPDATE deliveries SET state = $1, ended_at = $2, end_reason = $3, lease_owner = NULL, lease_until = NULL \
         WHERE id = $4 AND state = 'pending' AND lease_owner = $5",
    )
    .bind(settlement.end.as_str())
    .bind(now.0)
    .bind(&settlement.reason)
    .bind(settlement.delivery)
    .bind(owner)
        .execute()
    .await?
    ;
    if ended == 0 {
        return Ok(0);
    }
    gathered.count(&key.target, settlement.end.as_str(), 1);

    let (end, reason) = settlement.end_of_older();
    let older = session.query(
        "UPDATE deliveries SET state = $1, ended_at = $2, end_reason = $3, superseded_by = $4, lease_owner = NULL, \
         lease_until = NULL WHERE target = $5 AND group_id = $6 AND state = 'pending' AND lease_owner = $7 AND id < $4",
    )
    .bind(end.as_str())
    .bind(now.0)
    .bind(reason)
    .bind(settlement.delivery)
    .bind(&key.target)
    .bind(&key.group)
    .bind(owner)
        .execute()
    .await?
    ;
    gathered.count(&key.target, end.as_str(), older);

    ledger::write(session, key, &settlement.ledger, now).await?;
    if let Some(arrears) = &settlement.arrears {
        missed::replace(session, key, arrears, now).await?;
    }
    // Alerts that the target knows as firing are kept as long as messages about them go on.
    if settlement.end == End::Delivered {
        session
            .query("UPDATE told SET told_at = $1 WHERE target = $2 AND group_id = $3 AND status = 'firing'")
            .bind(now.0)
            .bind(&key.target)
            .bind(&key.group)
            .execute()
            .await?;
    }
    Ok(ended + older)
}

pub(in crate::outbox) async fn release(
    session: &mut Session<'_>,
    owner: &str,
    key: &DeliveryKey,
    next_at: Millis,
) -> Result<(), sqlx::Error> {
    session.query(
        "UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = $1, is_preparing = 0, deaths = 0 \
         WHERE target = $2 AND group_id = $3 AND state = 'pending' AND lease_owner = $4",
    )
    .bind(next_at.0)
    .bind(&key.target)
    .bind(&key.group)
    .bind(owner)
        .execute()
    .await?;
    Ok(())
}

pub(in crate::outbox) async fn give_up(
    session: &mut Session<'_>,
    target: &str,
    accepted_before: Millis,
    reason: &str,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<Vec<Abandoned>, sqlx::Error> {
    let rows = session.query(
        "UPDATE deliveries SET state = 'dead', ended_at = $1, end_reason = $2, lease_owner = NULL, lease_until = NULL \
         WHERE id IN (SELECT id FROM deliveries WHERE target = $3 AND state = 'pending' AND accepted_at < $4 \
           AND (lease_until IS NULL OR lease_until <= $1) ORDER BY group_id, id LIMIT $5 + 0) \
         RETURNING id, group_id, (SELECT group_key FROM notifications WHERE id = deliveries.notification) AS group_key, \
           (SELECT names FROM subjects WHERE subjects.notification = deliveries.notification) AS names, accepted_at, attempts",
    )
    .bind(now.0)
    .bind(reason)
    .bind(target)
    .bind(accepted_before.0)
    .bind(CHANGED_ROWS)
    .fetch_all()
    .await?;
    gathered.count(target, End::Dead.as_str(), u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let abandoned = |row: &Row| {
        Ok(Abandoned {
            id: row.try_get("id")?,
            group: row.try_get("group_id")?,
            group_key: GroupKey(row.try_get::<Option<String>>("group_key")?.unwrap_or_default()),
            alerts: row.try_get("names")?,
            accepted_at: Millis(row.try_get("accepted_at")?),
            attempts: u32::try_from(row.try_get::<i64>("attempts")?).unwrap_or(u32::MAX),
        })
    };
    rows.iter().map(abandoned).collect()
}

pub(in crate::outbox) async fn hasten(
    session: &mut Session<'_>,
    target: &str,
    now: Millis,
) -> Result<u64, sqlx::Error> {
    session
        .query(
            "UPDATE deliveries SET next_at = $1 WHERE id IN ( \
               SELECT id FROM deliveries WHERE target = $2 AND state = 'pending' AND next_at > $1 ORDER BY group_id, id LIMIT $3 + 0)",
        )
        .bind(now.0)
        .bind(target)
        .bind(CHANGED_ROWS)
        .execute()
        .await
}

pub(in crate::outbox) async fn prune(
    session: &mut Session<'_>,
    ended_before: Millis,
    now: Millis,
) -> Result<Pruned, sqlx::Error> {
    let deliveries = session
        .query(
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE state <> 'pending' AND ended_at < $1 ORDER BY ended_at LIMIT $2 + 0)",
        )
        .bind(ended_before.0)
        .bind(PRUNE_ROWS)
        .execute()
        .await?;
    if deliveries > 0 {
        standing::note_pruned(session, ended_before).await?;
    }
    // Attempts go with their delivery; a notification goes once its last delivery has gone.
    let webhooks = session
        .query(
            "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE accepted_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.notification = notifications.id) ORDER BY accepted_at LIMIT $2 + 0)",
        )
        .bind(ended_before.0)
        .bind(PRUNE_ROWS)
        .execute()
        .await?;
    let mut rows = deliveries + webhooks;
    for (statement, before) in [
        (
            "DELETE FROM told WHERE (target, group_id, fingerprint) IN \
         (SELECT target, group_id, fingerprint FROM told WHERE told_at < $1 ORDER BY told_at LIMIT $2 + 0)",
            ended_before.minus(FIRING_IS_KEPT_LONGER),
        ),
        (
            "DELETE FROM told WHERE (target, group_id, fingerprint) IN \
         (SELECT target, group_id, fingerprint FROM told WHERE status = 'resolved' AND told_at < $1 ORDER BY told_at LIMIT $2 + 0)",
            now.minus(OVER_IS_KEPT),
        ),
        (
            "DELETE FROM missed WHERE (target, group_id, recipient) IN \
         (SELECT target, group_id, recipient FROM missed WHERE missed_at < $1 ORDER BY missed_at LIMIT $2 + 0)",
            ended_before.minus(FIRING_IS_KEPT_LONGER),
        ),
    ] {
        rows += session.query(statement).bind(before.0).bind(PRUNE_ROWS).execute().await?;
    }
    rows += audit_trail::prune(session, ended_before, PRUNE_ROWS).await?;
    rows += test_attempts::prune(session, ended_before, PRUNE_ROWS).await?;
    Ok(Pruned { rows, webhooks })
}

pub(in crate::outbox) async fn ping(session: &mut Session<'_>, now: Millis) -> Result<(), sqlx::Error> {
    session.query(
        "INSERT INTO store (name, value) VALUES ('checked_at', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(now.0.to_string())
        .execute()
    .await?;
    Ok(())
}

//! How deliveries stand as a whole: their counts, what was sent of late, what has vanished or is held back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{BootTime, Millis};
use crate::delivery::{DeliveryKey, End, PastAttempt, TargetCount, Vanished};
use crate::outbox::columns::{ACCEPTED, SET_ASIDE};
use crate::outbox::session::{Row, Session};

/// How the deliveries stand, by target, as of one moment.
pub(in crate::outbox) async fn counts(
    session: &mut Session<'_>,
) -> Result<BTreeMap<String, TargetCount>, sqlx::Error> {
    let mut counts: BTreeMap<String, TargetCount> = BTreeMap::new();
    let mut moment = session.moment().await?;
    let mut session = moment.session();
    for row in session.query("SELECT target, what, count FROM tally").fetch_all().await? {
        let entry = counts.entry(row.try_get("target")?).or_default();
        let (what, count): (String, i64) = (row.try_get("what")?, row.try_get("count")?);
        let count = u64::try_from(count).unwrap_or(0);
        if what == ACCEPTED {
            entry.accepted = count;
        } else if what == SET_ASIDE {
            entry.set_aside = count;
        } else if let Some(end) = End::ALL.into_iter().find(|end| end.as_str() == what) {
            entry.ended.insert(end, count);
        }
    }
    let pending = session.query(
        "SELECT target, COUNT(*) AS pending, MIN(accepted_at) AS oldest FROM deliveries WHERE state = 'pending' GROUP BY target",
    )
    .fetch_all()
    .await?;
    for row in pending {
        let entry = counts.entry(row.try_get("target")?).or_default();
        entry.pending = u64::try_from(row.try_get::<i64>("pending")?).unwrap_or(0);
        entry.oldest = Some(Millis(row.try_get("oldest")?));
    }
    moment.commit().await?;
    Ok(counts)
}

/// How many deliveries wait for each target.
pub(in crate::outbox) async fn waiting(
    session: &mut Session<'_>,
) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let rows = session
        .query("SELECT target, COUNT(*) AS pending FROM deliveries WHERE state = 'pending' GROUP BY target")
        .fetch_all()
        .await?;
    let waiting = |row: &Row| {
        let pending = u64::try_from(row.try_get::<i64>("pending")?).unwrap_or(0);
        Ok((row.try_get("target")?, pending))
    };
    rows.iter().map(waiting).collect()
}

/// The attempts that ended within the last `span`, or that asked for silence beyond its beginning, those of test messages too; first the one
/// that ended first. The wall clock may have been set since; what was noted on this machine since its start is counted by the time that
/// has passed.
pub(in crate::outbox) async fn past_attempts(
    session: &mut Session<'_>,
    span: Duration,
    now: Millis,
    booted: &BootTime,
) -> Result<Vec<PastAttempt>, sqlx::Error> {
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let booted_ms = i64::try_from(booted.since.as_millis()).unwrap_or(i64::MAX);
    let rows = session
        .query(
            "SELECT robot, ended_at, pause_until, boot, booted_ms FROM attempts WHERE ended_at > $1 OR pause_until > $1 \
             OR boot = $2 AND booted_ms + COALESCE(pause_until - ended_at, 0) > $3 \
             UNION ALL \
             SELECT robot, ended_at, pause_until, boot, booted_ms FROM test_attempts WHERE ended_at > $1 OR pause_until > $1 \
             OR boot = $2 AND booted_ms + COALESCE(pause_until - ended_at, 0) > $3",
        )
        .bind(now.minus(span).0)
        .bind(&*booted.boot)
        .bind(booted_ms.saturating_sub(span_ms))
        .fetch_all()
        .await?;
    let attempt = |row: &Row| {
        let ended_at = Millis(row.try_get("ended_at")?);
        let (boot, since): (Option<String>, Option<i64>) = (row.try_get("boot")?, row.try_get("booted_ms")?);
        let since = Duration::from_millis(since.and_then(|since| u64::try_from(since).ok()).unwrap_or(0));
        Ok(PastAttempt {
            robot: row.try_get("robot")?,
            // By a clock that was set back while no relay ran it ends in the future: it ended just now at the latest.
            ended_ago: booted
                .later_than(boot.as_deref().unwrap_or_default(), since)
                .unwrap_or_else(|| now.since(ended_at)),
            pause: row.try_get::<Option<i64>>("pause_until")?.map(|until| Millis(until).since(ended_at)),
        })
    };
    let mut attempts: Vec<PastAttempt> = rows.iter().map(attempt).collect::<Result<_, sqlx::Error>>()?;
    attempts.sort_by_key(|attempt| Reverse(attempt.ended_ago));
    Ok(attempts)
}

/// Notes that of webhooks accepted before this it is no longer known which targets had a delivery.
pub(super) async fn note_pruned(session: &mut Session<'_>, before: Millis) -> Result<(), sqlx::Error> {
    session
        .query(
            "INSERT INTO store (name, value) VALUES ('pruned_before', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value \
             WHERE CAST(store.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
        )
        .bind(before.0.to_string())
        .execute()
        .await
        .map(drop)
}

pub(in crate::outbox) async fn vanished(
    session: &mut Session<'_>,
    accepted_after: Millis,
) -> Result<Vec<Vanished>, sqlx::Error> {
    let rows = session.query(
        "SELECT known.target, known.group_id, newest.id \
         FROM (SELECT DISTINCT target, group_id FROM told WHERE status = 'firing') AS known \
         JOIN senders ON senders.group_id = known.group_id \
         JOIN notifications AS newest ON newest.id = senders.notification \
         WHERE newest.accepted_at > $1 AND newest.accepted_at >= COALESCE( \
             (SELECT CAST(value AS BIGINT) FROM store WHERE name = 'pruned_before'), 0) AND NOT EXISTS ( \
           SELECT 1 FROM deliveries WHERE deliveries.notification = newest.id AND deliveries.target = known.target)",
    )
    .bind(accepted_after.0)
    .fetch_all()
    .await?;
    let vanished = |row: &Row| Ok(Vanished { key: key(row)?, notification: row.try_get("id")? });
    rows.iter().map(vanished).collect()
}

pub(in crate::outbox) async fn held(
    session: &mut Session<'_>,
    until: Millis,
    longest: Millis,
) -> Result<Vec<DeliveryKey>, sqlx::Error> {
    let rows = session
        .query("SELECT DISTINCT target, group_id FROM told WHERE held_until <= $1 OR held_until > $2 LIMIT $3 + 0")
        .bind(until.0)
        .bind(longest.0)
        .bind(HELD_ROWS)
        .fetch_all()
        .await?;
    rows.iter().map(key).collect()
}

/// Queues of which one round looks at what was held back.
const HELD_ROWS: i64 = 100;

fn key(row: &Row) -> Result<DeliveryKey, sqlx::Error> {
    Ok(DeliveryKey { target: row.try_get("target")?, group: row.try_get("group_id")? })
}

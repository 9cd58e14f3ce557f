//! The statements that only read, on connections of their own: they never wait for the writer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqlitePool};

use crate::clock::Millis;
use crate::delivery::{
    Claim, DeliveryKey, DueDelivery, End, PastAttempt, Pending, Progress, RecipientStatus, Rendering,
    TargetCount, UrgencyFilter, Vanished, Waiting,
};
use crate::outbox::columns::{
    ACCEPTED, SET_ASIDE, fingerprints_from_json, from_json, mentions_from_json, wording_from_word,
};
use crate::outbox::error::StoreError;
use crate::outbox::sqlite::changes::CLAIM_ROWS;
use crate::outbox::sqlite::failure::store_error;
use crate::outbox::sqlite::ledger;
use crate::outbox::sqlite::missed;
use crate::recourse::Refusals;
use crate::sender::Sender;

/// Bytes of their webhooks that one claim takes at most, but for the first: all of them are read and parsed at a time.
const CLAIM_BYTES: u64 = 8 * 1024 * 1024;

/// The connections that only read.
#[derive(Debug)]
pub(in crate::outbox) struct Readers {
    pub(in crate::outbox) pool: SqlitePool,
}

impl Readers {
    pub(in crate::outbox) async fn due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(due_deliveries(urgency)))
            .bind(target)
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await;
        rows.and_then(|rows| rows.iter().map(|row| due_delivery(target, row)).collect())
            .map_err(|error| store_error(&error))
    }

    pub(in crate::outbox) async fn next_due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        let next: Result<Option<i64>, _> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT MIN(CASE WHEN queues.due_at > queues.leased_until THEN queues.due_at ELSE queues.leased_until END) FROM ( \
               SELECT CASE WHEN MAX(is_straggling) = 1 THEN MIN(next_at) ELSE MAX(next_at) END AS due_at, \
                 COALESCE(MAX(lease_until), 0) AS leased_until \
               FROM deliveries WHERE {} GROUP BY group_id) AS queues \
             WHERE queues.due_at > $2 OR queues.leased_until > $2",
            pending_of(urgency)
        )))
        .bind(target)
        .bind(now.0)
        .fetch_one(&self.pool)
        .await;
        next.map(|next| next.map(Millis)).map_err(|error| store_error(&error))
    }

    pub(in crate::outbox) async fn claimed(
        &self,
        key: &DeliveryKey,
        owner: &str,
    ) -> Result<Option<Claim>, StoreError> {
        self.read_claim(key, owner).await.map_err(|error| store_error(&error))
    }

    async fn read_claim(&self, key: &DeliveryKey, owner: &str) -> Result<Option<Claim>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT deliveries.id, deliveries.accepted_at, alerts, quiet, mentions, attempts, via, fit, rendered_at, parts, \
               recipients, is_straggling, is_revision, source, sender, address, payload \
             FROM deliveries JOIN notifications ON notifications.id = deliveries.notification \
             WHERE target = $1 AND deliveries.group_id = $2 AND state = 'pending' AND lease_owner = $3 ORDER BY deliveries.id",
        )
        .bind(&key.target)
        .bind(&key.group)
        .bind(owner)
        .fetch_all(&self.pool)
        .await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let progress = self.progress(last).await?;
        let delivery: i64 = last.try_get("id")?;
        // Each row goes once it is turned into a record: it holds a whole webhook.
        let deliveries: Vec<Pending> =
            rows.into_iter().map(|row| pending(&row)).collect::<Result<_, sqlx::Error>>()?;
        let ledger = ledger::read(&self.pool, key, &deliveries).await?;
        let refusals = self.refusals(delivery).await?;
        let unknown = self.unknown(key, owner).await?;
        let arrears = missed::read(&self.pool, key).await?;
        let senders: Vec<String> = sqlx::query_scalar("SELECT sender FROM senders WHERE group_id = $1")
            .bind(&key.group)
            .fetch_all(&self.pool)
            .await?;
        let senders = senders.into_iter().collect();
        Ok(Some(Claim {
            key: key.clone(),
            deliveries,
            ledger,
            senders,
            progress,
            refusals,
            unknown,
            arrears,
        }))
    }

    /// What the next claim of a queue would take of memory, if nothing more comes.
    pub(in crate::outbox) async fn waiting(&self, key: &DeliveryKey) -> Result<Waiting, StoreError> {
        self.read_waiting(key).await.map_err(|error| store_error(&error))
    }

    async fn read_waiting(&self, key: &DeliveryKey) -> Result<Waiting, sqlx::Error> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT LENGTH(payload), deaths FROM deliveries JOIN notifications ON notifications.id = deliveries.notification \
             WHERE target = $1 AND deliveries.group_id = $2 AND state = 'pending' ORDER BY deliveries.id LIMIT $3",
        )
        .bind(&key.target)
        .bind(&key.group)
        .bind(CLAIM_ROWS)
        .fetch_all(&self.pool)
        .await?;
        let mut webhooks = 0_u64;
        for (bytes, _) in &rows {
            let bytes = u64::try_from(*bytes).unwrap_or(0);
            // The first one always.
            if webhooks > 0 && webhooks + bytes > CLAIM_BYTES {
                break;
            }
            webhooks += bytes;
        }
        Ok(Waiting {
            webhooks,
            ledger: ledger::weight(&self.pool, key).await?,
            has_ended_a_process: rows.iter().any(|(_, deaths)| *deaths > 0),
        })
    }

    /// Through whom messages of the claimed deliveries were sent of which nobody knows whether they arrived.
    async fn unknown(&self, key: &DeliveryKey, owner: &str) -> Result<BTreeMap<String, i64>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT via, MAX(delivery) AS last FROM attempts WHERE delivery IN ( \
               SELECT id FROM deliveries WHERE target = $1 AND group_id = $2 AND state = 'pending' AND lease_owner = $3) \
             AND (outcome = 'unknown' OR (outcome = 'retry' AND reason IN ('timeout', 'broken_reply'))) GROUP BY via",
        )
        .bind(&key.target)
        .bind(&key.group)
        .bind(owner)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("via")?, row.try_get("last")?))).collect()
    }

    /// Who has refused the text of this delivery; a mailbox that takes nothing says nothing of the text.
    async fn refusals(&self, delivery: i64) -> Result<Refusals, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT via, fit FROM attempts WHERE delivery = $1 AND outcome IN ('rejected', 'too_large') \
             AND COALESCE(reason, '') <> 'mailbox'",
        )
        .bind(delivery)
        .fetch_all(&self.pool)
        .await?;
        let mut refusals = Refusals::default();
        for row in rows {
            refusals.add(row.try_get("via")?, wording_from_word(row.try_get("fit")?));
        }
        Ok(refusals)
    }

    async fn progress(&self, delivery: &SqliteRow) -> Result<Option<Progress>, sqlx::Error> {
        let (via, wording, at, parts): (Option<String>, Option<String>, Option<i64>, Option<i64>) = (
            delivery.try_get("via")?,
            delivery.try_get("fit")?,
            delivery.try_get("rendered_at")?,
            delivery.try_get("parts")?,
        );
        let (Some(via), Some(wording), Some(at), Some(parts)) = (via, wording, at, parts) else {
            return Ok(None);
        };
        let done: Vec<i64> = sqlx::query_scalar(
            "SELECT part FROM attempts WHERE delivery = $1 AND outcome = 'delivered' AND via = $2 AND fit = $3 AND started_at >= $4",
        )
        .bind(delivery.try_get::<i64, _>("id")?)
        .bind(&via)
        .bind(&wording)
        .bind(at)
        .fetch_all(&self.pool)
        .await?;
        let done: BTreeSet<u32> = done.into_iter().filter_map(|part| u32::try_from(part).ok()).collect();
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        Ok(Some(Progress {
            rendering: Rendering { via, wording: wording_from_word(&wording), at: Millis(at), parts },
            done,
            recipients: recipients(delivery)?,
        }))
    }

    pub(in crate::outbox) async fn counts(&self) -> Result<BTreeMap<String, TargetCount>, StoreError> {
        self.read_counts().await.map_err(|error| store_error(&error))
    }

    async fn read_counts(&self) -> Result<BTreeMap<String, TargetCount>, sqlx::Error> {
        let mut counts: BTreeMap<String, TargetCount> = BTreeMap::new();
        // One transaction, so that both statements see the same moment.
        let mut transaction = self.pool.begin().await?;
        for row in sqlx::query("SELECT target, what, count FROM tally").fetch_all(&mut *transaction).await? {
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
        let pending = sqlx::query(
            "SELECT target, COUNT(*) AS pending, MIN(accepted_at) AS oldest FROM deliveries WHERE state = 'pending' GROUP BY target",
        )
        .fetch_all(&mut *transaction)
        .await?;
        for row in pending {
            let entry = counts.entry(row.try_get("target")?).or_default();
            entry.pending = u64::try_from(row.try_get::<i64, _>("pending")?).unwrap_or(0);
            entry.oldest = Some(Millis(row.try_get("oldest")?));
        }
        transaction.commit().await?;
        Ok(counts)
    }

    pub(in crate::outbox) async fn past_attempts(
        &self,
        since: Millis,
    ) -> Result<Vec<PastAttempt>, StoreError> {
        let rows = sqlx::query(
            "SELECT robot, ended_at, pause_until FROM attempts WHERE ended_at > $1 OR pause_until > $1 ORDER BY ended_at",
        )
        .bind(since.0)
        .fetch_all(&self.pool)
        .await;
        let attempt = |row: &SqliteRow| {
            Ok(PastAttempt {
                robot: row.try_get("robot")?,
                ended_at: Millis(row.try_get("ended_at")?),
                pause_until: row.try_get::<Option<i64>, _>("pause_until")?.map(Millis),
            })
        };
        rows.and_then(|rows| rows.iter().map(attempt).collect()).map_err(|error| store_error(&error))
    }

    pub(in crate::outbox) async fn vanished(
        &self,
        accepted_after: Millis,
    ) -> Result<Vec<Vanished>, StoreError> {
        let rows = sqlx::query(
            "SELECT known.target, known.group_id, newest.id \
             FROM (SELECT DISTINCT target, group_id FROM told WHERE status = 'firing') AS known \
             JOIN senders ON senders.group_id = known.group_id \
             JOIN notifications AS newest ON newest.id = senders.notification \
             WHERE newest.accepted_at > $1 AND NOT EXISTS ( \
               SELECT 1 FROM deliveries WHERE deliveries.notification = newest.id AND deliveries.target = known.target)",
        )
        .bind(accepted_after.0)
        .fetch_all(&self.pool)
        .await;
        let vanished = |row: &SqliteRow| Ok(Vanished { key: key(row)?, notification: row.try_get("id")? });
        rows.and_then(|rows| rows.iter().map(vanished).collect()).map_err(|error| store_error(&error))
    }

    pub(in crate::outbox) async fn held(&self, until: Millis) -> Result<Vec<DeliveryKey>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT target, group_id FROM told WHERE held_until <= $1 LIMIT $2")
            .bind(until.0)
            .bind(HELD_ROWS)
            .fetch_all(&self.pool)
            .await;
        rows.and_then(|rows| rows.iter().map(key).collect()).map_err(|error| store_error(&error))
    }

    pub(in crate::outbox) async fn close(&self) {
        self.pool.close().await;
    }
}

/// All of a queue has to be due: a new snapshot does not cut short the wait of those before it, unless those wait for stragglers
/// alone.
fn due_deliveries(urgency: UrgencyFilter) -> String {
    format!(
        "SELECT group_id, MAX(is_urgent) AS urgent, MIN(CASE WHEN is_urgent = 1 THEN accepted_at END) AS urgent_since FROM deliveries WHERE {} GROUP BY group_id \
         HAVING CASE WHEN MAX(is_straggling) = 1 THEN MIN(next_at) ELSE MAX(next_at) END <= $2 \
           AND COALESCE(MAX(lease_until), 0) <= $2 \
         ORDER BY CASE WHEN MAX(CASE WHEN is_straggling = 0 THEN parts_done ELSE 0 END) > 0 THEN 0 ELSE 1 END, \
           MAX(is_urgent) DESC, MIN(id) LIMIT $3",
        pending_of(urgency)
    )
}

/// A condition on the deliveries of target `$1`. No value is ever part of the text.
fn pending_of(urgency: UrgencyFilter) -> &'static str {
    match urgency {
        UrgencyFilter::Any => "target = $1 AND state = 'pending'",
        UrgencyFilter::Urgent => {
            "target = $1 AND state = 'pending' AND group_id IN \
             (SELECT group_id FROM deliveries WHERE target = $1 AND state = 'pending' AND is_urgent = 1)"
        }
    }
}

/// Queues of which one round looks at what was held back.
const HELD_ROWS: i64 = 100;

fn key(row: &SqliteRow) -> Result<DeliveryKey, sqlx::Error> {
    Ok(DeliveryKey { target: row.try_get("target")?, group: row.try_get("group_id")? })
}

fn due_delivery(target: &str, row: &SqliteRow) -> Result<DueDelivery, sqlx::Error> {
    Ok(DueDelivery {
        key: DeliveryKey { target: target.to_owned(), group: row.try_get("group_id")? },
        is_urgent: row.try_get::<i64, _>("urgent")? > 0,
        urgent_since: row.try_get::<Option<i64>, _>("urgent_since")?.map(Millis),
    })
}

fn recipients(row: &SqliteRow) -> Result<BTreeMap<String, RecipientStatus>, sqlx::Error> {
    let recipients: Option<String> = row.try_get("recipients")?;
    recipients.map_or(Ok(BTreeMap::new()), |recipients| from_json(&recipients))
}

fn pending(row: &SqliteRow) -> Result<Pending, sqlx::Error> {
    Ok(Pending {
        id: row.try_get("id")?,
        accepted_at: Millis(row.try_get("accepted_at")?),
        alerts: fingerprints_from_json(row.try_get("alerts")?)?,
        outside_hours: fingerprints_from_json(row.try_get("quiet")?)?,
        mentions: mentions_from_json(row.try_get("mentions")?)?,
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        is_straggling: row.try_get::<i64, _>("is_straggling")? > 0,
        recipients: recipients(row)?,
        is_revision: row.try_get::<i64, _>("is_revision")? > 0,
        sender: sender(row)?,
        payload: Bytes::from(row.try_get::<Vec<u8>, _>("payload")?),
    })
}

/// Columns that are NULL were written by a version that did not have them.
pub(super) fn sender(row: &SqliteRow) -> Result<Sender, sqlx::Error> {
    Ok(Sender {
        source: row.try_get("source")?,
        name: row.try_get::<Option<String>, _>("sender")?.unwrap_or_default(),
        address: row.try_get::<Option<String>, _>("address")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::outbox::sqlite::schema;

    /// Thousands of rows may be pending, and the deliverer looks often.
    #[tokio::test]
    async fn a_look_at_what_is_due_reads_no_row_it_need_not() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection).await.unwrap();
        for (urgency, expected) in [
            (UrgencyFilter::Any, "SEARCH deliveries USING COVERING INDEX deliveries_pending (target=?)"),
            (UrgencyFilter::Urgent, "SEARCH deliveries USING COVERING INDEX deliveries_urgent (target=?)"),
        ] {
            let plan = format!("EXPLAIN QUERY PLAN {}", due_deliveries(urgency));
            let rows = sqlx::query(AssertSqlSafe(plan)).fetch_all(&mut connection).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps.iter().any(|step| step == expected), "{urgency:?}: {steps:#?}");
            let reads_rows = |step: &String| step.contains("deliveries") && !step.contains("COVERING INDEX");
            assert!(!steps.iter().any(reads_rows), "{urgency:?}: {steps:#?}");
        }
    }
}

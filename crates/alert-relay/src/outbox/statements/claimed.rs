//! What was claimed, with all that its message is made of, and what a claim would take.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::clock::Millis;
use crate::delivery::{
    Claim, DIGEST_PART, DeliveryKey, Pending, Progress, RecipientStatus, Rendering, Waiting,
};
use crate::outbox::columns::{fingerprints_from_json, from_json, mentions_from_json, wording_from_word};
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::changes::CLAIM_ROWS;
use crate::outbox::statements::{ledger, missed};
use crate::recourse::Refusals;
use crate::sender::Sender;

/// Bytes of their webhooks that one claim takes at most, but for the first: all of them are read and parsed at a time.
const CLAIM_BYTES: u64 = 8 * 1024 * 1024;

pub(in crate::outbox) async fn claimed(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    owner: &str,
) -> Result<Option<Claim>, sqlx::Error> {
    let rows = session.query(
        "SELECT deliveries.id, deliveries.accepted_at, alerts, quiet, mentions, attempts, via, fit, rendered_at, parts, text_hash, \
           recipients, is_straggling, is_revision, source, sender, address, payload \
         FROM deliveries JOIN notifications ON notifications.id = deliveries.notification \
         WHERE target = $1 AND deliveries.group_id = $2 AND state = 'pending' AND lease_owner = $3 ORDER BY deliveries.id",
    )
    .bind(&key.target)
    .bind(&key.group)
    .bind(owner)
    .fetch_all()
    .await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let progress = progress(session, last).await?;
    let delivery: i64 = last.try_get("id")?;
    // Each row goes once it is turned into a record: it holds a whole webhook.
    let deliveries: Vec<Pending> =
        rows.into_iter().map(|row| pending(&row)).collect::<Result<_, sqlx::Error>>()?;
    let ledger = ledger::read(session, key, &deliveries).await?;
    let refusals = refusals(session, delivery).await?;
    let begun = progress.as_ref().filter(|progress| !progress.done.is_empty());
    let unknown = unknown(session, key, owner, begun.map(|begun| (delivery, &begun.rendering))).await?;
    let arrears = missed::read(session, key).await?;
    let senders: Vec<String> = session
        .query("SELECT sender FROM senders WHERE group_id = $1")
        .bind(&key.group)
        .fetch_values()
        .await?;
    let senders = senders.into_iter().collect();
    Ok(Some(Claim { key: key.clone(), deliveries, ledger, senders, progress, refusals, unknown, arrears }))
}

/// What the next claim of a queue would take of memory, if nothing more comes.
pub(in crate::outbox) async fn waiting(
    session: &mut Session<'_>,
    key: &DeliveryKey,
) -> Result<Waiting, sqlx::Error> {
    let rows = session.query(
        "SELECT CAST(LENGTH(payload) AS BIGINT) AS bytes, deaths FROM deliveries JOIN notifications ON notifications.id = deliveries.notification \
         WHERE target = $1 AND deliveries.group_id = $2 AND state = 'pending' ORDER BY deliveries.id LIMIT $3 + 0",
    )
    .bind(&key.target)
    .bind(&key.group)
    .bind(CLAIM_ROWS)
    .fetch_all()
    .await?;
    let mut webhooks = 0_u64;
    let mut has_ended_a_process = false;
    for row in &rows {
        has_ended_a_process |= row.try_get::<i64>("deaths")? > 0;
    }
    for row in &rows {
        let bytes = u64::try_from(row.try_get::<Option<i64>>("bytes")?.unwrap_or_default()).unwrap_or(0);
        // The first one always.
        if webhooks > 0 && webhooks + bytes > CLAIM_BYTES {
            break;
        }
        webhooks += bytes;
    }
    Ok(Waiting { webhooks, ledger: ledger::weight(session, key).await?, has_ended_a_process })
}

/// Through whom messages of the claimed deliveries were sent of which nobody knows whether they arrived. Of a message that is partly sent,
/// as it was when that was rendered, so without its own attempts: what is said of it above the text decides how it is cut into parts.
/// Attempts are told apart by what they said and not by when, since the clock may have been set in between.
async fn unknown(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    owner: &str,
    begun: Option<(i64, &Rendering)>,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows = session.query(
        "SELECT via, MAX(delivery) AS last FROM attempts WHERE delivery IN ( \
           SELECT id FROM deliveries WHERE target = $1 AND group_id = $2 AND state = 'pending' AND lease_owner = $3) \
         AND (outcome = 'unknown' OR (outcome = 'retry' AND reason IN ('timeout', 'broken_reply'))) \
         AND NOT (delivery = $4 AND via = $5 AND COALESCE(text_hash, '') = $6) GROUP BY via",
    )
    .bind(&key.target)
    .bind(&key.group)
    .bind(owner)
    .bind(begun.map_or(0, |(delivery, _)| delivery))
    .bind(begun.map_or("", |(_, rendering)| &rendering.via))
    .bind(begun.map_or("", |(_, rendering)| &rendering.text_hash))
    .fetch_all()
    .await?;
    rows.iter().map(|row| Ok((row.try_get("via")?, row.try_get("last")?))).collect()
}

/// Who has refused the text of this delivery; a mailbox that takes nothing says nothing of the text, and neither does who refuses a digest.
async fn refusals(session: &mut Session<'_>, delivery: i64) -> Result<Refusals, sqlx::Error> {
    let rows = session.query(
        "SELECT DISTINCT via, fit FROM attempts WHERE delivery = $1 AND outcome IN ('rejected', 'too_large') \
         AND COALESCE(reason, '') <> 'mailbox' AND part <> $2",
    )
    .bind(delivery)
    .bind(i64::from(DIGEST_PART))
    .fetch_all()
    .await?;
    let mut refusals = Refusals::default();
    for row in rows {
        refusals.add(row.try_get("via")?, wording_from_word(row.try_get("fit")?));
    }
    Ok(refusals)
}

async fn progress(session: &mut Session<'_>, delivery: &Row) -> Result<Option<Progress>, sqlx::Error> {
    let (via, wording, at, parts): (Option<String>, Option<String>, Option<i64>, Option<i64>) = (
        delivery.try_get("via")?,
        delivery.try_get("fit")?,
        delivery.try_get("rendered_at")?,
        delivery.try_get("parts")?,
    );
    let (Some(via), Some(wording), Some(at), Some(parts)) = (via, wording, at, parts) else {
        return Ok(None);
    };
    let text_hash = delivery.try_get::<Option<String>>("text_hash")?.unwrap_or_default();
    let done: Vec<i64> = session.query(
        "SELECT part FROM attempts WHERE delivery = $1 AND outcome = 'delivered' AND via = $2 AND fit = $3 \
           AND COALESCE(text_hash, '') = $4",
    )
    .bind(delivery.try_get::<i64>("id")?)
    .bind(&via)
    .bind(&wording)
    .bind(&text_hash)
    .fetch_values()
    .await?;
    let done: BTreeSet<u32> = done.into_iter().filter_map(|part| u32::try_from(part).ok()).collect();
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    Ok(Some(Progress {
        rendering: Rendering { via, wording: wording_from_word(&wording), at: Millis(at), parts, text_hash },
        done,
        recipients: recipients(delivery)?,
    }))
}

fn recipients(row: &Row) -> Result<BTreeMap<String, RecipientStatus>, sqlx::Error> {
    let recipients: Option<String> = row.try_get("recipients")?;
    recipients.map_or(Ok(BTreeMap::new()), |recipients| from_json(&recipients))
}

fn pending(row: &Row) -> Result<Pending, sqlx::Error> {
    Ok(Pending {
        id: row.try_get("id")?,
        accepted_at: Millis(row.try_get("accepted_at")?),
        alerts: fingerprints_from_json(row.try_get("alerts")?)?,
        outside_hours: fingerprints_from_json(row.try_get("quiet")?)?,
        mentions: mentions_from_json(row.try_get("mentions")?)?,
        attempts: u32::try_from(row.try_get::<i64>("attempts")?).unwrap_or(u32::MAX),
        is_straggling: row.try_get::<i64>("is_straggling")? > 0,
        recipients: recipients(row)?,
        is_revision: row.try_get::<i64>("is_revision")? > 0,
        sender: sender(row)?,
        payload: Bytes::from(row.try_get::<Vec<u8>>("payload")?),
    })
}

/// Columns that are NULL were written by a version that did not have them.
pub(super) fn sender(row: &Row) -> Result<Sender, sqlx::Error> {
    Ok(Sender {
        source: row.try_get("source")?,
        name: row.try_get::<Option<String>>("sender")?.unwrap_or_default(),
        address: row.try_get::<Option<String>>("address")?.unwrap_or_default(),
    })
}

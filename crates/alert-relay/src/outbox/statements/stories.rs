//! The statements behind a story: what became of one delivery, and where an alert was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Millis;
use crate::delivery::{End, PublicId, Rendering};
use crate::notification::Fingerprint;
use crate::outbox::columns::{
    fingerprints_from_json, from_json, mentions_from_json, to_json, wording_from_word,
};
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::sent_parts;
use crate::outbox::statements::webhooks::received;
use crate::story::{
    Attempt, DeliveryStatus, MAX_ATTEMPTS, MAX_SIGHTINGS, Sighting, Sightings, Story, Unrouted,
};

/// Newest rows, of deliveries and of webhooks, in which an alert is looked for. They are read one after the other: a second at most, beside a relay that works.
const ROWS_LOOKED_AT: i64 = 200_000;

/// The story of the delivery with this number, without its webhook's body; `None`: there is none.
pub(in crate::outbox) async fn story(
    session: &mut Session<'_>,
    tag: &Arc<str>,
    number: i64,
) -> Result<Option<Story>, sqlx::Error> {
    let mut moment = session.moment().await?;
    let mut session = moment.session();
    let row = session.query(
        "SELECT deliveries.id, target, alerts, quiet, mentions, routes, state, next_at, lease_until, via, fit, rendered_at, parts, text_hash, \
           parts_done, recipients, is_straggling, ended_at, end_reason, superseded_by, \
           received.id AS notification, received.accepted_at AS received_at, received.endpoint, received.receiver, \
           received.source, received.sender, received.address, received.group_key, received.duplicate_of \
         FROM deliveries JOIN notifications AS received ON received.id = deliveries.notification WHERE deliveries.id = $1",
    )
    .bind(number)
    .fetch_optional()
    .await?;
    let Some(row) = row else { return Ok(None) };
    let count: i64 =
        session.query("SELECT COUNT(*) FROM attempts WHERE delivery = $1").bind(number).fetch_value().await?;
    let newest = session
        .query(
            "SELECT via, part, started_at, ended_at, outcome, reason, detail, pause_until FROM attempts \
         WHERE delivery = $1 ORDER BY id DESC LIMIT $2 + 0",
        )
        .bind(number)
        .bind(i64::from(MAX_ATTEMPTS))
        .fetch_all()
        .await?;
    let sent = sent_parts::of(&mut session, number).await?;
    moment.commit().await?;
    let attempts: Vec<Attempt> = newest.iter().rev().map(attempt).collect::<Result<_, _>>()?;
    let older = u64::try_from(count).unwrap_or(0).saturating_sub(attempts.len() as u64);
    Ok(Some(Story { attempts, older_attempts: older, sent, ..tell(tag, &row)? }))
}

fn tell(tag: &Arc<str>, row: &Row) -> Result<Story, sqlx::Error> {
    let routes: Option<String> = row.try_get("routes")?;
    let recipients: Option<String> = row.try_get("recipients")?;
    Ok(Story {
        id: PublicId::new(tag, row.try_get("id")?),
        target: row.try_get("target")?,
        received: received(row)?,
        routes: routes.map(|routes| from_json(&routes)).transpose()?,
        alerts: fingerprints_from_json(row.try_get("alerts")?)?,
        outside_hours: fingerprints_from_json(row.try_get("quiet")?)?,
        mentions: mentions_from_json(row.try_get("mentions")?)?,
        rendering: rendering(row)?,
        parts_done: u32::try_from(row.try_get::<i64>("parts_done")?).unwrap_or(u32::MAX),
        recipients: recipients.map_or(Ok(BTreeMap::new()), |recipients| from_json(&recipients))?,
        status: status(tag, row)?,
        attempts: Vec::new(),
        older_attempts: 0,
        sent: Vec::new(),
    })
}

fn rendering(row: &Row) -> Result<Option<Rendering>, sqlx::Error> {
    let (via, wording): (Option<String>, Option<String>) = (row.try_get("via")?, row.try_get("fit")?);
    let (at, parts): (Option<i64>, Option<i64>) = (row.try_get("rendered_at")?, row.try_get("parts")?);
    let (Some(via), Some(wording), Some(at), Some(parts)) = (via, wording, at, parts) else {
        return Ok(None);
    };
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    let text_hash = row.try_get::<Option<String>>("text_hash")?.unwrap_or_default();
    Ok(Some(Rendering { via, wording: wording_from_word(&wording), at: Millis(at), parts, text_hash }))
}

fn status(tag: &Arc<str>, row: &Row) -> Result<DeliveryStatus, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let Some(end) = End::ALL.into_iter().find(|end| end.as_str() == state) else {
        return Ok(DeliveryStatus::Pending {
            next_at: Millis(row.try_get("next_at")?),
            leased_until: row.try_get::<Option<i64>>("lease_until")?.map(Millis),
            is_straggling: row.try_get::<i64>("is_straggling")? > 0,
        });
    };
    Ok(DeliveryStatus::Ended {
        end,
        at: Millis(row.try_get::<Option<i64>>("ended_at")?.unwrap_or_default()),
        reason: row.try_get::<Option<String>>("end_reason")?.unwrap_or_default(),
        sent_with: row.try_get::<Option<i64>>("superseded_by")?.map(|by| PublicId::new(tag, by)),
    })
}

fn attempt(row: &Row) -> Result<Attempt, sqlx::Error> {
    Ok(Attempt {
        at: Millis(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>>("ended_at")?.map(Millis),
        via: row.try_get("via")?,
        part: u32::try_from(row.try_get::<i64>("part")?).unwrap_or(u32::MAX),
        outcome: row.try_get("outcome")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        pause_until: row.try_get::<Option<i64>>("pause_until")?.map(Millis),
    })
}

/// The newest deliveries that were set aside.
pub(in crate::outbox) async fn set_aside(
    session: &mut Session<'_>,
    tag: &Arc<str>,
) -> Result<Sightings, sqlx::Error> {
    let rows = session.query(
        "SELECT id, target, accepted_at, state, next_at, lease_until, is_straggling, ended_at, end_reason, superseded_by \
         FROM deliveries WHERE state = 'dead' AND end_reason LIKE 'set aside: %' ORDER BY id DESC LIMIT $1 + 0",
    )
    .bind(i64::from(MAX_SIGHTINGS) + 1)
    .fetch_all()
    .await?;
    let shown = MAX_SIGHTINGS as usize;
    let deliveries = rows.iter().take(shown).map(|row| sighting(tag, row, false));
    Ok(Sightings {
        deliveries: deliveries.collect::<Result<_, sqlx::Error>>()?,
        unrouted: Vec::new(),
        is_cut: rows.len() > shown,
    })
}

fn sighting(tag: &Arc<str>, row: &Row, is_outside_hours: bool) -> Result<Sighting, sqlx::Error> {
    Ok(Sighting {
        id: PublicId::new(tag, row.try_get("id")?),
        target: row.try_get("target")?,
        at: Millis(row.try_get("accepted_at")?),
        is_outside_hours,
        status: status(tag, row)?,
    })
}

/// Where the newest rows hold an alert.
pub(in crate::outbox) async fn sightings(
    session: &mut Session<'_>,
    tag: &Arc<str>,
    fingerprint: &Fingerprint,
) -> Result<Sightings, sqlx::Error> {
    let mut moment = session.moment().await?;
    let mut session = moment.session();
    let pattern = in_json_list(fingerprint);
    let ends = session
        .query("SELECT (SELECT MIN(id) FROM deliveries), (SELECT MAX(id) FROM deliveries)")
        .fetch_one()
        .await?;
    let (oldest, newest): (Option<i64>, Option<i64>) = (ends.try_get(0)?, ends.try_get(1)?);
    let looked_from = newest.unwrap_or_default().saturating_sub(ROWS_LOOKED_AT);
    // One more than are shown says that there are more.
    let limit = i64::from(MAX_SIGHTINGS) + 1;
    let rows = session.query(
        "SELECT id, target, accepted_at, quiet, state, next_at, lease_until, is_straggling, ended_at, end_reason, superseded_by \
         FROM deliveries WHERE id > $1 AND (alerts LIKE $2 ESCAPE '!' OR quiet LIKE $2 ESCAPE '!') ORDER BY id DESC LIMIT $3 + 0",
    )
    .bind(looked_from)
    .bind(&pattern)
    .bind(limit)
    .fetch_all()
    .await?;
    let ends =
        session.query(
            "SELECT (SELECT MIN(id) FROM notifications WHERE unrouted IS NOT NULL), (SELECT MAX(id) FROM notifications WHERE unrouted IS NOT NULL)",
        ).fetch_one().await?;
    let (oldest_unrouted, newest): (Option<i64>, Option<i64>) = (ends.try_get(0)?, ends.try_get(1)?);
    let unrouted_from = newest.unwrap_or_default().saturating_sub(ROWS_LOOKED_AT);
    let unrouted = session.query(
        "SELECT id, accepted_at, endpoint FROM notifications \
         WHERE unrouted IS NOT NULL AND id > $1 AND unrouted LIKE $2 ESCAPE '!' ORDER BY id DESC LIMIT $3 + 0",
    )
    .bind(unrouted_from)
    .bind(&pattern)
    .bind(limit)
    .fetch_all()
    .await?;
    moment.commit().await?;
    let shown = MAX_SIGHTINGS as usize;
    let is_cut = rows.len() > shown
        || unrouted.len() > shown
        || oldest.is_some_and(|oldest| oldest <= looked_from)
        || oldest_unrouted.is_some_and(|oldest| oldest <= unrouted_from);
    let held =
        |row: &Row| sighting(tag, row, fingerprints_from_json(row.try_get("quiet")?)?.contains(fingerprint));
    let webhook = |row: &Row| {
        Ok(Unrouted {
            notification: row.try_get("id")?,
            at: Millis(row.try_get("accepted_at")?),
            endpoint: row.try_get("endpoint")?,
        })
    };
    Ok(Sightings {
        deliveries: rows.iter().take(shown).map(held).collect::<Result<_, sqlx::Error>>()?,
        unrouted: unrouted.iter().take(shown).map(webhook).collect::<Result<_, sqlx::Error>>()?,
        is_cut,
    })
}

/// A pattern for LIKE that finds a fingerprint in a JSON list of them.
fn in_json_list(fingerprint: &Fingerprint) -> String {
    let escaped = to_json(&fingerprint.0).replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

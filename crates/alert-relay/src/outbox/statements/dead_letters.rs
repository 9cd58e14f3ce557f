//! Dead letters sent again or given up, a transaction for a few of them.

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::operation::dead_letters::{AT_ONCE, Treatment};
use crate::operation::deliveries::{HandSettled, Place};
use crate::outbox::columns::ACCEPTED;
use crate::outbox::letters::{LetterBatch, Letters};
use crate::outbox::listing::{Conditions, NEWEST_FIRST};
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::lists::bound;

/// One dead letter.
struct Letter {
    place: Place,
    target: String,
    group: String,
}

/// Treats the next of the dead letters that are meant.
pub(in crate::outbox) async fn treat(
    session: &mut Session<'_>,
    letters: &Letters,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<LetterBatch, sqlx::Error> {
    let found = next(session, letters).await?;
    let mut batch = LetterBatch::default();
    for letter in found.iter().take(AT_ONCE as usize) {
        batch.looked_at += 1;
        batch.last = Some(letter.place);
        match &letters.treatment {
            Treatment::GiveUp => batch.changed += give_up(session, letter.place.number).await?,
            Treatment::Retry { targets } => match targets.get(&letter.target) {
                None => batch.without_target += 1,
                Some(target) => retry(session, letter, target, now, gathered, &mut batch).await?,
            },
        }
    }
    batch.has_more = found.len() > AT_ONCE as usize;
    Ok(batch)
}

async fn next(session: &mut Session<'_>, letters: &Letters) -> Result<Vec<Letter>, sqlx::Error> {
    let mut conditions = Conditions::of(&letters.filter).after(letters.after);
    let mut tables = "deliveries";
    if let Some(number) = letters.number {
        conditions = conditions.with_number(number);
    }
    if let Some(text) = &letters.filter.text {
        conditions = conditions.with_text(text);
        tables = "deliveries CROSS JOIN subjects";
    }
    let text = conditions.text().to_owned();
    let limit = conditions.limit(AT_ONCE + 1);
    let sql = format!(
        "SELECT deliveries.id, deliveries.accepted_at, deliveries.target, deliveries.group_id FROM {tables} WHERE {text} {NEWEST_FIRST} \
         LIMIT {limit}"
    );
    let rows = bound(session.query(AssertSqlSafe(sql)), conditions.into_values()).fetch_all().await?;
    rows.iter()
        .map(|row| {
            Ok(Letter {
                place: Place { at: Millis(row.try_get("accepted_at")?), number: row.try_get("id")? },
                target: row.try_get("target")?,
                group: row.try_get("group_id")?,
            })
        })
        .collect()
}

async fn give_up(session: &mut Session<'_>, number: i64) -> Result<u64, sqlx::Error> {
    let changed = session
        .query("UPDATE deliveries SET settled = $1 WHERE id = $2 AND state = 'dead' AND settled IS NULL")
        .bind(HandSettled::GivenUp.as_str())
        .bind(number)
        .execute()
        .await?;
    Ok(changed)
}

/// Sends the newest dead snapshot of the letter's queue again, to the target that has its target's name now, and with it everything dead in that queue: it is newer than that. Nothing is
/// sent of a queue in which something newer is alive, and what has ended since is not sent as firing.
async fn retry(
    session: &mut Session<'_>,
    letter: &Letter,
    target: &str,
    now: Millis,
    gathered: &mut Gathered,
    batch: &mut LetterBatch,
) -> Result<(), sqlx::Error> {
    // A suppressed one was sent to nobody.
    let newest = session.query(
        "SELECT id, state FROM deliveries WHERE group_id = $1 AND target IN ($2, $3) AND state <> 'suppressed' \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(&letter.group)
    .bind(&letter.target)
    .bind(target)
    .fetch_one()
    .await?;
    let (number, state): (i64, String) = (newest.try_get("id")?, newest.try_get("state")?);
    if state != "dead" {
        // One of these letters may have put it there just now.
        let is_settled: bool = session
            .query("SELECT settled IS NOT NULL FROM deliveries WHERE id = $1")
            .bind(letter.place.number)
            .fetch_value()
            .await?;
        if !is_settled {
            batch.told_since += 1;
        }
        return Ok(());
    }
    // What its senders have said last goes with it, where there was nothing to send of that by itself: an end, mostly.
    let added: Vec<i64> = session.query(
        "INSERT INTO deliveries (notification, target, group_id, alerts, quiet, mentions, is_urgent, state, accepted_at, next_at, routes, \
           is_revision, names) \
         SELECT notification, $5, group_id, alerts, quiet, mentions, is_urgent, 'pending', $1, 0, routes, is_revision, names \
         FROM deliveries WHERE id = $2 OR id > $2 AND group_id = $3 AND target IN ($4, $5) AND state = 'suppressed' AND is_revision = 0 \
           AND notification IN (SELECT notification FROM senders WHERE group_id = $3) \
         ORDER BY id RETURNING id",
    )
    .bind(now.0)
    .bind(number)
    .bind(&letter.group)
    .bind(&letter.target)
    .bind(target)
    .fetch_values()
    .await?;
    let again = added.iter().copied().max().ok_or(sqlx::Error::RowNotFound)?;
    gathered.count(target, ACCEPTED, u64::try_from(added.len()).unwrap_or(u64::MAX));
    let changed = session
        .query(
            "UPDATE deliveries SET settled = $1, superseded_by = $2 \
         WHERE group_id = $3 AND target IN ($4, $5) AND state = 'dead' AND settled IS NULL",
        )
        .bind(HandSettled::Retried.as_str())
        .bind(again)
        .bind(&letter.group)
        .bind(&letter.target)
        .bind(target)
        .execute()
        .await?;
    batch.changed += changed;
    batch.deliveries.push(again);
    Ok(())
}

//! The ledger's rows: what each target was last sent of each alert, how many of them are kept, and which are read.
//!
//! A group may have had any number of alerts, and its next webhook may hold one. So a claim reads what can matter to it: the alerts that
//! the target knows as firing, and of those that are over the ones that its webhooks name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::{DeliveryKey, Ended, LedgerEntry, Pending};
use crate::notification::{Alert, Fingerprint, LabelSet, Status};
use crate::outbox::columns::{from_json, to_json};
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::rows::{in_statements, parameters_from, values};

/// Rows that a target's group has at most: as many as one webhook has alerts. What is over goes first, then what was told longest ago.
pub(super) const MOST_ROWS: i64 = 20_000;

/// Bytes of an alert's labels that are kept, and as many of its annotations; a message shows no more. A pair that does not fit any more is
/// left out.
const MOST_ROW_BYTES: usize = 8 * 1024;

/// Bytes of an address that are kept; longer ones are left out, as a message leaves them out.
const MOST_ADDRESS_BYTES: usize = 2 * 1024;

/// Bytes of firing alerts that one claim reads. What is beyond is read without labels and annotations: known, and told as a number.
const MOST_READ_BYTES: usize = 8 * 1024 * 1024;

/// What an entry is made of.
const COLUMNS: &str = "fingerprint, status, starts_at, labels, annotations, generator_url, told_at, ends_at, tellers, ended_by, held_until";

/// Rows read at a time.
const PAGE: i64 = 512;

/// What a target was told as over is kept for so long: copies of it come within hours, from a second peer or an Alertmanager that was
/// restarted. After that it is a new alert.
pub(super) const OVER_IS_KEPT: Duration = Duration::from_hours(24);

/// What a target was told as firing is kept this much longer than its delivery: an alert may fire for weeks before anything is sent of it
/// again. Forgotten, it would be sent as new, and its end not at all.
pub(super) const FIRING_IS_KEPT_LONGER: Duration = Duration::from_hours(90 * 24);

/// What a group's target knows, as far as it matters to these deliveries.
pub(super) async fn read(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    claimed: &[Pending],
) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let mut entries = firing(session, key).await?;
    entries.extend(held(session, key).await?);
    let named = claimed.iter().flat_map(|delivery| delivery.alerts.iter().chain(&delivery.outside_hours));
    let mut named: BTreeSet<&str> = named.map(|fingerprint| fingerprint.0.as_str()).collect();
    for entry in &entries {
        named.remove(entry.alert.fingerprint.0.as_str());
    }
    let named: Vec<&str> = named.into_iter().collect();
    for names in in_statements(&named) {
        let sql = format!(
            "SELECT {COLUMNS} FROM told WHERE target = $1 AND group_id = $2 AND fingerprint IN {}",
            parameters_from(3, names.len())
        );
        let mut query = session.query(AssertSqlSafe(sql)).bind(&key.target).bind(&key.group);
        for name in names {
            query = query.bind(*name);
        }
        let rows = query.fetch_all().await?;
        entries.extend(rows.iter().map(|row| entry(row, true)).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(entries)
}

async fn firing(session: &mut Session<'_>, key: &DeliveryKey) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let mut entries = Vec::new();
    let (mut bytes, mut last) = (0, String::new());
    loop {
        let sql = format!(
            "SELECT {COLUMNS} FROM told \
             WHERE target = $1 AND group_id = $2 AND status = 'firing' AND fingerprint > $3 ORDER BY fingerprint LIMIT $4 + 0"
        );
        let rows = session
            .query(AssertSqlSafe(sql))
            .bind(&key.target)
            .bind(&key.group)
            .bind(&last)
            .bind(PAGE)
            .fetch_all()
            .await?;
        for row in &rows {
            entries.push(entry(row, bytes <= MOST_READ_BYTES)?);
            bytes += text_bytes(row)?;
        }
        match rows.last() {
            Some(row) => last = row.try_get("fingerprint")?,
            None => return Ok(entries),
        }
    }
}

/// What is over for one sender and not for another: few, and to be looked at although no webhook names them.
async fn held(session: &mut Session<'_>, key: &DeliveryKey) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM told WHERE target = $1 AND group_id = $2 AND held_until IS NOT NULL AND status = 'resolved' LIMIT $3 + 0"
    );
    let rows =
        session.query(AssertSqlSafe(sql)).bind(&key.target).bind(&key.group).bind(PAGE).fetch_all().await?;
    rows.iter().map(|row| entry(row, true)).collect()
}

fn text_bytes(row: &Row) -> Result<usize, sqlx::Error> {
    let length = |column: &str| row.try_get::<&str>(column).map(str::len);
    Ok(length("labels")? + length("annotations")? + length("generator_url")?)
}

/// Bytes that [`read`] will read of firing alerts.
pub(super) async fn weight(session: &mut Session<'_>, key: &DeliveryKey) -> Result<u64, sqlx::Error> {
    let bytes: i64 = session
        .query(
            "SELECT COALESCE(SUM(LENGTH(labels) + LENGTH(annotations) + LENGTH(generator_url)), 0) FROM told \
         WHERE target = $1 AND group_id = $2 AND status = 'firing'",
        )
        .bind(&key.target)
        .bind(&key.group)
        .fetch_value()
        .await?;
    Ok(u64::try_from(bytes).unwrap_or(0).min(MOST_READ_BYTES as u64))
}

fn entry(row: &Row, is_whole: bool) -> Result<LedgerEntry, sqlx::Error> {
    let status = match row.try_get("status")? {
        "firing" => Status::Firing,
        _ => Status::Resolved,
    };
    let set = |column: &str| if is_whole { from_json(row.try_get(column)?) } else { Ok(LabelSet::new()) };
    let tellers: Option<&str> = row.try_get("tellers")?;
    let tellers: BTreeMap<String, i64> = tellers.map_or(Ok(BTreeMap::new()), from_json)?;
    let ended_by: Option<String> = row.try_get("ended_by")?;
    let at = Millis(row.try_get("told_at")?);
    Ok(LedgerEntry {
        tellers: tellers.into_iter().map(|(name, since)| (name, Millis(since))).collect(),
        ended: ended_by.map(|by| Ended { by, at }),
        held_until: row.try_get::<Option<i64>>("held_until")?.map(Millis),
        alert: Alert {
            status,
            labels: set("labels")?,
            annotations: set("annotations")?,
            starts_at: Millis(row.try_get("starts_at")?).timestamp(),
            ends_at: row.try_get::<Option<i64>>("ends_at")?.map(|end| Millis(end).timestamp()),
            generator_url: if is_whole { row.try_get("generator_url")? } else { String::new() },
            fingerprint: Fingerprint(row.try_get("fingerprint")?),
        },
    })
}

/// Writes what the target knows now, and forgets what is too much.
pub(super) async fn write(
    session: &mut Session<'_>,
    key: &DeliveryKey,
    entries: &[LedgerEntry],
    now: Millis,
) -> Result<(), sqlx::Error> {
    // An entry that was read without labels (there is too much to read) says nothing of them.
    for entries in in_statements(entries) {
        let sql = format!(
            "INSERT INTO told (target, group_id, fingerprint, status, starts_at, labels, annotations, generator_url, told_at, \
               ends_at, tellers, ended_by, held_until) VALUES {} \
             ON CONFLICT (target, group_id, fingerprint) DO UPDATE SET status = excluded.status, starts_at = excluded.starts_at, \
             labels = CASE excluded.labels WHEN '{{}}' THEN told.labels ELSE excluded.labels END, \
             annotations = CASE excluded.labels WHEN '{{}}' THEN told.annotations ELSE excluded.annotations END, \
             generator_url = CASE excluded.labels WHEN '{{}}' THEN told.generator_url ELSE excluded.generator_url END, \
             told_at = excluded.told_at, ends_at = excluded.ends_at, tellers = excluded.tellers, ended_by = excluded.ended_by, \
             held_until = excluded.held_until",
            values(session, entries.len(), 13)
        );
        let mut query = session.query(AssertSqlSafe(sql));
        for LedgerEntry { alert, tellers, ended, held_until } in entries {
            let since: BTreeMap<&str, i64> =
                tellers.iter().map(|(name, since)| (name.as_str(), since.0)).collect();
            let address = &alert.generator_url;
            query = query
                .bind(&key.target)
                .bind(&key.group)
                .bind(&alert.fingerprint.0)
                .bind(alert.status.as_str())
                .bind(Millis::from(alert.starts_at).0)
                .bind(to_json(&kept(&alert.labels)))
                .bind(to_json(&kept(&alert.annotations)))
                .bind(if address.len() > MOST_ADDRESS_BYTES { "" } else { address })
                .bind(now.0)
                .bind(alert.ends_at.map(|end| Millis::from(end).0))
                .bind((!since.is_empty()).then(|| to_json(&since)))
                .bind(ended.as_ref().map(|ended| ended.by.as_str()))
                .bind(held_until.map(|until| until.0));
        }
        query.execute().await?;
    }
    if entries.is_empty() { Ok(()) } else { forget_surplus(session, key).await }
}

/// The pairs of a set that are kept: in their order, as long as there is room.
fn kept(set: &LabelSet) -> LabelSet {
    let mut room = MOST_ROW_BYTES;
    let fits = |(name, value): &(&str, &str)| {
        let left = room.checked_sub(name.len() + value.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    set.iter().filter(fits).collect()
}

async fn forget_surplus(session: &mut Session<'_>, key: &DeliveryKey) -> Result<(), sqlx::Error> {
    let rows: i64 = session
        .query("SELECT COUNT(*) FROM told WHERE target = $1 AND group_id = $2")
        .bind(&key.target)
        .bind(&key.group)
        .fetch_value()
        .await?;
    let surplus = rows - MOST_ROWS;
    if surplus <= 0 {
        return Ok(());
    }
    let statuses: Vec<String> = session.query(
        "DELETE FROM told WHERE (target, group_id, fingerprint) IN (SELECT target, group_id, fingerprint FROM told \
         WHERE target = $1 AND group_id = $2 ORDER BY CASE status WHEN 'firing' THEN 1 ELSE 0 END, told_at LIMIT $3 + 0) RETURNING status",
    )
    .bind(&key.target)
    .bind(&key.group)
    .bind(surplus)
    .fetch_values()
    .await?;
    let firing = statuses.iter().filter(|status| *status == "firing").count();
    if firing > 0 {
        let DeliveryKey { target, group } = key;
        tracing::warn!(
            %target, %group, firing,
            "{target}: {firing} firing alerts of the group {group} are forgotten, since it has more than {MOST_ROWS}: they are told as \
             new when they are seen again (hint: `group_by` in Alertmanager makes smaller groups)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_set_what_fits_is_kept() {
        let check = |lengths: &[usize], expected: &[&str]| {
            let set: LabelSet = lengths
                .iter()
                .enumerate()
                .map(|(name, length)| (name.to_string(), "x".repeat(*length)))
                .collect();
            assert_eq!(kept(&set).iter().map(|(name, _)| name).collect::<Vec<_>>(), expected, "{lengths:?}");
        };
        check(&[], &[]);
        check(&[MOST_ROW_BYTES - 1], &["0"]);
        check(&[MOST_ROW_BYTES], &[]);
        check(&[10, MOST_ROW_BYTES, 20], &["0", "2"]);
        check(&[4_000, 4_000, 4_000, 100], &["0", "1", "3"]);
    }
}

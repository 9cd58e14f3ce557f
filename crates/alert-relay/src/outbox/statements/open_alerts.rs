//! What each target believes to fire, and what no route wanted.

use std::collections::BTreeMap;

use crate::clock::Millis;
use crate::notification::{LabelSet, known_start};
use crate::operation::overview::{MOST_OPEN, OpenAlert, OpenAlerts};
use crate::operation::unrouted::{MOST_UNROUTED, UnroutedAlert, WEBHOOKS_LOOKED_AT};
use crate::outbox::columns::{fingerprints_from_json, from_json};
use crate::outbox::session::{Row, Session};
use crate::routes::UnroutedNote;

/// By target: those with the severity `critical` first, then the newest.
pub(in crate::outbox) async fn read(
    session: &mut Session<'_>,
) -> Result<BTreeMap<String, OpenAlerts>, sqlx::Error> {
    let mut moment = session.moment().await?;
    let mut session = moment.session();
    let counts = session
        .query("SELECT target, COUNT(*) AS open FROM told WHERE status = 'firing' GROUP BY target")
        .fetch_all()
        .await?;
    // Only what decides the order is sorted; the texts are read of those that are shown.
    let rows = session.query(
        "SELECT told.target, told.group_id, told.fingerprint, starts_at, labels, annotations, told_at FROM ( \
           SELECT target, group_id, fingerprint, ROW_NUMBER() OVER (PARTITION BY target ORDER BY \
             CASE WHEN labels LIKE '%\"severity\":\"critical\"%' THEN 0 ELSE 1 END, starts_at DESC, fingerprint) AS place \
           FROM told WHERE status = 'firing') AS ranked \
         JOIN told ON told.target = ranked.target AND told.group_id = ranked.group_id AND told.fingerprint = ranked.fingerprint \
         WHERE ranked.place <= $1 ORDER BY told.target, ranked.place",
    )
    .bind(i64::from(MOST_OPEN))
    .fetch_all()
    .await?;
    moment.commit().await?;
    let mut open = BTreeMap::new();
    for row in &counts {
        let count = u64::try_from(row.try_get::<i64>("open")?).unwrap_or(0);
        open.insert(row.try_get("target")?, OpenAlerts { count, alerts: Vec::new() });
    }
    for row in &rows {
        let target: String = row.try_get("target")?;
        open.entry(target).or_default().alerts.push(open_alert(row)?);
    }
    Ok(open)
}

fn open_alert(row: &Row) -> Result<OpenAlert, sqlx::Error> {
    let labels: LabelSet = from_json(row.try_get("labels")?)?;
    let said = |name: &str| labels.get(name).unwrap_or_default().to_owned();
    Ok(OpenAlert {
        fingerprint: row.try_get("fingerprint")?,
        name: said("alertname"),
        severity: said("severity"),
        since: known_start(Millis(row.try_get("starts_at")?).timestamp()).map(Millis::from),
        told_at: Millis(row.try_get("told_at")?),
        group: row.try_get("group_id")?,
        annotations: from_json(row.try_get("annotations")?)?,
        labels,
    })
}

/// The alerts that no route wanted, from the newest webhooks that hold such ones.
pub(in crate::outbox) async fn unrouted(
    session: &mut Session<'_>,
) -> Result<Vec<UnroutedAlert>, sqlx::Error> {
    let rows = session.query(
        "SELECT notifications.id, accepted_at, endpoint, notifications.unrouted, subjects.unrouted AS notes FROM notifications \
         LEFT JOIN subjects ON subjects.notification = notifications.id \
         WHERE notifications.unrouted IS NOT NULL ORDER BY notifications.id DESC LIMIT $1 + 0",
    )
    .bind(i64::from(WEBHOOKS_LOOKED_AT))
    .fetch_all()
    .await?;
    let mut found: Vec<UnroutedAlert> = Vec::new();
    for row in &rows {
        let notes: Option<String> = row.try_get("notes")?;
        let notes: Vec<UnroutedNote> = notes.map(|notes| from_json(&notes)).transpose()?.unwrap_or_default();
        for fingerprint in fingerprints_from_json(row.try_get("unrouted")?)? {
            if found.len() == MOST_UNROUTED {
                return Ok(found);
            }
            let receiver: String = row.try_get("endpoint")?;
            let is_known =
                |known: &UnroutedAlert| known.fingerprint == fingerprint.0 && known.receiver == receiver;
            if found.iter().any(is_known) {
                continue;
            }
            let note = notes.iter().find(|note| note.fingerprint == fingerprint.0);
            found.push(UnroutedAlert {
                at: Millis(row.try_get("accepted_at")?),
                notification: row.try_get("id")?,
                receiver,
                fingerprint: fingerprint.0,
                labels: note.map(|note| note.labels.clone()),
                why: note.map(|note| note.why.clone()),
                routes_now: Vec::new(),
            });
        }
    }
    Ok(found)
}

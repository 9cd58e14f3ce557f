//! The statements behind stored webhooks: one by its number, and those of a span of time, one after the other.

use bytes::Bytes;
use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::notification::GroupKey;
use crate::outbox::arrival::HEARTBEATS;
use crate::outbox::columns::{fingerprints_from_json, mentions_from_json};
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::claimed::sender;
use crate::routes::Planned;
use crate::story::{Received, Span};

/// What a webhook's row says, and the body of the original where it is a copy.
const SELECT: &str = "SELECT received.id AS notification, received.accepted_at AS received_at, received.endpoint, received.receiver, \
   received.source, received.sender, received.address, received.group_key, received.duplicate_of, \
   COALESCE(received.payload, original.payload) AS payload \
 FROM notifications AS received LEFT JOIN notifications AS original ON original.id = received.duplicate_of";

/// The webhook with this number; `None`: there is none, or no longer.
pub(in crate::outbox) async fn webhook(
    session: &mut Session<'_>,
    number: i64,
) -> Result<Option<Received>, sqlx::Error> {
    let statement = AssertSqlSafe(format!("{SELECT} WHERE received.id = $1"));
    let row = session.query(statement).bind(number).fetch_optional().await?;
    row.as_ref().map(with_body).transpose()
}

/// Bytes of the body that [`webhook`] would read, which is not read for that; `None`: there is none, or no longer.
pub(in crate::outbox) async fn bytes(
    session: &mut Session<'_>,
    number: i64,
) -> Result<Option<u64>, sqlx::Error> {
    let row = session
        .query(
            "SELECT CAST(COALESCE(LENGTH(received.payload), LENGTH(original.payload)) AS BIGINT) AS bytes \
             FROM notifications AS received LEFT JOIN notifications AS original ON original.id = received.duplicate_of \
             WHERE received.id = $1",
        )
        .bind(number)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(row.try_get::<Option<i64>>("bytes")?.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// The newest webhook of a group that is no copy: what its senders said last, and, of those that are forgotten, what was delivered.
pub(in crate::outbox) async fn newest(
    session: &mut Session<'_>,
    group_id: &str,
) -> Result<Option<Received>, sqlx::Error> {
    let statement = AssertSqlSafe(format!(
        "{SELECT} WHERE received.duplicate_of IS NULL AND received.id IN ( \
           SELECT notification FROM senders WHERE group_id = $1 UNION SELECT notification FROM deliveries WHERE group_id = $1) \
         ORDER BY received.id DESC LIMIT 1"
    ));
    let row = session.query(statement).bind(group_id).fetch_optional().await?;
    row.as_ref().map(with_body).transpose()
}

/// Which of the webhooks accepted since then are taken: the newest, as many as are wanted and as many bytes. Copies and what the relay
/// posts itself do not count.
pub(in crate::outbox) async fn span(
    session: &mut Session<'_>,
    since: Millis,
    most: u32,
    most_bytes: u64,
) -> Result<Span, sqlx::Error> {
    let own = format!("{HEARTBEATS}%");
    let newest = session
        .query(
            "SELECT id, CAST(COALESCE(LENGTH(payload), 0) AS BIGINT) AS bytes FROM notifications \
             WHERE accepted_at >= $1 AND duplicate_of IS NULL AND endpoint NOT LIKE $2 ORDER BY id DESC LIMIT $3 + 0",
        )
        .bind(since.0)
        .bind(&own)
        .bind(i64::from(most))
        .fetch_all()
        .await?;
    let all: i64 = session
        .query(
            "SELECT COUNT(*) FROM notifications WHERE accepted_at >= $1 AND duplicate_of IS NULL AND endpoint NOT LIKE $2",
        )
        .bind(since.0)
        .bind(&own)
        .fetch_value()
        .await?;
    let mut numbers = Vec::new();
    let mut bytes = 0_u64;
    for row in &newest {
        let length: i64 = row.try_get("bytes")?;
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(0));
        if bytes > most_bytes {
            break;
        }
        numbers.push(row.try_get("id")?);
    }
    numbers.reverse();
    let older = u64::try_from(all).unwrap_or(0).saturating_sub(numbers.len() as u64);
    Ok(Span { numbers, older })
}

/// Where a webhook's alerts went, as it was routed then.
pub(in crate::outbox) async fn recorded(
    session: &mut Session<'_>,
    number: i64,
) -> Result<Vec<Planned>, sqlx::Error> {
    let rows = session
        .query("SELECT target, alerts, quiet, mentions FROM deliveries WHERE notification = $1 ORDER BY id")
        .bind(number)
        .fetch_all()
        .await?;
    let mut shares: Vec<Planned> = Vec::new();
    for row in &rows {
        let share = Planned {
            target: row.try_get("target")?,
            alerts: fingerprints_from_json(row.try_get("alerts")?)?,
            outside_hours: fingerprints_from_json(row.try_get("quiet")?)?,
            mentions: mentions_from_json(row.try_get("mentions")?)?,
            routes: Vec::new(),
        };
        // What the relay has added by itself has no alerts; what was sent again has those of the first.
        let is_routed = !share.alerts.is_empty() || !share.outside_hours.is_empty();
        if is_routed && shares.iter().all(|other| other.target != share.target) {
            shares.push(share);
        }
    }
    Ok(shares)
}

fn with_body(row: &Row) -> Result<Received, sqlx::Error> {
    let payload = row.try_get::<Option<Vec<u8>>>("payload")?.map(Bytes::from);
    Ok(Received { payload, ..received(row)? })
}

/// The webhook in a row that has its columns, without its body.
pub(super) fn received(row: &Row) -> Result<Received, sqlx::Error> {
    Ok(Received {
        notification: row.try_get("notification")?,
        at: Millis(row.try_get("received_at")?),
        endpoint: row.try_get("endpoint")?,
        receiver: row.try_get("receiver")?,
        sender: sender(row)?,
        group_key: GroupKey(row.try_get("group_key")?),
        duplicate_of: row.try_get("duplicate_of")?,
        payload: None,
    })
}

//! The statements behind lists of deliveries and webhooks.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::PublicId;
use crate::operation::deliveries::{
    DeliveryFilter, DeliveryPage, DeliveryState, DeliverySummary, HandSettled, PageRequest, Place,
};
use crate::operation::previews::{RECENT_WEBHOOKS, RecentWebhook};
use crate::outbox::listing::{Conditions, NEWEST_FIRST, Value};
use crate::outbox::session::{Query, Row, Session};

/// A page of the deliveries that a filter asks for.
pub(in crate::outbox) async fn page(
    session: &mut Session<'_>,
    tag: &Arc<str>,
    filter: &DeliveryFilter,
    request: &PageRequest,
) -> Result<DeliveryPage, sqlx::Error> {
    let mut moment = session.moment().await?;
    let looked_back_to = match &filter.text {
        Some(_) => last_looked_at(&mut moment.session(), filter, request).await?,
        None => None,
    };
    // One more says that there are more.
    let rows = found(&mut moment.session(), filter, request, looked_back_to).await?;
    moment.commit().await?;
    let shown = request.limit as usize;
    let deliveries: Vec<DeliverySummary> =
        rows.iter().take(shown).map(|row| summary(tag, row)).collect::<Result<_, _>>()?;
    if rows.len() > shown {
        let last = deliveries.last().map(|last| Place { at: last.accepted_at, number: last.id.number() });
        return Ok(DeliveryPage { deliveries, next: last, looked_back_to: None });
    }
    Ok(DeliveryPage {
        deliveries,
        next: looked_back_to,
        looked_back_to: looked_back_to.map(|place| place.at),
    })
}

/// The last of the deliveries in whose texts one page looks; `None`: it is the last of all.
async fn last_looked_at(
    session: &mut Session<'_>,
    filter: &DeliveryFilter,
    request: &PageRequest,
) -> Result<Option<Place>, sqlx::Error> {
    let mut conditions = Conditions::of(filter).after(request.after);
    let text = conditions.text().to_owned();
    // One more than is looked at says that there are more: then the one before it is the last.
    let offset = conditions.limit(request.looks_at.saturating_sub(1));
    let sql =
        format!("SELECT accepted_at, id FROM deliveries WHERE {text} {NEWEST_FIRST} LIMIT 2 OFFSET {offset}");
    let values = conditions.into_values();
    let rows = bound(session.query(AssertSqlSafe(sql)), values).fetch_all().await?;
    match rows.as_slice() {
        [last, _beyond] => Ok(Some(place(last)?)),
        _ => Ok(None),
    }
}

async fn found(
    session: &mut Session<'_>,
    filter: &DeliveryFilter,
    request: &PageRequest,
    down_to: Option<Place>,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut conditions = Conditions::of(filter).after(request.after).down_to(down_to);
    let mut tables = "deliveries";
    if let Some(text) = &filter.text {
        conditions = conditions.with_text(text);
        // CROSS: each delivery in the order of the list, and its text then, so that a full page ends the search.
        tables = "deliveries CROSS JOIN subjects";
    }
    let text = conditions.text().to_owned();
    let limit = conditions.limit(request.limit + 1);
    // What is shown is read of those alone that are.
    let sql = format!(
        "SELECT deliveries.id, deliveries.target, deliveries.accepted_at, deliveries.group_id, deliveries.names, is_urgent, state, attempts, \
           via, next_at, ended_at, end_reason, superseded_by, settled, notifications.endpoint, notifications.group_key \
         FROM (SELECT deliveries.id AS number FROM {tables} WHERE {text} {NEWEST_FIRST} LIMIT {limit}) AS page \
         JOIN deliveries ON deliveries.id = page.number JOIN notifications ON notifications.id = deliveries.notification {NEWEST_FIRST}"
    );
    bound(session.query(AssertSqlSafe(sql)), conditions.into_values()).fetch_all().await
}

/// A statement with these values.
pub(super) fn bound<'q>(statement: Query<'q>, values: Vec<Value<'_>>) -> Query<'q> {
    values.into_iter().fold(statement, |statement, value| match value {
        Value::Text(text) => statement.bind(text.into_owned()),
        Value::Number(number) => statement.bind(number),
    })
}

fn place(row: &Row) -> Result<Place, sqlx::Error> {
    Ok(Place { at: Millis(row.try_get("accepted_at")?), number: row.try_get("id")? })
}

/// One delivery, from its columns and its webhook's.
pub(super) fn summary(tag: &Arc<str>, row: &Row) -> Result<DeliverySummary, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let state = DeliveryState::of(&state);
    let next_at: i64 = row.try_get("next_at")?;
    let settled: Option<String> = row.try_get("settled")?;
    Ok(DeliverySummary {
        id: PublicId::new(tag, row.try_get("id")?),
        target: row.try_get("target")?,
        accepted_at: Millis(row.try_get("accepted_at")?),
        receiver: row.try_get("endpoint")?,
        group: row.try_get("group_id")?,
        group_key: group_key(row)?,
        alerts: row.try_get("names")?,
        is_urgent: row.try_get::<i64>("is_urgent")? > 0,
        state,
        attempts: u64::try_from(row.try_get::<i64>("attempts")?).unwrap_or(0),
        via: row.try_get("via")?,
        next_try: Some(Millis(next_at)).filter(|next| state == DeliveryState::Pending && next.0 > 0),
        ended_at: row.try_get::<Option<i64>>("ended_at")?.map(Millis),
        reason: row.try_get("end_reason")?,
        sent_with: row.try_get::<Option<i64>>("superseded_by")?.map(|by| PublicId::new(tag, by)),
        settled: settled.as_deref().and_then(HandSettled::of),
    })
}

/// The list's row of one delivery; `None`: there is none.
pub(in crate::outbox) async fn one(
    session: &mut Session<'_>,
    tag: &Arc<str>,
    number: i64,
) -> Result<Option<DeliverySummary>, sqlx::Error> {
    let row = session.query(
        "SELECT deliveries.id, deliveries.target, deliveries.accepted_at, deliveries.group_id, deliveries.names, is_urgent, state, attempts, \
           via, next_at, ended_at, end_reason, superseded_by, settled, notifications.endpoint, notifications.group_key \
         FROM deliveries JOIN notifications ON notifications.id = deliveries.notification WHERE deliveries.id = $1",
    )
    .bind(number)
    .fetch_optional()
    .await?;
    row.map(|row| summary(tag, &row)).transpose()
}

/// How many dead letters there are.
pub(in crate::outbox) async fn dead_letters(session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
    let count: i64 = session
        .query("SELECT COUNT(*) FROM deliveries WHERE state = 'dead' AND settled IS NULL")
        .fetch_value()
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The newest webhooks whose bodies are stored.
pub(in crate::outbox) async fn recent_webhooks(
    session: &mut Session<'_>,
) -> Result<Vec<RecentWebhook>, sqlx::Error> {
    let rows = session.query(
        "SELECT notifications.id, accepted_at, endpoint, group_key, CAST(LENGTH(payload) AS BIGINT) AS bytes, names FROM notifications \
         LEFT JOIN subjects ON subjects.notification = notifications.id \
         WHERE duplicate_of IS NULL AND payload IS NOT NULL ORDER BY notifications.id DESC LIMIT $1 + 0",
    )
    .bind(i64::from(RECENT_WEBHOOKS))
    .fetch_all()
    .await?;
    let webhook = |row: &Row| {
        Ok(RecentWebhook {
            notification: row.try_get("id")?,
            at: Millis(row.try_get("accepted_at")?),
            receiver: row.try_get("endpoint")?,
            group_key: group_key(row)?,
            alerts: row.try_get("names")?,
            bytes: u64::try_from(row.try_get::<i64>("bytes")?).unwrap_or(0),
        })
    };
    rows.iter().map(webhook).collect()
}

/// Bytes of a group's name that are shown: it may be of any length.
const MOST_KEY_BYTES: usize = 512;

fn group_key(row: &Row) -> Result<String, sqlx::Error> {
    let mut key: String = row.try_get("group_key")?;
    key.truncate(key.floor_char_boundary(MOST_KEY_BYTES));
    Ok(key)
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row as _, SqliteConnection};

    use super::*;
    use crate::outbox::sqlite::schema;

    fn filters() -> Vec<DeliveryFilter> {
        let filter = DeliveryFilter::default;
        vec![
            filter(),
            DeliveryFilter { from: Some(Millis(400_000_000)), until: Some(Millis(500_000_000)), ..filter() },
            DeliveryFilter { target: Some("target-7".to_owned()), ..filter() },
            DeliveryFilter { target: Some("nobody".to_owned()), ..filter() },
            DeliveryFilter { group: Some("group-77".to_owned()), ..filter() },
            DeliveryFilter { state: Some(DeliveryState::Dead), ..filter() },
            DeliveryFilter { state: Some(DeliveryState::Pending), ..filter() },
            DeliveryFilter { only_dead_letters: true, ..filter() },
        ]
    }

    /// A list reads no delivery but those it shows: a row may hold the fingerprints of thousands of alerts.
    #[tokio::test]
    async fn what_is_shown_is_found_in_indexes_alone() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection).await.unwrap();
        for filter in filters() {
            let conditions = Conditions::of(&filter);
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT deliveries.id FROM deliveries WHERE {} {NEWEST_FIRST} LIMIT 51",
                conditions.text()
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in conditions.into_values() {
                query = match value {
                    Value::Text(text) => query.bind(text.into_owned()),
                    Value::Number(number) => query.bind(number),
                };
            }
            let rows = query.fetch_all(&mut connection).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps.iter().all(|step| step.contains("COVERING INDEX")), "{filter}: {steps:#?}");
        }
    }
}

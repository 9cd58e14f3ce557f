//! What webhooks are about, written with them.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use crate::outbox::arrival::Arrival;
use crate::outbox::session::Session;
use crate::outbox::statements::rows::values;

/// One row for each of these arrivals, which have got these numbers, by group.
pub(in crate::outbox) async fn insert(
    session: &mut Session<'_>,
    arrivals: &[&Arrival],
    numbers: &HashMap<String, i64>,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO subjects (notification, names, text, unrouted) VALUES {}",
        values(session, arrivals.len(), 4)
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for arrival in arrivals {
        let number = numbers.get(&arrival.group_id).ok_or(sqlx::Error::RowNotFound)?;
        let subject = &arrival.subject;
        query =
            query.bind(*number).bind(&subject.names).bind(&subject.text).bind(subject.unrouted.as_deref());
    }
    query.execute().await?;
    Ok(())
}

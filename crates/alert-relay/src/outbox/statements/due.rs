//! Which queues of a target may be sent now, and which next.

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::{DeliveryKey, DueDelivery, UrgencyFilter};
use crate::outbox::session::{Row, Session};

pub(in crate::outbox) async fn due(
    session: &mut Session<'_>,
    target: &str,
    urgency: UrgencyFilter,
    now: Millis,
    limit: u32,
) -> Result<Vec<DueDelivery>, sqlx::Error> {
    let due = session.query(AssertSqlSafe(due_deliveries(urgency)));
    let rows = due.bind(target).bind(now.0).bind(i64::from(limit)).fetch_all().await?;
    rows.iter().map(|row| due_delivery(target, row)).collect()
}

pub(in crate::outbox) async fn next_due(
    session: &mut Session<'_>,
    target: &str,
    urgency: UrgencyFilter,
    now: Millis,
) -> Result<Option<Millis>, sqlx::Error> {
    let next = session.query(AssertSqlSafe(format!(
        "SELECT MIN(CASE WHEN queues.due_at > queues.leased_until THEN queues.due_at ELSE queues.leased_until END) FROM ( \
           SELECT CASE WHEN MAX(is_straggling) = 1 THEN MIN(next_at) ELSE MAX(next_at) END AS due_at, \
             COALESCE(MAX(lease_until), 0) AS leased_until \
           FROM deliveries WHERE {} GROUP BY group_id) AS queues \
         WHERE queues.due_at > $2 OR queues.leased_until > $2",
        pending_of(urgency)
    )))
    .bind(target)
    .bind(now.0);
    Ok(next.fetch_value::<Option<i64>>().await?.map(Millis))
}

/// All of a queue has to be due: a new snapshot does not cut short the wait of those before it, unless those wait for stragglers
/// alone.
fn due_deliveries(urgency: UrgencyFilter) -> String {
    format!(
        "SELECT group_id, MAX(is_urgent) AS urgent, MIN(CASE WHEN is_urgent = 1 THEN accepted_at END) AS urgent_since, \
           MAX(parts_done) AS parts_done FROM deliveries WHERE {} GROUP BY group_id \
         HAVING CASE WHEN MAX(is_straggling) = 1 THEN MIN(next_at) ELSE MAX(next_at) END <= $2 \
           AND COALESCE(MAX(lease_until), 0) <= $2 \
         ORDER BY CASE WHEN MAX(CASE WHEN is_straggling = 0 THEN parts_done ELSE 0 END) > 0 THEN 0 ELSE 1 END, \
           MAX(is_urgent) DESC, MIN(id) LIMIT $3 + 0",
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

fn due_delivery(target: &str, row: &Row) -> Result<DueDelivery, sqlx::Error> {
    Ok(DueDelivery {
        key: DeliveryKey { target: target.to_owned(), group: row.try_get("group_id")? },
        is_urgent: row.try_get::<i64>("urgent")? > 0,
        urgent_since: row.try_get::<Option<i64>>("urgent_since")?.map(Millis),
        is_begun: row.try_get::<i64>("parts_done")? > 0,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

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
            let rows = Session::Sqlite(&mut connection).query(AssertSqlSafe(plan)).fetch_all().await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
            assert!(steps.iter().any(|step| step == expected), "{urgency:?}: {steps:#?}");
            let reads_rows = |step: &String| step.contains("deliveries") && !step.contains("COVERING INDEX");
            assert!(!steps.iter().any(reads_rows), "{urgency:?}: {steps:#?}");
        }
    }
}

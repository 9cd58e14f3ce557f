//! What one transaction gathers while its requests are applied and writes once at its end: new deliveries and the counts.
//!
//! Each statement is a trip to the connection's thread; on a busy machine the trips, not the disk, set the rate at which
//! webhooks are accepted. So the deliveries of all webhooks in a transaction share a few statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::End;
use crate::outbox::arrival::{Arrival, ArrivingDelivery};
use crate::outbox::columns::ACCEPTED;
use crate::outbox::session::Session;
use crate::outbox::statements::rows::{in_statements, values};

/// Empty at the start of each transaction.
#[derive(Debug, Default)]
pub(in crate::outbox) struct Gathered {
    deliveries: Vec<DeliveryRow>,
    tally: BTreeMap<(String, &'static str), i64>,
}

#[derive(Debug)]
struct DeliveryRow {
    notification: i64,
    group_id: Arc<str>,
    delivery: ArrivingDelivery,
    at: Millis,
    is_duplicate: bool,
}

impl Gathered {
    /// Deliveries of one notification, in the order in which they are to be numbered.
    pub(in crate::outbox) fn deliver(&mut self, notification: i64, arrival: &Arrival, is_duplicate: bool) {
        let group_id: Arc<str> = Arc::from(arrival.group_id.as_str());
        for delivery in &arrival.deliveries {
            let (group_id, delivery) = (Arc::clone(&group_id), delivery.clone());
            self.add(DeliveryRow { notification, group_id, delivery, at: arrival.at, is_duplicate });
        }
    }

    /// One more delivery of a notification that is stored.
    pub(in crate::outbox) fn share(
        &mut self,
        notification: i64,
        group_id: &str,
        delivery: ArrivingDelivery,
        at: Millis,
    ) {
        let group_id = Arc::from(group_id);
        self.add(DeliveryRow { notification, group_id, delivery, at, is_duplicate: false });
    }

    fn add(&mut self, row: DeliveryRow) {
        self.count(&row.delivery.target, ACCEPTED, 1);
        if row.is_duplicate {
            self.count(&row.delivery.target, End::Suppressed.as_str(), 1);
        }
        self.deliveries.push(row);
    }

    /// Something happened to this many of a target's deliveries.
    pub(in crate::outbox) fn count(&mut self, target: &str, what: &'static str, by: u64) {
        if by > 0 {
            let by = i64::try_from(by).unwrap_or(i64::MAX);
            *self.tally.entry((target.to_owned(), what)).or_insert(0) += by;
        }
    }

    /// This many deliveries that one target was to get are another's now.
    pub(in crate::outbox) fn moved(&mut self, from: &str, to: &str, deliveries: u64) {
        let deliveries = i64::try_from(deliveries).unwrap_or(i64::MAX);
        *self.tally.entry((from.to_owned(), ACCEPTED)).or_insert(0) -= deliveries;
        *self.tally.entry((to.to_owned(), ACCEPTED)).or_insert(0) += deliveries;
    }

    /// Writes it all.
    pub(in crate::outbox) async fn write(&self, session: &mut Session<'_>) -> Result<(), sqlx::Error> {
        for rows in in_statements(&self.deliveries) {
            insert(session, rows).await?;
        }
        let tally: Vec<_> = self.tally.iter().collect();
        for counts in in_statements(&tally) {
            count(session, counts).await?;
        }
        Ok(())
    }
}

/// Each target and what happened to it stands here once.
async fn count(
    session: &mut Session<'_>,
    counts: &[(&(String, &'static str), &i64)],
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO tally (target, what, count) VALUES {} \
         ON CONFLICT (target, what) DO UPDATE SET count = tally.count + excluded.count",
        values(session, counts.len(), 3)
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for ((target, what), by) in counts {
        query = query.bind(target).bind(*what).bind(**by);
    }
    query.execute().await?;
    Ok(())
}

async fn insert(session: &mut Session<'_>, rows: &[DeliveryRow]) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO deliveries (notification, target, group_id, alerts, quiet, mentions, is_urgent, state, accepted_at, \
         next_at, ended_at, end_reason, routes, is_revision, names) VALUES {}",
        values(session, rows.len(), 15)
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for row in rows {
        let (state, ended_at, reason) = if row.is_duplicate {
            (End::Suppressed.as_str(), Some(row.at.0), Some("duplicate"))
        } else {
            ("pending", None, None)
        };
        let delivery = &row.delivery;
        query = query
            .bind(row.notification)
            .bind(&delivery.target)
            .bind(&*row.group_id)
            .bind(&delivery.alerts)
            .bind(&delivery.outside_hours)
            .bind(&delivery.mentions)
            .bind(i64::from(delivery.is_urgent))
            .bind(state)
            .bind(row.at.0)
            .bind(DUE_AT_ONCE.0)
            .bind(ended_at)
            .bind(reason)
            .bind(&delivery.routes)
            .bind(i64::from(delivery.is_revision))
            .bind(delivery.names.as_deref());
    }
    query.execute().await?;
    Ok(())
}

/// Also by a clock that is set back.
const DUE_AT_ONCE: Millis = Millis(0);

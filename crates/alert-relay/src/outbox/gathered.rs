//! What one transaction gathers while its requests are applied and writes once at its end: new deliveries and the counts.
//!
//! Each statement is a trip to the connection's thread; on a busy machine the trips, not the disk, set the rate at which
//! webhooks are accepted. So the deliveries of all webhooks in a transaction share a few statements.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::clock::Millis;
use crate::outbox::End;
use crate::outbox::arrival::ArrivingDelivery;
use crate::outbox::columns::ACCEPTED;

/// Empty at the start of each transaction.
#[derive(Debug, Default)]
pub(super) struct Gathered {
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

/// Rows in one statement: powers of two, so that a handful of prepared statements fits any number. 64 rows of 11 values stay
/// far below `SQLite`'s limit of 32,766 parameters.
const ROWS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

impl Gathered {
    /// Deliveries of one notification, in the order in which they are to be numbered.
    pub(super) fn deliver(
        &mut self,
        notification: i64,
        group_id: &str,
        deliveries: &[ArrivingDelivery],
        at: Millis,
        is_duplicate: bool,
    ) {
        let group_id: Arc<str> = Arc::from(group_id);
        for delivery in deliveries {
            self.count(&delivery.target, ACCEPTED, 1);
            if is_duplicate {
                self.count(&delivery.target, End::Suppressed.as_str(), 1);
            }
            let group_id = Arc::clone(&group_id);
            self.deliveries.push(DeliveryRow {
                notification,
                group_id,
                delivery: delivery.clone(),
                at,
                is_duplicate,
            });
        }
    }

    /// Something happened to this many of a target's deliveries.
    pub(super) fn count(&mut self, target: &str, what: &'static str, by: u64) {
        if by > 0 {
            let by = i64::try_from(by).unwrap_or(i64::MAX);
            *self.tally.entry((target.to_owned(), what)).or_insert(0) += by;
        }
    }

    /// Writes it all.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut left = self.deliveries.as_slice();
        for size in ROWS {
            while let Some((rows, rest)) = left.split_at_checked(size) {
                insert(connection, rows).await?;
                left = rest;
            }
        }
        for ((target, what), by) in &self.tally {
            sqlx::query(
                "INSERT INTO tally (target, what, count) VALUES ($1, $2, $3) \
                 ON CONFLICT (target, what) DO UPDATE SET count = tally.count + excluded.count",
            )
            .bind(target)
            .bind(what)
            .bind(by)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, rows: &[DeliveryRow]) -> Result<(), sqlx::Error> {
    // Numbers of parameters only: no value is ever part of the text.
    let mut query = sqlx::query(AssertSqlSafe(statement(rows.len())));
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
            .bind(&delivery.quiet)
            .bind(&delivery.mentions)
            .bind(i64::from(delivery.is_urgent))
            .bind(state)
            .bind(row.at.0)
            .bind(ended_at)
            .bind(reason);
    }
    query.execute(connection).await?;
    Ok(())
}

fn statement(rows: usize) -> String {
    let mut sql = "INSERT INTO deliveries (notification, target, group_id, alerts, quiet, mentions, is_urgent, state, accepted_at, \
                   next_at, ended_at, end_reason) VALUES "
        .to_owned();
    for row in 0..rows {
        let p = |column: usize| row * 11 + column;
        let comma = if row == 0 { "" } else { ", " };
        // next_at is 0: due at once, also by a clock that is set back.
        write!(
            sql,
            "{comma}(${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, 0, ${}, ${})",
            p(1),
            p(2),
            p(3),
            p(4),
            p(5),
            p(6),
            p(7),
            p(8),
            p(9),
            p(10),
            p(11)
        )
        .expect("a String takes every write");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_parameters() {
        assert!(statement(1).ends_with("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)"));
        assert!(statement(2).ends_with(", ($12, $13, $14, $15, $16, $17, $18, $19, $20, 0, $21, $22)"));
    }
}

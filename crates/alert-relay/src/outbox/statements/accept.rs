//! The webhooks of one transaction on their way into the store.
//!
//! Owns finding copies and numbering notifications. All webhooks of a transaction share a few statements; `gathered` says why.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::delivery::Acceptance;
use crate::outbox::arrival::{Arrival, DEDUP_WINDOW};
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::rows::{in_statements, values};
use crate::outbox::statements::{senders, subjects};

/// Stores the arrivals and says what became of each, in their order.
pub(in crate::outbox) async fn accept(
    session: &mut Session<'_>,
    arrivals: &[&Arrival],
    gathered: &mut Gathered,
) -> Result<Vec<Acceptance>, sqlx::Error> {
    let mut accepted = HashMap::with_capacity(arrivals.len());
    for wave in waves(arrivals) {
        for places in in_statements(&wave) {
            let chunk: Vec<&Arrival> = places.iter().map(|place| arrivals[*place]).collect();
            let known = known(session, &chunk).await?;
            let originals: Vec<Option<i64>> = chunk
                .iter()
                .map(|arrival| original_of(arrival, known.alike.get(&arrival.group_id)))
                .collect();
            let numbers = insert(session, &chunk, &originals).await?;
            subjects::insert(session, &chunk, &numbers).await?;
            let newest: Vec<Option<i64>> = chunk
                .iter()
                .zip(&originals)
                .map(|(arrival, original)| original.or_else(|| numbers.get(&arrival.group_id).copied()))
                .collect();
            senders::note(session, &chunk, &newest).await?;
            for group in &known.crowded {
                senders::make_room(session, group).await?;
            }
            for ((place, arrival), original) in places.iter().zip(chunk).zip(originals) {
                let Some(notification) = numbers.get(&arrival.group_id).copied() else {
                    return Err(sqlx::Error::RowNotFound);
                };
                gathered.deliver(notification, arrival, original.is_some());
                let deliveries = arrival.deliveries.len();
                accepted.insert(
                    *place,
                    match original {
                        None => Acceptance::Stored { notification, deliveries },
                        Some(of) => Acceptance::Duplicate { notification, of, deliveries },
                    },
                );
            }
        }
    }
    (0..arrivals.len()).map(|place| accepted.remove(&place).ok_or(sqlx::Error::RowNotFound)).collect()
}

/// The places of the arrivals, so that a wave holds no group twice and each group keeps its order: what came before in the same
/// transaction may be the original of what follows.
fn waves(arrivals: &[&Arrival]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut before: HashMap<&str, usize> = HashMap::new();
    for (place, arrival) in arrivals.iter().enumerate() {
        let count = before.entry(&arrival.group_id).or_insert(0);
        if *count == waves.len() {
            waves.push(Vec::new());
        }
        waves[*count].push(place);
        *count += 1;
    }
    waves
}

/// Relays on one store each have a clock of their own.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// What the store knows of arriving groups that is out of the ordinary: mostly nothing, so that no row has to be read.
#[derive(Default)]
struct Known {
    /// By group, its newest notification that is no copy, where it is like the arriving one.
    alike: HashMap<String, Alike>,
    /// Groups that have as many senders as are kept.
    crowded: Vec<String>,
}

/// The newest notification of a group, which has the dedup key of the arriving one.
struct Alike {
    id: i64,
    accepted_at: Millis,
}

/// Of which notification this is a copy. Only the newest snapshot of a group can be the original, since one like an older
/// snapshot says that something is as it was again; not one of the far future, which a clock that was set back has left; and what
/// Alertmanager repeats on purpose is a copy of nothing.
fn original_of(arrival: &Arrival, alike: Option<&Alike>) -> Option<i64> {
    let alike = alike?;
    let is_copy = !arrival.is_declared_repeat
        && alike.accepted_at > arrival.at.minus(DEDUP_WINDOW)
        && alike.accepted_at <= arrival.at.plus(CLOCKS_DIFFER);
    is_copy.then_some(alike.id)
}

async fn known(session: &mut Session<'_>, arrivals: &[&Arrival]) -> Result<Known, sqlx::Error> {
    let sql = format!(
        "WITH arriving (group_id, dedup_key) AS (VALUES {}) \
         SELECT arriving.group_id, alike.id, alike.accepted_at, \
           CASE WHEN {IS_CROWDED} THEN CAST(1 AS BIGINT) ELSE 0 END AS is_crowded \
         FROM arriving LEFT JOIN notifications AS alike ON alike.dedup_key = arriving.dedup_key AND alike.id = ( \
           SELECT MAX(notification) FROM senders WHERE senders.group_id = arriving.group_id) \
         WHERE alike.id IS NOT NULL OR {IS_CROWDED}",
        values(session, arrivals.len(), 2),
        IS_CROWDED = format_args!(
            "(SELECT COUNT(*) FROM senders WHERE senders.group_id = arriving.group_id) >= {}",
            senders::MAX_SENDERS
        ),
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for arrival in arrivals {
        query = query.bind(&arrival.group_id).bind(&arrival.dedup_key);
    }
    let mut known = Known::default();
    for row in query.fetch_all().await? {
        let group: String = row.try_get("group_id")?;
        if row.try_get::<i64>("is_crowded")? > 0 {
            known.crowded.push(group.clone());
        }
        if let Some(id) = row.try_get("id")? {
            known.alike.insert(group, Alike { id, accepted_at: Millis(row.try_get("accepted_at")?) });
        }
    }
    Ok(known)
}

/// Returns the new numbers by group, of which there is one each.
async fn insert(
    session: &mut Session<'_>,
    arrivals: &[&Arrival],
    originals: &[Option<i64>],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let sql = format!(
        "INSERT INTO notifications (endpoint, receiver, group_id, group_key, dedup_key, duplicate_of, accepted_at, payload, unrouted, \
         source, sender, address) VALUES {} RETURNING id, group_id",
        values(session, arrivals.len(), 12)
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for (arrival, original) in arrivals.iter().zip(originals) {
        query = query
            .bind(&arrival.endpoint)
            .bind(&arrival.receiver)
            .bind(&arrival.group_id)
            .bind(&arrival.group_key)
            .bind(&arrival.dedup_key)
            .bind(*original)
            .bind(arrival.at.0)
            .bind(original.is_none().then_some(&*arrival.payload))
            .bind(arrival.unrouted.as_deref())
            .bind(arrival.sender.source.as_deref())
            .bind(&arrival.sender.name)
            .bind(&arrival.sender.address);
    }
    let rows = query.fetch_all().await?;
    rows.iter().map(|row| Ok((row.try_get("group_id")?, row.try_get("id")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{accepted, firing};

    fn arrival(group: &str, fingerprint: &str, at: i64) -> Arrival {
        Arrival::new(&accepted(group, vec![firing(fingerprint, 10)], &["chat"]), Millis(at))
    }

    #[test]
    fn a_wave_holds_no_group_twice_and_groups_keep_their_order() {
        for (groups, expected) in [
            ("", vec![]),
            ("a b c", vec![vec![0, 1, 2]]),
            ("a b a c a b", vec![vec![0, 1, 3], vec![2, 5], vec![4]]),
            ("a a a", vec![vec![0], vec![1], vec![2]]),
        ] {
            let arrivals: Vec<Arrival> =
                groups.split_whitespace().map(|group| arrival(group, "x", 1)).collect();
            assert_eq!(waves(&arrivals.iter().collect::<Vec<_>>()), expected, "{groups}");
        }
    }

    #[test]
    fn only_the_newest_equal_snapshot_of_the_last_minutes_is_an_original() {
        let window = i64::try_from(DEDUP_WINDOW.as_millis()).unwrap();
        let check = |accepted_at: i64, is_declared_repeat: bool, expected: Option<i64>| {
            let alike = Alike { id: 7, accepted_at: Millis(accepted_at) };
            let arrival = Arrival { is_declared_repeat, ..arrival("group", "x", window) };
            assert_eq!(original_of(&arrival, Some(&alike)), expected, "at {accepted_at}");
            assert_eq!(original_of(&arrival, None), None);
        };
        check(window, false, Some(7));
        check(1, false, Some(7));
        check(0, false, None);
        check(window + 5_000, false, Some(7));
        check(window + 5_001, false, None);
        check(window, true, None);
    }
}

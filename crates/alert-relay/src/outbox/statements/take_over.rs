//! Ending what a deliverer left half done that is gone: its leases, and the attempts that were under way.

use std::hash::{BuildHasher, RandomState};

use crate::clock::Millis;
use crate::delivery::{End, SetAside};
use crate::outbox::columns;
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::gathered::Gathered;
use crate::outbox::statements::test_attempts;

/// What a new deliverer finds.
#[derive(Clone, Debug, Default)]
pub(in crate::outbox) struct TakenOver {
    /// What is not tried again.
    pub(in crate::outbox) set_aside: Vec<SetAside>,
    /// When a former process was last at work, by the clock of then.
    pub(in crate::outbox) last_at_work: Option<Millis>,
}

/// Processes that may end one after the other while they prepare the same delivery. That takes milliseconds: where something else kills
/// the relay again and again, two or three are a coincidence. A delivery that ends it for its size does so each time.
const MOST_DEATHS: i64 = 5;

/// After the second death a delivery waits this long, then four times and nine times as long.
const WAIT_AFTER_DEATHS_MS: i64 = 5_000;

/// What makes the ids of this store's deliveries unlike those of any other.
pub(in crate::outbox) async fn tag(session: &mut Session<'_>, now: Millis) -> Result<String, sqlx::Error> {
    let tag = format!("{:06x}", RandomState::new().hash_one(now) & 0x00ff_ffff);
    session
        .query("INSERT INTO store (name, value) VALUES ('tag', $1) ON CONFLICT (name) DO NOTHING")
        .bind(tag)
        .execute()
        .await?;
    session.query("SELECT value FROM store WHERE name = 'tag'").fetch_value().await
}

/// Ends what the former deliverer left half done. Where it `has_died`, what it was preparing may be what ended it.
pub(in crate::outbox) async fn take_over(
    session: &mut Session<'_>,
    now: Millis,
    has_died: bool,
) -> Result<TakenOver, sqlx::Error> {
    let last_at_work = last_at_work(session).await?;
    // Whatever waited for a time may be tried again: by now that time may be meaningless, if the clock was set meanwhile. What may be to
    // blame for the end of several processes waits longer and longer: all else is told first, and who kills the relay at its start does
    // not find it with the same delivery each time.
    session
        .query(
            "UPDATE deliveries SET deaths = deaths + CASE WHEN lease_owner IS NOT NULL THEN is_preparing * $1 ELSE 0 END, \
             next_at = CASE WHEN deaths + CASE WHEN lease_owner IS NOT NULL THEN is_preparing * $1 ELSE 0 END > 1 \
               THEN $2 + $3 * deaths * deaths ELSE 0 END, \
             is_preparing = 0, lease_owner = NULL, lease_until = NULL \
             WHERE state = 'pending' AND (lease_owner IS NOT NULL OR next_at > 0)",
        )
        .bind(i64::from(has_died))
        .bind(now.0)
        .bind(WAIT_AFTER_DEATHS_MS)
        .execute()
        .await?;
    let set_aside = set_aside(session, now).await?;
    // A message under way then may have arrived just now: it counts against the robot's budget from now.
    session
        .query(
            "UPDATE attempts SET ended_at = $1, outcome = 'unknown', detail = 'the relay stopped while this was under way' \
             WHERE ended_at IS NULL",
        )
        .bind(now.0)
        .execute()
        .await?;
    test_attempts::take_over(session, now).await?;
    Ok(TakenOver { set_aside, last_at_work })
}

/// What the newest rows say of it. While something waits, it is tried every few minutes.
async fn last_at_work(session: &mut Session<'_>) -> Result<Option<Millis>, sqlx::Error> {
    let at = session.query(
        "SELECT MAX(at) FROM ( \
           SELECT (SELECT accepted_at FROM notifications ORDER BY id DESC LIMIT 1) AS at \
           UNION ALL SELECT (SELECT started_at FROM attempts ORDER BY id DESC LIMIT 1) \
           UNION ALL SELECT CAST(value AS BIGINT) FROM store WHERE name = 'checked_at') AS moments",
    );
    Ok(at.fetch_value::<Option<i64>>().await?.map(Millis))
}

/// A delivery whose message cannot be made, because the process ends each time it is tried, would end every process to come.
async fn set_aside(session: &mut Session<'_>, now: Millis) -> Result<Vec<SetAside>, sqlx::Error> {
    let rows = session.query(
        "UPDATE deliveries SET state = 'dead', ended_at = $1, end_reason = $2 WHERE state = 'pending' AND deaths >= $3 \
         RETURNING id, target, group_id",
    )
    .bind(now.0)
    .bind(SetAside::REASON)
    .bind(MOST_DEATHS)
    .fetch_all()
    .await?;
    let set_aside = |row: &Row| {
        Ok(SetAside {
            id: row.try_get("id")?,
            target: row.try_get("target")?,
            group: row.try_get("group_id")?,
        })
    };
    let list: Vec<SetAside> = rows.iter().map(set_aside).collect::<Result<_, sqlx::Error>>()?;
    let mut counted = Gathered::default();
    for delivery in &list {
        counted.count(&delivery.target, End::Dead.as_str(), 1);
        counted.count(&delivery.target, columns::SET_ASIDE, 1);
    }
    counted.write(session).await?;
    Ok(list)
}

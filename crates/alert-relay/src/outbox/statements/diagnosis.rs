//! The statements behind `doctor`: how the store stands, as far as an operator has to act on it.

use crate::clock::Millis;
use crate::outbox::session::Session;
use crate::outbox::statements::lists;
use crate::story::{Standing, WaitingFor};

/// How it stands.
pub(in crate::outbox) async fn standing(session: &mut Session<'_>) -> Result<Standing, sqlx::Error> {
    let mut moment = session.moment().await?;
    let mut session = moment.session();
    let waiting = session
        .query(
            "SELECT target, COUNT(*) AS waiting, MIN(accepted_at) AS oldest FROM deliveries WHERE state = 'pending' GROUP BY target",
        )
        .fetch_all()
        .await?;
    let dead_letters = lists::dead_letters(&mut session).await?;
    let newest: Option<i64> =
        session.query("SELECT MAX(accepted_at) FROM notifications").fetch_value().await?;
    let endpoints = session
        .query("SELECT endpoint, MAX(accepted_at) AS newest FROM notifications GROUP BY endpoint")
        .fetch_all()
        .await?;
    moment.commit().await?;
    let waiting = waiting.iter().map(|row| {
        let count: i64 = row.try_get("waiting")?;
        let waiting =
            WaitingFor { count: u64::try_from(count).unwrap_or(0), oldest: Millis(row.try_get("oldest")?) };
        Ok((row.try_get("target")?, waiting))
    });
    let endpoints =
        endpoints.iter().map(|row| Ok((row.try_get("endpoint")?, Millis(row.try_get("newest")?))));
    Ok(Standing {
        waiting: waiting.collect::<Result<_, sqlx::Error>>()?,
        dead_letters,
        newest: newest.map(Millis),
        posted: endpoints.collect::<Result<_, sqlx::Error>>()?,
    })
}

//! The rows of the audit trail.

use crate::clock::Millis;
use crate::operation::audit_trail::{Deed, MOST_KEPT, TrailEntry, TrailPage};
use crate::outbox::session::{Row, Session};

/// Adds a line, and takes away what there is beyond the bound.
pub(in crate::outbox) async fn add(
    session: &mut Session<'_>,
    deed: &Deed,
    now: Millis,
) -> Result<(), sqlx::Error> {
    let id: i64 = session.query(
        "INSERT INTO audit_trail (at, who, address, action, subject, is_done, result) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         RETURNING id",
    )
    .bind(now.0)
    .bind(deed.who.name())
    .bind(deed.who.address().map(|address| address.to_string()))
    .bind(deed.action.as_str())
    .bind(deed.bounded_subject())
    .bind(i64::from(deed.is_done))
    .bind(deed.bounded_result())
    .fetch_value()
    .await?;
    session
        .query("DELETE FROM audit_trail WHERE id <= $1")
        .bind(id.saturating_sub(MOST_KEPT))
        .execute()
        .await?;
    Ok(())
}

/// The lines before `before`, newest first.
pub(in crate::outbox) async fn page(
    session: &mut Session<'_>,
    before: Option<i64>,
    limit: u32,
) -> Result<TrailPage, sqlx::Error> {
    let rows = session.query(
        "SELECT id, at, who, address, action, subject, is_done, result FROM audit_trail WHERE id < $1 ORDER BY id DESC LIMIT $2 + 0",
    )
    .bind(before.unwrap_or(i64::MAX))
    // One more says that there are more.
    .bind(i64::from(limit) + 1)
    .fetch_all()
    .await?;
    let entry = |row: &Row| {
        Ok(TrailEntry {
            id: row.try_get("id")?,
            at: Millis(row.try_get("at")?),
            who: row.try_get("who")?,
            address: row.try_get("address")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            is_done: row.try_get::<i64>("is_done")? > 0,
            result: row.try_get("result")?,
        })
    };
    let shown = limit as usize;
    let entries: Vec<TrailEntry> = rows.iter().take(shown).map(entry).collect::<Result<_, sqlx::Error>>()?;
    let next = entries.last().map(|last| last.id).filter(|_| rows.len() > shown);
    Ok(TrailPage { entries, next })
}

/// Deletes lines that are older; returns how many.
pub(in crate::outbox) async fn prune(
    session: &mut Session<'_>,
    before: Millis,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    session.query(
        "DELETE FROM audit_trail WHERE id IN (SELECT id FROM audit_trail WHERE at < $1 ORDER BY at LIMIT $2 + 0)",
    )
    .bind(before.0)
    .bind(limit)
    .execute()
    .await
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::operation::audit_trail::{Action, Who};
    use crate::outbox::sqlite::schema;

    #[tokio::test]
    async fn of_many_lines_the_newest_are_kept() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection).await.unwrap();
        let line = "INSERT INTO audit_trail (id, at, who, action, subject, is_done, result) VALUES ($1, 0, '', '', '', 1, '')";
        for id in [1, 2, MOST_KEPT] {
            sqlx::query(line).bind(id).execute(&mut connection).await.unwrap();
        }
        let mut session = Session::Sqlite(&mut connection);
        let (who, action) = (Who::LocalCommand, Action::Reload);
        let deed = Deed { who, action, subject: String::new(), is_done: true, result: String::new() };
        add(&mut session, &deed, Millis(7)).await.unwrap();
        let kept = page(&mut session, None, 9).await.unwrap().entries;
        assert_eq!(kept.iter().map(|entry| entry.id).collect::<Vec<_>>(), [MOST_KEPT + 1, MOST_KEPT, 2]);
    }
}

//! A target that has another name now: what waits for it, and what it knows, goes along.

use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::outbox::session::Session;
use crate::outbox::statements::gathered::Gathered;

/// Groups in which nothing is being sent under the former name ($1) now ($3): what is, ends there, and the group follows after that.
const IS_AT_REST: &str = "group_id NOT IN (SELECT sending.group_id FROM deliveries AS sending \
     WHERE sending.target = $1 AND sending.state = 'pending' AND sending.lease_until > $3)";

/// Moves what waits, the ledger, and what single recipients missed, of every group in which nothing is being sent. What has ended stays
/// under the name it ended with, and is counted there, but for the deliveries of each sender's newest webhook: they say what the target
/// was told of it. Returns how many deliveries moved that wait.
pub(in crate::outbox) async fn rename(
    session: &mut Session<'_>,
    from: &str,
    to: &str,
    now: Millis,
    gathered: &mut Gathered,
) -> Result<u64, sqlx::Error> {
    let pending =
        format!("UPDATE deliveries SET target = $2 WHERE target = $1 AND state = 'pending' AND {IS_AT_REST}");
    let moved = apply(session, pending, from, to, now).await?;
    if moved > 0 {
        gathered.moved(from, to, moved);
    }
    if is_there(session, "told", from).await? {
        // Without them everything that fires would count as missing in those webhooks, and be told as no longer reported.
        let newest = format!(
            "UPDATE deliveries SET target = $2 WHERE target = $1 AND state <> 'pending' AND {IS_AT_REST} AND notification IN ( \
               SELECT senders.notification FROM told JOIN senders ON senders.group_id = told.group_id WHERE told.target = $1)"
        );
        apply(session, newest, from, to, now).await?;
    }
    for (table, subject, written_at) in
        [("told", "fingerprint", "told_at"), ("missed", "recipient", "missed_at")]
    {
        if !is_there(session, table, from).await? {
            continue;
        }
        // Of what both names know, the newer word counts.
        let same = format!("other.group_id = {table}.group_id AND other.{subject} = {table}.{subject}");
        for statement in [
            format!(
                "DELETE FROM {table} WHERE target = $1 AND {IS_AT_REST} AND EXISTS ( \
                   SELECT 1 FROM {table} AS other WHERE other.target = $2 AND {same} AND other.{written_at} >= {table}.{written_at})"
            ),
            format!(
                "DELETE FROM {table} WHERE target = $2 AND {IS_AT_REST} AND EXISTS ( \
                   SELECT 1 FROM {table} AS other WHERE other.target = $1 AND {same})"
            ),
            format!("UPDATE {table} SET target = $2 WHERE target = $1 AND {IS_AT_REST}"),
        ] {
            apply(session, statement, from, to, now).await?;
        }
    }
    Ok(moved)
}

/// Whether the table has anything of the target: mostly not, and then its rows need not be compared.
async fn is_there(session: &mut Session<'_>, table: &str, target: &str) -> Result<bool, sqlx::Error> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE target = $1)");
    session.query(AssertSqlSafe(sql)).bind(target).fetch_value().await
}

async fn apply(
    session: &mut Session<'_>,
    statement: String,
    from: &str,
    to: &str,
    now: Millis,
) -> Result<u64, sqlx::Error> {
    session.query(AssertSqlSafe(statement)).bind(from).bind(to).bind(now.0).execute().await
}

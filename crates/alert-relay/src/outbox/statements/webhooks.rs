//! The statements behind stored webhooks: one by its number, and those of a span of time, one after the other.

use bytes::Bytes;
use sqlx::AssertSqlSafe;

use crate::clock::Millis;
use crate::notification::GroupKey;
use crate::outbox::session::{Row, Session};
use crate::outbox::statements::claimed::sender;
use crate::story::Received;

/// What a webhook's row says, and the body of the original where it is a copy.
const SELECT: &str = "SELECT received.id AS notification, received.accepted_at AS received_at, received.endpoint, received.receiver, \
   received.source, received.sender, received.address, received.group_key, received.duplicate_of, \
   COALESCE(received.payload, original.payload) AS payload \
 FROM notifications AS received LEFT JOIN notifications AS original ON original.id = received.duplicate_of";

/// The webhook with this number; `None`: there is none, or no longer.
pub(in crate::outbox) async fn webhook(
    session: &mut Session<'_>,
    number: i64,
) -> Result<Option<Received>, sqlx::Error> {
    let statement = AssertSqlSafe(format!("{SELECT} WHERE received.id = $1"));
    let row = session.query(statement).bind(number).fetch_optional().await?;
    row.as_ref().map(received).transpose()
}

/// What a row of [`SELECT`] says.
fn received(row: &Row) -> Result<Received, sqlx::Error> {
    Ok(Received {
        notification: row.try_get("notification")?,
        at: Millis(row.try_get("received_at")?),
        endpoint: row.try_get("endpoint")?,
        receiver: row.try_get("receiver")?,
        sender: sender(row)?,
        group_key: GroupKey(row.try_get("group_key")?),
        duplicate_of: row.try_get("duplicate_of")?,
        payload: row.try_get::<Option<Vec<u8>>>("payload")?.map(Bytes::from),
    })
}

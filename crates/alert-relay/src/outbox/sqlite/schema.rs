//! The tables, and how a file of an older version becomes one of this version.
//!
//! The comments stand inside the statements, so that `sqlite3 relay.db .schema` shows them.

use sqlx::{Connection, Row, SqliteConnection};

use crate::outbox::error::StoreError;
use crate::outbox::failure::store_error;

/// Brings an opened file to the newest version, one transaction a version.
pub(in crate::outbox) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = version(connection).await.map_err(|error| store_error(&error))?;
    refuse_later(found)?;
    for (step, statements) in (1..).zip(MIGRATIONS) {
        if step > found {
            apply(connection, step, statements).await.map_err(|error| store_error(&error))?;
        }
    }
    Ok(())
}

/// The version in the file.
pub(super) async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)
}

/// What a later version has done to a file is not known to this one.
pub(super) fn refuse_later(found: i64) -> Result<(), StoreError> {
    if found > NEWEST { Err(StoreError::TooNew { found, known: NEWEST }) } else { Ok(()) }
}

async fn apply(
    connection: &mut SqliteConnection,
    step: i64,
    statements: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(statements).execute(&mut *transaction).await?;
    // A pragma takes no parameters; `step` is our own number.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {step}")))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Step n leads from version n-1 to n. A released step is never edited: files out there have taken it.
const MIGRATIONS: [&str; 15] = [
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8, VERSION_9,
    VERSION_10, VERSION_11, VERSION_12, VERSION_13, VERSION_14, VERSION_15,
];

/// The version of a file that has taken every one of [`MIGRATIONS`].
pub(super) const NEWEST: i64 = 15;

const VERSION_1: &str = r"
CREATE TABLE notifications (
  -- One webhook of Alertmanager that was answered with 200.
  -- All times in this file are milliseconds since 1970 in UTC: datetime(accepted_at / 1000, 'unixepoch', 'localtime').
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint     TEXT    NOT NULL,  -- the receiver in our URL
  receiver     TEXT    NOT NULL,  -- the receiver's name in Alertmanager
  group_id     TEXT    NOT NULL,  -- hash of endpoint, receiver and group_key
  group_key    TEXT    NOT NULL,  -- Alertmanager's name of the group
  dedup_key    TEXT    NOT NULL,  -- hash of the group and of each alert's fingerprint, status and start
  duplicate_of BIGINT,            -- the notification of which this is a copy (peers of a cluster, a lost answer)
  accepted_at  BIGINT  NOT NULL,
  payload      BLOB               -- the body as it came; NULL in a duplicate
);
CREATE INDEX notifications_by_dedup_key ON notifications (dedup_key, accepted_at);
CREATE INDEX notifications_by_age ON notifications (accepted_at);

CREATE TABLE deliveries (
  -- One target's share of one notification. Starts as 'pending' and ends as exactly one of 'delivered' (proven by the
  -- channel's reply), 'superseded' (a newer snapshot of the group told it), 'suppressed' (nothing new to tell) or 'dead'.
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  notification  BIGINT  NOT NULL REFERENCES notifications (id),
  target        TEXT    NOT NULL,  -- the key under targets: in the settings
  group_id      TEXT    NOT NULL,  -- as in notifications; order is kept within (target, group_id)
  alerts        TEXT    NOT NULL,  -- JSON: fingerprints of the alerts for this target
  quiet         TEXT    NOT NULL,  -- JSON: fingerprints of alerts for this target outside of its hours
  mentions      TEXT    NOT NULL,  -- JSON: names under people: to mention
  is_urgent     BIGINT  NOT NULL,  -- 1: holds a firing alert with severity critical
  state         TEXT    NOT NULL,
  accepted_at   BIGINT  NOT NULL,
  next_at       BIGINT  NOT NULL,  -- not tried before
  lease_owner   TEXT,              -- the process that works on it
  lease_until   BIGINT,
  attempts      BIGINT  NOT NULL DEFAULT 0,
  via           TEXT,              -- the target whose channel was used: this one, or its fallback
  fit           TEXT,              -- how it was rendered: normal, smaller (parts), plain (no markup)
  rendered_at   BIGINT,            -- the 'now' of its text, so that a second attempt is cut into the same parts
  parts         BIGINT,            -- how many parts the text has
  parts_done    BIGINT  NOT NULL DEFAULT 0,  -- how many are proven delivered in this fit
  ended_at      BIGINT,
  end_reason    TEXT,              -- why it ended as it did
  superseded_by BIGINT             -- the delivery that told it
);
CREATE INDEX deliveries_pending ON deliveries (target, group_id, id) WHERE state = 'pending';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'pending';
CREATE INDEX deliveries_by_notification ON deliveries (notification);

CREATE TABLE attempts (
  -- Every try to send one part of one delivery. The budget of a robot is counted here.
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery    BIGINT  NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
  via         TEXT    NOT NULL,  -- the target whose channel was used
  robot       TEXT    NOT NULL,  -- hash of the robot's address, never the address
  fit         TEXT    NOT NULL,
  part        BIGINT  NOT NULL,  -- from 1
  started_at  BIGINT  NOT NULL,
  ended_at    BIGINT,            -- NULL while under way
  outcome     TEXT,              -- delivered, retry, too_large, misconfigured, rejected; unknown: the relay died meanwhile
  reason      TEXT,              -- a bounded word
  detail      TEXT,              -- the channel's own words
  pause_until BIGINT             -- the robot asked for silence until then
);
CREATE INDEX attempts_by_delivery ON attempts (delivery);
CREATE INDEX attempts_by_time ON attempts (ended_at);

CREATE TABLE told (
  -- What each target has last heard of each alert: written together with the end of the delivery that told it.
  target        TEXT   NOT NULL,
  group_id      TEXT   NOT NULL,
  fingerprint   TEXT   NOT NULL,
  status        TEXT   NOT NULL,  -- firing or resolved
  starts_at     BIGINT NOT NULL,
  labels        TEXT   NOT NULL,  -- JSON
  annotations   TEXT   NOT NULL,  -- JSON
  generator_url TEXT   NOT NULL,
  told_at       BIGINT NOT NULL,
  PRIMARY KEY (target, group_id, fingerprint)
);
CREATE INDEX told_by_age ON told (told_at);

CREATE TABLE tally (
  -- Counted in the transaction of the event itself, and never pruned: accepted = delivered + superseded + suppressed + dead
  -- + the rows of deliveries that are pending.
  target TEXT   NOT NULL,
  what   TEXT   NOT NULL,
  count  BIGINT NOT NULL,
  PRIMARY KEY (target, what)
);

CREATE TABLE store (
  -- About this file. tag: makes the ids of deliveries unique across files; checked_at: the last readiness check.
  name  TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
);
";

const VERSION_2: &str = r"
-- The newest original of a group, with which its next webhook is compared.
CREATE INDEX notifications_by_group ON notifications (group_id, id) WHERE duplicate_of IS NULL;
DROP INDEX notifications_by_dedup_key;

-- deliveries.mentions names the alerts for which each is to be mentioned; it was a list of names for all of them.
UPDATE deliveries SET mentions =
  (SELECT json_group_object(person.value, json(deliveries.alerts)) FROM json_each(deliveries.mentions) AS person);
";

/// Mails are told to each recipient by itself.
const VERSION_3: &str = r"
ALTER TABLE deliveries ADD COLUMN
  recipients TEXT  /* JSON, of a mail: by recipient heard, refused (for good) or deferred */;
ALTER TABLE deliveries ADD COLUMN
  is_straggling BIGINT NOT NULL DEFAULT 0  /* 1: some recipients have the mail, the others were tried in vain */;
";

const VERSION_4: &str = r"
-- Looking for what is due reads this index alone, however many deliveries wait.
DROP INDEX deliveries_pending;
CREATE INDEX deliveries_pending ON deliveries
  (target, group_id, id, next_at, lease_until, is_urgent, parts_done, is_straggling, accepted_at) WHERE state = 'pending';
-- Finds what is urgent without passing what is not.
CREATE INDEX deliveries_urgent ON deliveries (target, group_id) WHERE state = 'pending' AND is_urgent = 1;
";

const VERSION_5: &str = r"
-- Who believes that something fires, and in which groups. The status is in it so that it is read alone.
CREATE INDEX told_firing ON told (target, group_id, status) WHERE status = 'firing';
";

/// Why a message came, or did not: `alert-relay explain` tells it.
const VERSION_6: &str = r"
ALTER TABLE deliveries ADD COLUMN
  routes TEXT  /* JSON: the routes that wanted it, as they were then; NULL: stored before version 6 */;
ALTER TABLE notifications ADD COLUMN
  unrouted TEXT  /* JSON: fingerprints of the alerts that no route wanted; NULL: none, or stored before version 6 */;
-- Finds a webhook by such an alert without reading payloads.
CREATE INDEX notifications_unrouted ON notifications (id, unrouted) WHERE unrouted IS NOT NULL;
";

/// A claim reads what can matter to it, and one that ended the process is known.
const VERSION_7: &str = r"
-- The alerts that a target knows as firing, in pages, without passing those that are over.
DROP INDEX told_firing;
CREATE INDEX told_firing ON told (target, group_id, fingerprint, status) WHERE status = 'firing';
-- What is over is kept for hours.
CREATE INDEX told_over ON told (told_at) WHERE status = 'resolved';
ALTER TABLE deliveries ADD COLUMN
  is_preparing BIGINT NOT NULL DEFAULT 0  /* 1: claimed, and its message is being made; nothing was sent yet */;
ALTER TABLE deliveries ADD COLUMN
  deaths BIGINT NOT NULL DEFAULT 0  /* how often the relay ended, without a stop, while is_preparing was 1 */;
";

/// Somebody who could not be reached with a mail is sent what they missed with the next one.
const VERSION_8: &str = r"
CREATE TABLE missed (
  -- What single recipients of a mail have missed of a group, until a mail reaches them. The target was told it (told).
  target    TEXT   NOT NULL,
  group_id  TEXT   NOT NULL,
  recipient TEXT   NOT NULL,
  alerts    TEXT   NOT NULL,  -- JSON, oldest first: each alert as the recipient knew it (knew) and as the others know it (now)
  missed_at BIGINT NOT NULL,
  PRIMARY KEY (target, group_id, recipient)
);
CREATE INDEX missed_by_age ON missed (missed_at);
";

/// Who says what: several senders may speak of one group.
const VERSION_9: &str = r"
ALTER TABLE notifications ADD COLUMN
  source TEXT  /* source= in the URL it was posted to; NULL: none, or stored before version 9 */;
ALTER TABLE notifications ADD COLUMN
  sender TEXT  /* externalURL, or the address it came from; NULL: stored before version 9 */;
ALTER TABLE notifications ADD COLUMN
  address TEXT  /* where the connection came from; NULL: stored before version 9 */;
ALTER TABLE deliveries ADD COLUMN
  is_revision BIGINT NOT NULL DEFAULT 0  /* 1: brings no snapshot; what the target knows is looked at once more */;

CREATE TABLE senders (
  -- Who posts the snapshots of a group. An alert that one no longer reports may fire for another; who is not heard for five days
  -- reports nothing any more.
  group_id     TEXT   NOT NULL,  -- as in notifications
  sender       TEXT   NOT NULL,  -- source, else sender in notifications; '' for those before version 9
  notification BIGINT NOT NULL,  -- its newest snapshot
  heard_at     BIGINT NOT NULL,
  PRIMARY KEY (group_id, sender)
) WITHOUT ROWID;
CREATE INDEX senders_by_age ON senders (heard_at);
INSERT INTO senders (group_id, sender, notification, heard_at)
  SELECT group_id, '', MAX(id), MAX(accepted_at) FROM notifications WHERE duplicate_of IS NULL GROUP BY group_id;

ALTER TABLE told ADD COLUMN
  ends_at BIGINT  /* when it ended, as the webhook said; NULL: it fires, or that is not known */;
ALTER TABLE told ADD COLUMN
  tellers TEXT  /* JSON: who says that it fires, and since when for each; NULL: nobody, or written before version 9 */;
ALTER TABLE told ADD COLUMN
  ended_by TEXT  /* who said that it is over: source, sender and address; NULL: nobody did */;
ALTER TABLE told ADD COLUMN
  held_until BIGINT  /* somebody else still says that it fires: taken for stale until then */;
CREATE INDEX told_held ON told (target, group_id, held_until) WHERE held_until IS NOT NULL;
";

/// What an operator is shown, found without reading a payload; and what was done by hand.
const VERSION_10: &str = r"
ALTER TABLE deliveries ADD COLUMN
  names TEXT  /* names of its alerts in a few words; NULL: it has none, or was stored before version 10 */;
ALTER TABLE deliveries ADD COLUMN
  settled TEXT  /* of a dead one, what was done by hand: retried (superseded_by sends it again) or given_up */;
-- A list of deliveries, newest first, reads this index alone until it has found what it shows.
CREATE INDEX deliveries_listed ON deliveries (accepted_at, id, target, state, notification);
CREATE INDEX deliveries_by_group ON deliveries (group_id, accepted_at, id, target, state, notification);
CREATE INDEX deliveries_dead ON deliveries (accepted_at, id, target, settled) WHERE state = 'dead';

CREATE TABLE subjects (
  -- What a webhook is about: goes with it. Those of before version 10 have none.
  notification INTEGER PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
  names        TEXT NOT NULL,  -- names of its alerts in a few words
  text         TEXT NOT NULL,  -- what it is searched by: names, labels and annotations in small letters, the first 4 KiB
  unrouted     TEXT            -- JSON: the first alerts that no route wanted, with their labels and why; NULL: none
);

CREATE TABLE last_results (
  -- How the channel of each target has answered last.
  target     TEXT PRIMARY KEY NOT NULL,
  success_at BIGINT,  -- a part was proven delivered
  error_at   BIGINT,  -- an attempt failed
  reason     TEXT,    -- why, in a bounded word
  detail     TEXT     -- the channel's own words
);
INSERT INTO last_results (target, success_at)
  SELECT via, MAX(ended_at) FROM attempts WHERE outcome = 'delivered' GROUP BY via;

CREATE TABLE audit_trail (
  -- What was done by hand, the newest 10,000 and no older than store.retention.
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      BIGINT NOT NULL,
  who     TEXT   NOT NULL,  -- a user of the web-config file, 'local command' or 'anonymous'
  address TEXT,             -- where the connection came from; NULL: from this machine
  action  TEXT   NOT NULL,  -- send_test, reload, retry, give_up
  subject TEXT   NOT NULL,  -- to what
  is_done BIGINT NOT NULL,  -- 1: it was done
  result  TEXT   NOT NULL   -- what came of it
);
CREATE INDEX audit_trail_by_age ON audit_trail (at);
";

/// What was sent, as it looked.
const VERSION_11: &str = r"
CREATE TABLE sent_parts (
  -- The text of each part that was sent, or tried, as it was last put: goes with its delivery. Those of before version 11 have none.
  delivery    BIGINT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
  part        BIGINT NOT NULL,  -- as in attempts; 0: a digest
  via         TEXT   NOT NULL,  -- the target whose channel was used
  fit         TEXT   NOT NULL,
  rendered_at BIGINT NOT NULL,
  recipient   TEXT,             -- of a mail
  bytes       BIGINT NOT NULL,  -- on the wire
  text        TEXT   NOT NULL,  -- the first 20 KiB
  is_cut      BIGINT NOT NULL,  -- 1: there was more
  PRIMARY KEY (delivery, part)
) WITHOUT ROWID;
";

/// Budgets are counted by the time that has passed, whatever the clock was set to.
const VERSION_12: &str = r"
ALTER TABLE attempts ADD COLUMN
  boot TEXT  /* the start of the machine that booted_ms counts from (boot_id); NULL: under way, cut short, or before version 12 */;
ALTER TABLE attempts ADD COLUMN
  booted_ms BIGINT  /* how long after it the attempt ended, in milliseconds */;
";

/// Parts are told apart by what they say, whatever the clock was set to.
const VERSION_13: &str = r"
ALTER TABLE deliveries ADD COLUMN
  text_hash TEXT  /* of all its parts as they were last put, so that a second try is known to say the same; empty: mails; NULL: not tried, or before version 13 */;
ALTER TABLE attempts ADD COLUMN
  text_hash TEXT  /* as in deliveries, of the message that this part is of */;
";

/// Each webhook writes to one page less.
const VERSION_14: &str = r"
-- The newest original of a group is its senders' newest.
DROP INDEX notifications_by_group;
";

/// Test messages count in budgets after a restart, too.
const VERSION_15: &str = r"
CREATE TABLE test_attempts (
  -- Every try to send one part of a test message, which belongs to no delivery: counted in its robot's budget as those in attempts are.
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  robot       TEXT   NOT NULL,  -- hash of the robot's address, never the address
  started_at  BIGINT NOT NULL,
  ended_at    BIGINT,           -- NULL while under way
  pause_until BIGINT,           -- the robot asked for silence until then
  boot        TEXT,             -- the start of the machine that booted_ms counts from (boot_id)
  booted_ms   BIGINT            -- how long after it the attempt ended, in milliseconds
);
CREATE INDEX test_attempts_by_time ON test_attempts (ended_at);
";

#[cfg(test)]
mod tests {
    use super::*;

    async fn memory() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn a_new_file_takes_every_step_once() {
        let mut connection = memory().await;
        migrate(&mut connection).await.unwrap();
        migrate(&mut connection).await.unwrap();
        assert_eq!(version(&mut connection).await.unwrap(), NEWEST);
    }

    #[tokio::test]
    async fn a_file_of_the_first_version_keeps_what_it_means() {
        let mut connection = memory().await;
        apply(&mut connection, 1, VERSION_1).await.unwrap();
        let rows = "INSERT INTO notifications VALUES (1, '', '', 'group', '', '', NULL, 0, x'');
            INSERT INTO deliveries (notification, target, group_id, alerts, quiet, mentions, is_urgent, state, accepted_at, next_at) VALUES
            (1, 'nobody', 'group', '[\"a\"]', '[]', '[]', 0, 'pending', 0, 0),
            (1, 'somebody', 'group', '[\"a\",\"b\"]', '[]', '[\"boss\",\"oncall\"]', 0, 'pending', 0, 0)";
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        migrate(&mut connection).await.unwrap();
        let mentions: Vec<String> = sqlx::query_scalar("SELECT mentions FROM deliveries ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(mentions, ["{}", r#"{"boss":["a","b"],"oncall":["a","b"]}"#]);
    }

    #[tokio::test]
    async fn a_file_of_a_later_version_is_refused_untouched() {
        let mut connection = memory().await;
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut connection).await.unwrap();
        let error = migrate(&mut connection).await.unwrap_err();
        assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
        let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_master")
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0);
        assert_eq!(tables, 0);
    }

    #[tokio::test]
    async fn every_table_explains_itself_to_an_operator() {
        let mut connection = memory().await;
        migrate(&mut connection).await.unwrap();
        let tables = sqlx::query(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(tables.len(), 13);
        for table in tables {
            let sql: String = table.get("sql");
            assert!(sql.lines().nth(1).is_some_and(|line| line.trim_start().starts_with("--")), "{sql}");
        }
    }
}

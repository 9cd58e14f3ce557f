PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO notifications VALUES(1,'ops','ops','c70d060bcd5fbf3b35a2089c60611f1d','{}:{alertname="NodeDown"}','7d6c6dff8698dd8d1d7fc57e9947e41a',NULL,1795914226655,X'7b2276657273696f6e223a202234222c20227265636569766572223a20226f7073222c2022737461747573223a2022666972696e67222c202267726f75704b6579223a20227b7d3a7b616c6572746e616d653d5c224e6f6465446f776e5c227d222c202267726f75704c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e227d2c2022636f6d6d6f6e4c6162656c73223a207b7d2c2022636f6d6d6f6e416e6e6f746174696f6e73223a207b7d2c202265787465726e616c55524c223a2022687474703a2f2f616d2d313a39303933222c20227472756e6361746564416c65727473223a20302c2022616c65727473223a205b7b22737461747573223a2022666972696e67222c20226c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e222c20227365766572697479223a2022637269746963616c222c20227465616d223a202263686174222c2022696e7374616e6365223a20226e6f64652d31227d2c2022616e6e6f746174696f6e73223a207b7d2c20227374617274734174223a2022323032362d31312d32385432303a30303a30305a222c2022656e64734174223a2022303030312d30312d30315430303a30303a30305a222c202267656e657261746f7255524c223a2022227d2c207b22737461747573223a2022666972696e67222c20226c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e222c20227365766572697479223a2022637269746963616c222c20227465616d223a202263686174222c2022696e7374616e6365223a20226e6f64652d32227d2c2022616e6e6f746174696f6e73223a207b7d2c20227374617274734174223a2022323032362d31312d32385432303a30303a30305a222c2022656e64734174223a2022303030312d30312d30315430303a30303a30305a222c202267656e657261746f7255524c223a2022227d5d7d');
INSERT INTO notifications VALUES(2,'ops','ops','c70d060bcd5fbf3b35a2089c60611f1d','{}:{alertname="NodeDown"}','cf6fdb2e692e4919af746cf26ab4c3bb',NULL,1795914227682,X'7b2276657273696f6e223a202234222c20227265636569766572223a20226f7073222c2022737461747573223a2022666972696e67222c202267726f75704b6579223a20227b7d3a7b616c6572746e616d653d5c224e6f6465446f776e5c227d222c202267726f75704c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e227d2c2022636f6d6d6f6e4c6162656c73223a207b7d2c2022636f6d6d6f6e416e6e6f746174696f6e73223a207b7d2c202265787465726e616c55524c223a2022687474703a2f2f616d2d313a39303933222c20227472756e6361746564416c65727473223a20302c2022616c65727473223a205b7b22737461747573223a2022666972696e67222c20226c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e222c20227365766572697479223a2022637269746963616c222c20227465616d223a202263686174222c2022696e7374616e6365223a20226e6f64652d31227d2c2022616e6e6f746174696f6e73223a207b7d2c20227374617274734174223a2022323032362d31312d32385432303a30303a30305a222c2022656e64734174223a2022303030312d30312d30315430303a30303a30305a222c202267656e657261746f7255524c223a2022227d2c207b22737461747573223a20227265736f6c766564222c20226c6162656c73223a207b22616c6572746e616d65223a20224e6f6465446f776e222c20227365766572697479223a2022637269746963616c222c20227465616d223a202263686174222c2022696e7374616e6365223a20226e6f64652d32227d2c2022616e6e6f746174696f6e73223a207b7d2c20227374617274734174223a2022323032362d31312d32385432303a30303a30305a222c2022656e64734174223a2022323032362d31312d32385432303a33303a30305a222c202267656e657261746f7255524c223a2022227d5d7d');
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
, recipients TEXT  /* JSON, of a mail: by recipient heard, refused (for good) or deferred */, is_straggling BIGINT NOT NULL DEFAULT 0  /* 1: some recipients have the mail, the others were tried in vain */);
INSERT INTO deliveries VALUES(1,1,'chat','c70d060bcd5fbf3b35a2089c60611f1d','["aa22f77b05cd208c","3c1c5b81d1496f4b"]','[]','{}',1,'delivered',1795914226655,0,NULL,NULL,1,'chat','normal',1795914226684,1,1,1795914226714,'delivered',NULL,NULL,0);
INSERT INTO deliveries VALUES(2,2,'chat','c70d060bcd5fbf3b35a2089c60611f1d','["aa22f77b05cd208c","3c1c5b81d1496f4b"]','[]','{}',1,'delivered',1795914227682,0,NULL,NULL,1,'chat','normal',1795914227719,1,1,1795914227750,'delivered',NULL,NULL,0);
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
INSERT INTO attempts VALUES(1,1,'chat','f8314c11ca07d9ef','normal',1,1795914226690,1795914226704,'delivered',NULL,'errcode 0: ok',NULL);
INSERT INTO attempts VALUES(2,2,'chat','f8314c11ca07d9ef','normal',1,1795914227720,1795914227728,'delivered',NULL,'errcode 0: ok',NULL);
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
INSERT INTO told VALUES('chat','c70d060bcd5fbf3b35a2089c60611f1d','aa22f77b05cd208c','firing',1795896000000,'{"alertname":"NodeDown","instance":"node-1","severity":"critical","team":"chat"}','{}','',1795914227750);
INSERT INTO told VALUES('chat','c70d060bcd5fbf3b35a2089c60611f1d','3c1c5b81d1496f4b','resolved',1795896000000,'{"alertname":"NodeDown","instance":"node-2","severity":"critical","team":"chat"}','{}','',1795914227750);
CREATE TABLE tally (
  -- Counted in the transaction of the event itself, and never pruned: accepted = delivered + superseded + suppressed + dead
  -- + the rows of deliveries that are pending.
  target TEXT   NOT NULL,
  what   TEXT   NOT NULL,
  count  BIGINT NOT NULL,
  PRIMARY KEY (target, what)
);
INSERT INTO tally VALUES('chat','accepted',2);
INSERT INTO tally VALUES('chat','delivered',2);
CREATE TABLE store (
  -- About this file. tag: makes the ids of deliveries unique across files; checked_at: the last readiness check.
  name  TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
);
INSERT INTO store VALUES('tag','4b0655');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('notifications',2);
INSERT INTO sqlite_sequence VALUES('deliveries',2);
INSERT INTO sqlite_sequence VALUES('attempts',2);
CREATE INDEX notifications_by_age ON notifications (accepted_at);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'pending';
CREATE INDEX deliveries_by_notification ON deliveries (notification);
CREATE INDEX attempts_by_delivery ON attempts (delivery);
CREATE INDEX attempts_by_time ON attempts (ended_at);
CREATE INDEX told_by_age ON told (told_at);
CREATE INDEX notifications_by_group ON notifications (group_id, id) WHERE duplicate_of IS NULL;
CREATE INDEX deliveries_pending ON deliveries
  (target, group_id, id, next_at, lease_until, is_urgent, parts_done, is_straggling, accepted_at) WHERE state = 'pending';
CREATE INDEX deliveries_urgent ON deliveries (target, group_id) WHERE state = 'pending' AND is_urgent = 1;
CREATE INDEX told_firing ON told (target, group_id, status) WHERE status = 'firing';
COMMIT;
PRAGMA user_version = 5;

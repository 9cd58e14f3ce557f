//! What is `SQLite`'s own: files that are damaged, locked, full or another's, and the writer's transactions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::delivery::{End, LedgerEntry, TargetCount};
use crate::notification::Alert;
use crate::outbox::error::ReadError;
use crate::outbox::sqlite::checkpoints::Checkpoints;
use crate::outbox::sqlite::open_files::OpenFiles;
use crate::outbox::sqlite::ownership::Ownership;
use crate::outbox::sqlite::reserve::Reserve;
use crate::outbox::sqlite::{OpenFile, connect};
use crate::outbox::testing::{Stage, accepted, firing, resolved, settings};
use crate::outbox::{Outbox, ReadOnlyOutbox, StoreError};
use crate::settings::StoreSettings;

#[tokio::test]
async fn a_full_disk_refuses_whole_and_works_again_with_space() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("first", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.store.writer.statement("PRAGMA max_page_count = 1").await.unwrap();
    let large = |group: &str| {
        let mut accepted = accepted(group, vec![firing("a", 10)], &["chat", "mail"]);
        accepted.payload = Bytes::from(vec![b' '; 1 << 20]);
        accepted
    };
    let error = stage.outbox.accept(large("second")).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.to_string().contains("hint"), "{error}");
    assert_eq!(stage.counts("mail").await, TargetCount::default(), "half of it is stored");
    assert_eq!(stage.counts("chat").await.accepted, 1);

    stage.outbox.store.writer.statement("PRAGMA max_page_count = 1073741823").await.unwrap();
    stage.outbox.accept(large("second")).await.unwrap();
    stage.outbox.ping().await.unwrap();
    assert_eq!((stage.counts("mail").await.accepted, stage.counts("chat").await.accepted), (1, 2));
}

#[tokio::test]
async fn one_bad_request_does_not_spoil_the_others_of_its_transaction() {
    let stage = Stage::new().await;
    // Held back by this, the rest gathers into one transaction.
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n";
    let writer = stage.outbox.store.writer.clone();
    let first = tokio::spawn({
        let writer = writer.clone();
        async move { writer.statement(slow).await }
    });
    tokio::task::yield_now().await;
    let bad = tokio::spawn(async move { writer.statement("SELECT * FROM no_such_table").await });
    let good: Vec<_> = (0..10)
        .map(|number| {
            let outbox = stage.outbox.clone();
            tokio::spawn(async move {
                outbox.accept(accepted(&number.to_string(), vec![firing("a", 10)], &["chat"])).await
            })
        })
        .collect();
    first.await.unwrap().unwrap();
    assert!(matches!(bad.await.unwrap(), Err(StoreError::Failed { .. })));
    for good in good {
        good.await.unwrap().unwrap();
    }
    assert_eq!(stage.counts("chat").await.accepted, 10);
    assert!(stage.outbox.take_batch_sizes().into_iter().any(|size| size > 1), "nothing was grouped");
}

#[tokio::test]
async fn a_queue_that_is_full_turns_away_at_once() {
    let stage = Stage::new().await;
    let url = format!("sqlite://{}", settings(stage.directory.path()).path.display());
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    // Somebody holds the file, so nothing is written.
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let accept = |number: usize| {
        let outbox = stage.outbox.clone();
        let accepted = accepted(&number.to_string(), vec![firing("a", 10)], &["chat"]);
        tokio::spawn(async move { outbox.accept(accepted).await })
    };
    let settle = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    // The writer takes the first and is stuck with it; then the queue fills.
    let mut waiting = vec![accept(0)];
    settle().await;
    waiting.extend((1..=1_100).map(accept));
    settle().await;
    let error = accept(1_101).await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Overloaded), "{error}");

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let mut stored = 0;
    for waiting in waiting {
        match waiting.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, StoreError::Overloaded), "{error}"),
        }
    }
    assert_eq!(stored, 1_025, "what was let into the queue is stored");
    assert_eq!(stage.counts("chat").await.accepted, stored);
}

#[tokio::test]
async fn a_file_that_stays_locked_is_an_error_until_it_is_free() {
    let stage = Stage::new().await;
    stage.outbox.store.writer.statement("PRAGMA busy_timeout = 20").await.unwrap();
    let url = format!("sqlite://{}", settings(stage.directory.path()).path.display());
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let snapshot = || accepted("group", vec![firing("a", 10)], &["chat"]);
    let error = stage.outbox.accept(snapshot()).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    stage.outbox.accept(snapshot()).await.unwrap();
}

#[tokio::test]
async fn a_second_relay_is_kept_out() {
    let stage = Stage::new().await;
    let error = Outbox::open(&settings(stage.directory.path()), stage.clock.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let directory = tempfile::tempdir().unwrap();

    let missing =
        StoreSettings { path: directory.path().join("no/such/relay.db"), ..settings(directory.path()) };
    let error = Outbox::open(&missing, clock.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error}");
    let user = format!("user {}, as which this runs", rustix::process::geteuid());
    for words in ["no/such/relay.db", "hint", &user, "deploy/README.md"] {
        assert!(error.to_string().contains(words), "nothing of `{words}`: {error}");
    }

    let garbled = settings(directory.path());
    std::fs::write(&garbled.path, "this was never a database, whatever its name says; ".repeat(100)).unwrap();
    let error = Outbox::open(&garbled, clock.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("hint"), "{error}");
}

#[tokio::test]
async fn a_store_that_may_not_be_written_refuses_and_stays_whole() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("first", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.store.writer.statement("PRAGMA query_only = ON").await.unwrap();
    let error = stage.outbox.accept(accepted("second", vec![firing("a", 10)], &["chat"])).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains(&format!("user {}, ", rustix::process::geteuid())), "{error}");
    assert!(matches!(stage.outbox.ping().await, Err(StoreError::ReadOnly { .. })));
    assert_eq!(stage.counts("chat").await.accepted, 1);
}

#[tokio::test]
async fn the_files_copied_at_any_moment_hold_every_answered_webhook() {
    let stage = Stage::new().await;
    let path = settings(stage.directory.path()).path;
    for number in 0..50 {
        stage.outbox.accept(accepted(&number.to_string(), vec![firing("a", 10)], &["chat"])).await.unwrap();
        // What a crash would leave: the file and its log, as they are on disk now.
        if number % 10 == 9 {
            let crashed = tempfile::tempdir().unwrap();
            let copy = settings(crashed.path());
            for suffix in ["", "-wal"] {
                let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
                std::fs::copy(name(&path), name(&copy.path)).unwrap();
            }
            let outbox = Outbox::open(&copy, stage.clock.clone()).await.unwrap();
            assert_eq!(outbox.counts().await.unwrap()["chat"].pending, number + 1);
        }
    }
}

/// A file in which these statements were run.
async fn file(path: &Path, statements: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn a_reader_says_what_is_wrong_with_a_file_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let refused = async |what: &str| {
        let settings = settings(directory.path());
        let before = std::fs::read(&settings.path).ok();
        let error = ReadOnlyOutbox::open(&settings).await.unwrap_err();
        assert!(error.to_string().contains("hint"), "{what}: {error}");
        assert_eq!(std::fs::read(&settings.path).ok(), before, "{what}");
        error
    };
    let path = settings(directory.path()).path;
    assert!(matches!(refused("missing").await, ReadError::Missing { .. }));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(refused("empty").await, ReadError::NotAStore { .. }));
    std::fs::write(&path, "this was never a database, ".repeat(100)).unwrap();
    assert!(matches!(refused("garbled").await, ReadError::Store(StoreError::Damaged { .. })));
    std::fs::remove_file(&path).unwrap();
    file(&path, "CREATE TABLE dashboard (id INTEGER)").await;
    assert!(matches!(refused("of another program").await, ReadError::NotAStore { .. }));
    std::fs::remove_file(&path).unwrap();
    let outbox =
        Outbox::open(&settings(directory.path()), Clock::manual(Timestamp::UNIX_EPOCH)).await.unwrap();
    outbox.close().await;
    file(&path, "PRAGMA user_version = 5").await;
    assert!(matches!(refused("of an earlier version").await, ReadError::TooOld { found: 5, .. }));
    file(&path, "PRAGMA user_version = 99").await;
    assert!(matches!(refused("of a later version").await, ReadError::Store(StoreError::TooNew { .. })));
}

#[tokio::test]
async fn a_reader_reads_what_a_crash_left_in_the_log_and_leaves_nothing_beside_a_file_at_rest() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let copy = || {
        let directory = tempfile::tempdir().unwrap();
        for file in ["relay.db", "relay.db-wal"] {
            std::fs::copy(stage.directory.path().join(file), directory.path().join(file)).unwrap();
        }
        directory
    };
    let is_found = async |directory: &Path| {
        let mut reading = ReadOnlyOutbox::open(&settings(directory)).await.unwrap();
        reading.story(&stage.outbox.public_id(1)).await.unwrap().is_some()
    };
    assert!(is_found(copy().path()).await, "it is in the log alone");

    let at_rest = copy();
    file(&settings(at_rest.path()).path, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(is_found(at_rest.path()).await);
    let left: Vec<_> =
        std::fs::read_dir(at_rest.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["relay.db"]);
}

#[tokio::test]
async fn an_alert_that_no_route_wanted_is_looked_for_in_the_newest_webhooks_alone() {
    let stage = Stage::new().await;
    for group in ["one", "two"] {
        let mut webhook = accepted(group, vec![firing("a", 10)], &[]);
        webhook.unrouted = vec![firing("a", 10).fingerprint];
        stage.outbox.accept(webhook).await.unwrap();
    }
    let Stage { directory, outbox, .. } = stage;
    outbox.close().await;
    drop(outbox);
    let settings = settings(directory.path());
    for (renumber, is_cut, expected) in [
        (
            "PRAGMA foreign_keys = OFF; UPDATE notifications SET id = 200000 WHERE id > 1",
            false,
            vec![200_000, 1],
        ),
        ("PRAGMA foreign_keys = OFF; UPDATE notifications SET id = 200001 WHERE id > 1", true, vec![200_001]),
    ] {
        file(&settings.path, renumber).await;
        let mut reading = ReadOnlyOutbox::open(&settings).await.unwrap();
        let seen = reading.sightings(&firing("a", 10).fingerprint).await.unwrap();
        let found: Vec<i64> = seen.unrouted.iter().map(|seen| seen.notification).collect();
        assert_eq!((found, seen.is_cut), (expected, is_cut), "{renumber}");
    }
}

/// A group may have had any number of alerts.
#[tokio::test]
async fn a_ledger_has_a_bounded_number_of_rows_and_forgets_what_is_over_first() {
    let stage = Stage::new().await;
    let entries = |range: std::ops::Range<usize>, alert: fn(&str, i64) -> Alert| -> Vec<LedgerEntry> {
        range.map(|number| LedgerEntry::new(alert(&format!("{number:06}"), 10))).collect()
    };
    let rows = async |status: &'static str| -> i64 {
        let url = format!("sqlite://{}", settings(stage.directory.path()).path.display());
        let mut store = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let rows = sqlx::query_scalar("SELECT COUNT(*) FROM told WHERE status = $1").bind(status);
        rows.fetch_one(&mut store).await.unwrap()
    };
    for (told, expected) in [
        (entries(0..30, firing), (30, 0)),
        (entries(30..20_010, resolved), (30, 19_970)),
        (entries(30_000..40_000, firing), (10_030, 9_970)),
        (entries(40_000..50_000, firing), (20_000, 0)),
    ] {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, told).await;
        assert_eq!((rows("firing").await, rows("resolved").await), expected);
        stage.clock.advance(std::time::Duration::from_mins(5));
    }
}

/// Far below the bound of one claim's ledger: labels beyond it are left out, and no alert is.
#[tokio::test]
async fn of_a_ledger_of_megabytes_every_alert_is_known_and_a_bounded_part_is_held() {
    let stage = Stage::new().await;
    let large = |number: usize| {
        let mut alert = firing(&format!("{number:06}"), 10);
        alert.labels.insert("text".to_owned(), "x".repeat(8_000));
        alert.annotations.insert("text".to_owned(), "x".repeat(100_000));
        alert.annotations.insert("summary".to_owned(), "y".repeat(8_000));
        LedgerEntry::new(alert)
    };
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    stage.settle(&claim, End::Delivered, (0..800).map(large).collect()).await;
    stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
    let ledger = stage.claim_only("chat").await.unwrap().ledger;
    assert_eq!(ledger.len(), 800);
    let bytes = |set: &crate::notification::LabelSet| set.iter().map(|(_, value)| value.len()).sum::<usize>();
    let held: usize =
        ledger.iter().map(|entry| bytes(&entry.alert.labels) + bytes(&entry.alert.annotations)).sum();
    assert!((7 << 20..9 << 20).contains(&held), "{held}");
}

#[tokio::test]
async fn without_its_reserve_a_store_takes_what_its_own_free_pages_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("relay.db");
    let mut connection = connect::writing(&path).await.unwrap();
    let checkpoints = Checkpoints::start(&path, &mut connection).await.unwrap();
    let mut file = OpenFile {
        connection,
        files: OpenFiles::of(&path),
        reserve: Reserve::used_up(),
        checkpoints,
        _ownership: Ownership::take(&path).unwrap(),
    };
    for (statement, is_taken) in [
        ("CREATE TABLE ended (payload BLOB)", false),
        ("INSERT INTO ended VALUES (zeroblob(16 * 1024 * 1024))", false),
        ("DROP TABLE ended", true),
        ("PRAGMA incremental_vacuum(1000)", false),
    ] {
        sqlx::raw_sql(statement).execute(&mut file.connection).await.unwrap();
        assert_eq!(file.refusal().await.is_none(), is_taken, "{statement}");
    }
}

#[tokio::test]
async fn a_store_that_was_large_once_gives_its_space_back_in_small_pieces() {
    // And some pages of the map that SQLite keeps of what it may move.
    const PIECE: u64 = 4 * 1024 * 1024 + 16 * 1024;
    const KEPT: u64 = 16 * 1024 * 1024;
    let stage = Stage::new().await;
    let file = stage.settings().path;
    let small = {
        stage.outbox.ping().await.unwrap();
        size(&file).await
    };
    for number in 0..36 {
        let mut webhook = accepted(&number.to_string(), vec![firing("a", 10)], &[]);
        webhook.payload = Bytes::from(vec![b' '; 1 << 20]);
        stage.outbox.accept(webhook).await.unwrap();
    }
    let large = size(&file).await;
    assert!(large > small + 36 * 1024 * 1024, "{large} bytes");
    stage.clock.advance(Duration::from_hours(1));
    let mut before = large;
    // Also rounds that find nothing to delete any more go on with it.
    for _ in 0..20 {
        stage.outbox.prune(stage.clock.now()).await.unwrap();
        let after = size(&file).await;
        assert!(
            after <= before && before - after <= PIECE,
            "from {before} to {after} bytes in one transaction"
        );
        before = after;
    }
    // What comes next finds some space.
    assert!(before >= KEPT && before < KEPT + small + PIECE, "{before} bytes are left, of {large}");
    stage.outbox.close().await;
    assert!(std::fs::metadata(&file).unwrap().len() < KEPT + small + PIECE);
}

/// Bytes of the file once its log is in it.
async fn size(file: &Path) -> u64 {
    let url = format!("sqlite://{}", file.display());
    let mut reading = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let (pages, bytes): (i64, i64) =
        sqlx::query_as("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut reading)
            .await
            .unwrap();
    sqlx::Connection::close(reading).await.unwrap();
    u64::try_from(pages * bytes).unwrap()
}

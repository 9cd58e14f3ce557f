//! The store as its users see it, on a real file.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::delivery::{End, LedgerEntry};
use crate::message::Wording;
use crate::notification::{Alert, Fingerprint, Status};
use crate::outbox::testing::{LEASE, Stage, accepted, firing, ids, resolved, settings, start, verdict};

#[tokio::test]
async fn what_was_accepted_survives_a_restart_as_it_came() {
    let stage = Stage::new().await;
    let accepted = accepted("group", vec![firing("a", 10)], &["chat", "mail"]);
    let acceptance = stage.outbox.accept(accepted.clone()).await.unwrap();
    assert_eq!(acceptance, Acceptance::Stored { notification: 1, deliveries: 2 });
    let stage = stage.reopen().await;
    let claim = stage.claim_only("mail").await.unwrap();
    assert_eq!(claim.deliveries[0].payload, accepted.payload);
    assert_eq!(claim.deliveries[0].alerts, [Fingerprint("a".to_owned())]);
    assert_eq!(claim.deliveries[0].mentions, accepted.deliveries[1].mentions);
    assert_eq!(claim.deliveries[0].accepted_at, stage.clock.now());
}

#[tokio::test]
async fn an_equal_snapshot_is_suppressed_within_the_window_and_a_repeat_after_it() {
    let stage = Stage::new().await;
    let snapshot = || accepted("group", vec![firing("a", 10)], &["chat"]);
    stage.outbox.accept(snapshot()).await.unwrap();
    stage.clock.advance(DEDUP_WINDOW.saturating_sub(Duration::from_millis(1)));
    let copy = stage.outbox.accept(snapshot()).await.unwrap();
    assert_eq!(copy, Acceptance::Duplicate { notification: 2, of: 1, deliveries: 1 });

    let mut declared = snapshot();
    declared.notification.is_declared_repeat = true;
    assert!(matches!(stage.outbox.accept(declared).await.unwrap(), Acceptance::Stored { .. }));
    let mut changed = snapshot();
    changed.notification.alerts[0].status = Status::Resolved;
    assert!(matches!(stage.outbox.accept(changed).await.unwrap(), Acceptance::Stored { .. }));

    // A copy does not prolong the window.
    stage.clock.advance(DEDUP_WINDOW);
    assert!(matches!(stage.outbox.accept(snapshot()).await.unwrap(), Acceptance::Stored { .. }));
    let counts = stage.counts("chat").await;
    assert_eq!((counts.accepted, counts.pending), (5, 4));
    assert_eq!(counts.ended, BTreeMap::from([(End::Suppressed, 1)]));
    assert_eq!(crate::audit::imbalance(&counts), 0);
}

#[tokio::test]
async fn what_is_as_it_was_before_the_last_change_is_news() {
    let stage = Stage::new().await;
    let accept = async |alerts: Vec<Alert>, is_news: bool| {
        stage.clock.advance(Duration::from_secs(10));
        let acceptance = stage.outbox.accept(accepted("group", alerts.clone(), &["chat"])).await.unwrap();
        assert_eq!(matches!(acceptance, Acceptance::Stored { .. }), is_news, "{alerts:?}");
    };
    accept(vec![firing("a", 10)], true).await;
    accept(vec![firing("a", 10)], false).await;
    accept(vec![resolved("a", 10)], true).await;
    accept(vec![firing("a", 10)], true).await;
    // The copy of a second peer, and of nothing else.
    accept(vec![firing("a", 10)], false).await;
    stage.outbox.accept(accepted("other", vec![firing("b", 10)], &["chat"])).await.unwrap();
    accept(vec![firing("a", 10)], false).await;
}

#[tokio::test]
async fn urgent_lanes_are_found_among_the_others() {
    let stage = Stage::new().await;
    let mut urgent = accepted("urgent", vec![firing("a", 10)], &["chat"]);
    urgent.notification.alerts[0].labels.insert("severity".to_owned(), "critical".to_owned());
    stage.outbox.accept(accepted("calm", vec![firing("b", 10)], &["chat"])).await.unwrap();
    stage.outbox.accept(urgent).await.unwrap();
    let due = stage.outbox.due("chat", UrgencyFilter::Urgent, stage.clock.now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.is_urgent).collect::<Vec<_>>(), [true]);
    assert_eq!(stage.due("chat").await.len(), 2);

    let later = stage.clock.now().plus(Duration::from_mins(1));
    stage.outbox.claim(&due[0].key, Duration::from_secs(30)).await.unwrap().unwrap();
    stage.outbox.release(&due[0].key, later).await.unwrap();
    let next = async |which| stage.outbox.next_due("chat", which, stage.clock.now()).await.unwrap();
    assert_eq!(next(UrgencyFilter::Urgent).await, Some(later));
    assert_eq!(next(UrgencyFilter::Any).await, Some(later));
}

#[tokio::test]
async fn copies_in_one_transaction_are_found_too() {
    let stage = Stage::new().await;
    let copies = (0..40).map(|_| {
        let outbox = stage.outbox.clone();
        tokio::spawn(async move {
            outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap()
        })
    });
    let mut stored = 0;
    for copy in copies.collect::<Vec<_>>() {
        stored += usize::from(matches!(copy.await.unwrap(), Acceptance::Stored { .. }));
    }
    assert_eq!(stored, 1);
    assert_eq!(stage.counts("chat").await.ended, BTreeMap::from([(End::Suppressed, 39)]));
}

#[tokio::test]
async fn a_claim_takes_the_whole_lane_and_keeps_others_out_until_its_lease_ends() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.accept(accepted("group", vec![firing("a", 10), firing("b", 20)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    assert_eq!(ids(&claim), [1, 2]);

    // A newer snapshot waits for the lane.
    stage.outbox.accept(accepted("group", vec![firing("b", 20)], &["chat"])).await.unwrap();
    assert!(stage.due("chat").await.is_empty());
    assert!(stage.outbox.claim(&claim.key, LEASE).await.unwrap().is_none());

    stage.clock.advance(LEASE);
    assert_eq!(ids(&stage.claim_only("chat").await.unwrap()), [1, 2, 3]);
}

#[tokio::test]
async fn a_claim_takes_no_more_bytes_than_it_may_and_one_webhook_always() {
    let stage = Stage::new().await;
    for (alert, mebibytes) in [("a", 20), ("b", 7), ("c", 7), ("d", 7)] {
        let mut large = accepted("group", vec![firing(alert, 10)], &["chat"]);
        large.payload = Bytes::from(vec![b' '; mebibytes << 20]);
        stage.outbox.accept(large).await.unwrap();
    }
    for expected in [vec![1], vec![2, 3], vec![4]] {
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(ids(&claim), expected);
        stage.settle(&claim, End::Delivered, vec![]).await;
    }
}

#[tokio::test]
async fn lanes_of_other_groups_and_targets_are_free() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("one", vec![firing("a", 10)], &["chat", "mail"])).await.unwrap();
    stage.outbox.accept(accepted("two", vec![firing("b", 10)], &["chat"])).await.unwrap();
    let first = stage.claim_only("chat").await.unwrap();
    let second = stage.claim_only("chat").await.unwrap();
    assert_ne!(first.key, second.key);
    assert!(stage.claim_only("mail").await.is_some());
    assert!(stage.claim_only("chat").await.is_none());
}

#[tokio::test]
async fn a_dead_process_leaves_its_leases_to_the_next_one_at_once() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    // Under way when it died.
    stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap().unwrap();
    let stage = stage.reopen().await;
    let again = stage.claim_only("chat").await.unwrap();
    assert_eq!((again.key, ids(&claim)), (claim.key, vec![1]));
    assert_eq!(again.deliveries[0].attempts, 1);
    let past = stage.outbox.past_attempts(stage.clock.now().minus(LEASE)).await.unwrap();
    assert_eq!(
        past,
        [PastAttempt { robot: "robot".to_owned(), ended_at: stage.clock.now(), pause_until: None }]
    );
}

#[tokio::test]
async fn an_end_tells_and_takes_the_older_ones_along() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    // Not claimed, so it has to stay.
    stage.outbox.accept(accepted("group", vec![resolved("b", 10)], &["chat"])).await.unwrap();
    stage.attempt(&claim, 1, 1, true).await;
    let mut told = LedgerEntry { alert: firing("b", 10) };
    told.alert.annotations.insert("summary".to_owned(), "磁盘 \"满\"".to_owned());
    assert_eq!(stage.settle(&claim, End::Delivered, vec![told.clone()]).await, 2);

    let counts = stage.counts("chat").await;
    assert_eq!(counts.ended, BTreeMap::from([(End::Delivered, 1), (End::Superseded, 1)]));
    assert_eq!((counts.accepted, counts.pending), (3, 1));
    let next = stage.claim_only("chat").await.unwrap();
    assert_eq!((ids(&next), next.told), (vec![3], vec![told]));
    // A second end of the same claim changes nothing.
    assert_eq!(stage.settle(&claim, End::Dead, vec![]).await, 0);
    assert_eq!(crate::audit::imbalance(&stage.counts("chat").await), 0);
}

#[tokio::test]
async fn what_a_dead_message_spoke_for_is_dead_too() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.accept(accepted("group", vec![resolved("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    assert_eq!(stage.settle(&claim, End::Dead, vec![]).await, 2);
    assert_eq!(stage.counts("chat").await.ended, BTreeMap::from([(End::Dead, 2)]));
}

#[tokio::test]
async fn a_late_verdict_without_the_lease_changes_nothing() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    stage.outbox.release(&claim.key, stage.clock.now()).await.unwrap();
    assert_eq!(stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap(), None);
    assert_eq!(stage.settle(&claim, End::Delivered, vec![LedgerEntry { alert: firing("a", 10) }]).await, 0);
    assert!(stage.claim_only("chat").await.unwrap().told.is_empty());
}

#[tokio::test]
async fn parts_that_arrived_are_remembered_and_newer_snapshots_wait_behind_them() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    assert_eq!(claim.progress, None);
    stage.attempt(&claim, 1, 3, true).await;
    stage.attempt(&claim, 2, 3, false).await;
    stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();

    let stage = stage.reopen().await;
    let mut critical = firing("c", 10);
    critical.labels.insert("severity".to_owned(), "critical".to_owned());
    stage.outbox.accept(accepted("urgent", vec![critical], &["chat"])).await.unwrap();
    let due = stage.outbox.due("chat", UrgencyFilter::Any, stage.clock.now(), 2).await.unwrap();
    assert_eq!(
        due.iter().map(|due| due.is_urgent).collect::<Vec<_>>(),
        [false, true],
        "the rest is to follow first"
    );
    let again = stage.claim_only("chat").await.unwrap();
    assert_eq!(ids(&again), [1]);
    let progress = again.progress.clone().unwrap();
    assert_eq!(progress.rendering, start(1, 1, 3).rendering);
    assert_eq!(progress.done, BTreeSet::from([1]));

    // Put differently, it starts over, and the newer snapshot may join.
    let attempt = stage.outbox.begin_attempt(start(1, 2, 3), LEASE).await.unwrap().unwrap();
    let reword = AttemptEnd { next_wording: Some(Wording::Plain), ..verdict(attempt, 1, false) };
    stage.outbox.end_attempt(reword).await.unwrap();
    stage.outbox.release(&again.key, stage.clock.now()).await.unwrap();
    assert_eq!(ids(&stage.outbox.claim(&again.key, LEASE).await.unwrap().unwrap()), [1, 2]);
}

#[tokio::test]
async fn a_lane_waits_for_its_latest_time_unless_hastened() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    let later = stage.clock.now().plus(Duration::from_secs(30));
    stage.outbox.release(&claim.key, later).await.unwrap();
    stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
    assert!(stage.due("chat").await.is_empty());
    assert_eq!(
        stage.outbox.next_due("chat", UrgencyFilter::Any, stage.clock.now()).await.unwrap(),
        Some(later)
    );
    stage.outbox.hasten("chat").await.unwrap();
    assert_eq!(stage.due("chat").await.len(), 1);
    assert_eq!(stage.outbox.next_due("chat", UrgencyFilter::Any, stage.clock.now()).await.unwrap(), None);
}

#[tokio::test]
async fn urgent_lanes_come_before_older_ones() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("old", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let mut critical = firing("b", 10);
    critical.labels.insert("severity".to_owned(), "critical".to_owned());
    stage.outbox.accept(accepted("urgent", vec![critical], &["chat"])).await.unwrap();
    let due = stage.outbox.due("chat", UrgencyFilter::Any, stage.clock.now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.is_urgent).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn giving_up_ends_what_is_too_old_and_nobody_holds() {
    let stage = Stage::new().await;
    for group in ["held", "old"] {
        stage.outbox.accept(accepted(group, vec![firing("a", 10)], &["chat"])).await.unwrap();
    }
    let held = stage.claim_only("chat").await.unwrap();
    stage.clock.advance(Duration::from_secs(10));
    stage.outbox.accept(accepted("young", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let given_up = stage.outbox.give_up("chat", stage.clock.now(), "too old").await.unwrap();
    assert_eq!(given_up.iter().map(|gone| gone.id).collect::<Vec<_>>(), [2]);
    assert_eq!(ids(&held), [1]);
    let counts = stage.counts("chat").await;
    assert_eq!((counts.pending, crate::audit::imbalance(&counts)), (2, 0));
}

#[tokio::test]
async fn pruning_takes_only_what_ended_long_ago_and_the_sum_stays() {
    let stage = Stage::new().await;
    // Many to a transaction, and fewer at a time than the writer's queue holds.
    for hundreds in 0..3 {
        let accepts = (0..400).map(|number| {
            let (outbox, group) = (stage.outbox.clone(), format!("group {hundreds} {number}"));
            tokio::spawn(
                async move { outbox.accept(accepted(&group, vec![firing("a", 10)], &["chat"])).await },
            )
        });
        for accept in accepts.collect::<Vec<_>>() {
            accept.await.unwrap().unwrap();
        }
    }
    stage.clock.advance(Duration::from_secs(10));
    stage.outbox.give_up("chat", stage.clock.now(), "test").await.unwrap();
    stage.outbox.accept(accepted("pending", vec![firing("a", 10)], &["chat"])).await.unwrap();
    let before = stage.counts("chat").await;

    assert_eq!(stage.outbox.prune(stage.clock.now()).await.unwrap(), 0, "ended just now");
    stage.clock.advance(Duration::from_secs(1));
    let mut batches = 0;
    while stage.outbox.prune(stage.clock.now()).await.unwrap() > 0 {
        batches += 1;
    }
    assert!(batches > 1, "one transaction pruned it all");
    assert_eq!(stage.counts("chat").await, before);
    assert_eq!(crate::audit::imbalance(&before), 0);
    let claim = stage.claim_only("chat").await.unwrap();
    assert_eq!(ids(&claim), [1_201], "pending deliveries stay, and no number is used twice");
}

#[tokio::test]
async fn what_a_target_was_told_is_remembered_long_after_the_delivery() {
    let mut stage = Stage::new().await;
    let told = LedgerEntry { alert: firing("a", 10) };
    for (months, expected) in [(0, vec![told.clone()]), (3, vec![told.clone()]), (4, vec![])] {
        if months == 0 {
            stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
            let claim = stage.claim_only("chat").await.unwrap();
            stage.settle(&claim, End::Suppressed, vec![told.clone()]).await;
        }
        stage.clock.advance(Duration::from_hours(24 * 29 * months));
        while stage.outbox.prune(stage.clock.now()).await.unwrap() > 0 {}
        stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
        assert_eq!(stage.claim_only("chat").await.unwrap().told, expected, "after {months} months");
        stage = stage.reopen().await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_whole_and_works_again_with_space() {
    let stage = Stage::new().await;
    stage.outbox.accept(accepted("first", vec![firing("a", 10)], &["chat"])).await.unwrap();
    stage.outbox.shared.writer.statement("PRAGMA max_page_count = 1").await.unwrap();
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

    stage.outbox.shared.writer.statement("PRAGMA max_page_count = 1073741823").await.unwrap();
    stage.outbox.accept(large("second")).await.unwrap();
    stage.outbox.ping().await.unwrap();
    assert_eq!((stage.counts("mail").await.accepted, stage.counts("chat").await.accepted), (1, 2));
}

#[tokio::test]
async fn one_bad_request_does_not_spoil_the_others_of_its_transaction() {
    let stage = Stage::new().await;
    // Held back by this, the rest gathers into one transaction.
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n";
    let writer = stage.outbox.shared.writer.clone();
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
    stage.outbox.shared.writer.statement("PRAGMA busy_timeout = 20").await.unwrap();
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
    assert!(error.to_string().contains("no/such/relay.db") && error.to_string().contains("hint"), "{error}");

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
    stage.outbox.shared.writer.statement("PRAGMA query_only = ON").await.unwrap();
    let error = stage.outbox.accept(accepted("second", vec![firing("a", 10)], &["chat"])).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
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

#[tokio::test]
async fn who_hangs_up_while_being_stored_is_stored_and_noticed() {
    let stage = Stage::new().await;
    let mut accept = Box::pin(stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])));
    // Polled once it is in the writer's queue, and the writer, on this same thread, has not run yet.
    let answer = std::future::poll_fn(|context| Poll::Ready(accept.as_mut().poll(context))).await;
    assert!(answer.is_pending(), "answered before it could be written");
    drop(accept);
    stage.outbox.arrived().await;
    assert_eq!(stage.due("chat").await.len(), 1);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let stage = Stage::new().await;
    let waiting = tokio::spawn({
        let outbox = stage.outbox.clone();
        async move { outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await }
    });
    tokio::task::yield_now().await;
    stage.outbox.close().await;
    assert!(waiting.await.unwrap().is_ok(), "what was asked before the close is written");
    let error = stage.outbox.accept(accepted("late", vec![firing("a", 10)], &["chat"])).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
}

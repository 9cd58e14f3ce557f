//! Claiming: what is due, in which order, and for how long nobody else has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::delivery::{AttemptEnd, End, LedgerEntry, PastAttempt, SetAside, UrgencyFilter, Waiting};
use crate::message::Wording;
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, accepted, firing, ids, start, verdict};
use crate::story::DeliveryStatus;

#[tokio::test]
async fn urgent_groups_are_found_among_the_others() {
    on_every_store(async |stage| {
        let mut urgent = accepted("urgent", vec![firing("a", 10)], &["chat"]);
        urgent.notification.alerts[0].labels.insert("severity".to_owned(), "critical".to_owned());
        stage.outbox.accept(accepted("calm", vec![firing("b", 10)], &["chat"])).await.unwrap();
        stage.outbox.accept(urgent).await.unwrap();
        let due = stage.outbox.due("chat", UrgencyFilter::Urgent, stage.clock.now(), 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.is_urgent).collect::<Vec<_>>(), [true]);
        assert_eq!(stage.due("chat").await.len(), 2);

        let later = stage.clock.now().plus(Duration::from_mins(1));
        stage.outbox.claim(&due[0].key, Duration::from_secs(30), u64::MAX).await.unwrap().unwrap();
        stage.outbox.release(&due[0].key, later).await.unwrap();
        let next = async |which| stage.outbox.next_due("chat", which, stage.clock.now()).await.unwrap();
        assert_eq!(next(UrgencyFilter::Urgent).await, Some(later));
        assert_eq!(next(UrgencyFilter::Any).await, Some(later));
    })
    .await;
}

#[tokio::test]
async fn urgent_groups_come_before_older_ones() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("old", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let mut critical = firing("b", 10);
        critical.labels.insert("severity".to_owned(), "critical".to_owned());
        stage.outbox.accept(accepted("urgent", vec![critical], &["chat"])).await.unwrap();
        let due = stage.outbox.due("chat", UrgencyFilter::Any, stage.clock.now(), 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.is_urgent).collect::<Vec<_>>(), [true, false]);
    })
    .await;
}

#[tokio::test]
async fn a_claim_takes_the_whole_queue_and_keeps_others_out_until_its_lease_ends() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        stage
            .outbox
            .accept(accepted("group", vec![firing("a", 10), firing("b", 20)], &["chat"]))
            .await
            .unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(ids(&claim), [1, 2]);

        // A newer snapshot waits for the queue.
        stage.outbox.accept(accepted("group", vec![firing("b", 20)], &["chat"])).await.unwrap();
        assert!(stage.due("chat").await.is_empty());
        assert!(stage.outbox.claim(&claim.key, LEASE, u64::MAX).await.unwrap().is_none());

        stage.clock.advance(LEASE);
        assert_eq!(ids(&stage.claim_only("chat").await.unwrap()), [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn a_claim_takes_no_more_bytes_than_it_may_and_one_webhook_always() {
    on_every_store(async |stage| {
        for (alert, mebibytes) in [("a", 20), ("b", 3), ("c", 3), ("d", 3)] {
            let mut large = accepted("group", vec![firing(alert, 10)], &["chat"]);
            large.payload = Bytes::from(vec![b' '; mebibytes << 20]);
            stage.outbox.accept(large).await.unwrap();
        }
        for expected in [vec![1], vec![2, 3], vec![4]] {
            let claim = stage.claim_only("chat").await.unwrap();
            assert_eq!(ids(&claim), expected);
            stage.settle(&claim, End::Delivered, vec![]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn queues_of_other_groups_and_targets_are_free() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("one", vec![firing("a", 10)], &["chat", "mail"])).await.unwrap();
        stage.outbox.accept(accepted("two", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let first = stage.claim_only("chat").await.unwrap();
        let second = stage.claim_only("chat").await.unwrap();
        assert_ne!(first.key, second.key);
        assert!(stage.claim_only("mail").await.is_some());
        assert!(stage.claim_only("chat").await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_dead_process_leaves_its_leases_to_the_next_one_at_once() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        // Under way when it died.
        stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap().unwrap();
        let stage = stage.reopen().await;
        let again = stage.claim_only("chat").await.unwrap();
        assert_eq!((again.key, ids(&claim)), (claim.key, vec![1]));
        assert_eq!(again.deliveries[0].attempts, 1);
        let past = stage.outbox.past_attempts(LEASE).await.unwrap();
        assert_eq!(past, [PastAttempt { robot: "robot".to_owned(), ended_ago: Duration::ZERO, pause: None }]);
    })
    .await;
}

#[tokio::test]
async fn parts_that_arrived_are_remembered_and_newer_snapshots_wait_behind_them() {
    on_every_store(async |stage| {
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
        assert_eq!(ids(&stage.outbox.claim(&again.key, LEASE, u64::MAX).await.unwrap().unwrap()), [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_queue_waits_for_its_latest_time_unless_hastened() {
    on_every_store(async |stage| {
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
    })
    .await;
}

#[tokio::test]
async fn a_claim_says_before_what_it_takes_of_memory() {
    on_every_store(async |stage| {
        for (alert, bytes) in [("a", 9 << 20), ("b", 3 << 20), ("c", 3 << 20), ("d", 3 << 20)] {
            let mut large = accepted("group", vec![firing(alert, 10)], &["chat"]);
            large.payload = Bytes::from(vec![b' '; bytes]);
            stage.outbox.accept(large).await.unwrap();
        }
        let key = stage.key("chat").await;
        let waiting = async || stage.outbox.waiting(&key).await.unwrap();
        assert_eq!(waiting().await, Waiting { webhooks: 9 << 20, ledger: 0, has_ended_a_process: false });
        let claim = stage.claim_only("chat").await.unwrap();
        let mut sent = LedgerEntry::new(firing("a", 10));
        sent.alert.annotations.insert("summary".to_owned(), "x".repeat(5_000));
        stage.settle(&claim, End::Delivered, vec![sent]).await;
        let next = waiting().await;
        assert_eq!(next.webhooks, 6 << 20);
        assert!((5_000..5_100).contains(&next.ledger), "{next:?}");
    })
    .await;
}

/// What five processes ended with is not tried by a sixth: a relay that is killed for its memory would be killed at each start.
#[tokio::test]
async fn what_ended_five_processes_is_set_aside_and_the_rest_goes_on() {
    on_every_store(async |mut stage| {
        for (group, targets) in [("deadly", &["chat", "mail"]), ("harmless", &["chat", "mail"])] {
            stage.outbox.accept(accepted(group, vec![firing("a", 10)], targets)).await.unwrap();
        }
        let deadly = stage.key("chat").await;
        for deaths in 0..5 {
            assert_eq!(stage.outbox.set_aside(), []);
            let waiting = stage.outbox.waiting(&deadly).await.unwrap();
            assert_eq!(waiting.has_ended_a_process, deaths > 0);
            let claim = stage.claim_only("chat").await.unwrap();
            assert_eq!(claim.key, deadly);
            // Claimed as well, and on its way when the process ended: that was not what ended it.
            let harmless = stage.claim_only("chat").await.unwrap();
            let delivery = harmless.deliveries[0].id;
            stage.outbox.begin_attempt(start(delivery, 1, 1), LEASE).await.unwrap().unwrap();
            stage = stage.reopen().await;
            // After the second time it waits, and all else goes first.
            let first = stage.outbox.due("chat", UrgencyFilter::Any, stage.clock.now(), 9).await.unwrap();
            assert_eq!(first.iter().any(|due| due.key == deadly), deaths < 1, "after {} deaths", deaths + 1);
            stage.clock.advance(Duration::from_mins(1));
        }
        let expected = SetAside { id: 1, target: "chat".to_owned(), group: deadly.group.clone() };
        assert_eq!(stage.outbox.set_aside(), [expected]);
        let counts = stage.counts("chat").await;
        assert_eq!((counts.pending, counts.set_aside), (1, 1));
        assert_eq!(counts.ended, BTreeMap::from([(End::Dead, 1)]));
        assert_eq!(crate::audit::imbalance(&counts), 0);
        assert_ne!(stage.claim_only("chat").await.unwrap().key, deadly);
        assert_eq!(stage.counts("mail").await.pending, 2);

        // It is said once, and can be asked for.
        let stage = stage.reopen().await;
        let listed = stage.read().await.unwrap().set_aside().await.unwrap();
        let [sighting] = &listed.deliveries[..] else { panic!("{listed:?}") };
        assert_eq!((&sighting.id, sighting.target.as_str()), (&stage.outbox.public_id(1), "chat"));
        assert!(matches!(&sighting.status, DeliveryStatus::Ended { end: End::Dead, .. }), "{sighting:?}");
        assert_eq!((stage.outbox.set_aside(), stage.counts("chat").await.set_aside), (vec![], 1));
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_was_put_back_or_tried_has_ended_no_process() {
    on_every_store(async |mut stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        for round in 0..4 {
            let claim = stage.claim_only("chat").await.unwrap();
            if round % 2 == 1 {
                stage.outbox.release(&claim.key, stage.clock.now()).await.unwrap();
            }
            // Every other claim ends with its process, but never two in a row.
            stage = stage.reopen().await;
            let claim = stage.claim_only("chat").await.unwrap();
            stage.outbox.release(&claim.key, stage.clock.now()).await.unwrap();
        }
        assert_eq!(stage.counts("chat").await.pending, 1);
    })
    .await;
}

//! Accepting: what is answered as stored is stored, once.

use std::collections::BTreeMap;
use std::task::Poll;
use std::time::Duration;

use crate::delivery::{Acceptance, End};
use crate::notification::{Alert, Fingerprint, Status};
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{accepted, firing, resolved};
use crate::outbox::{DEDUP_WINDOW, StoreError};

#[tokio::test]
async fn what_was_accepted_survives_a_restart_as_it_came() {
    on_every_store(async |stage| {
        let accepted = accepted("group", vec![firing("a", 10)], &["chat", "mail"]);
        let acceptance = stage.outbox.accept(accepted.clone()).await.unwrap();
        assert_eq!(acceptance, Acceptance::Stored { notification: 1, deliveries: 2 });
        let stage = stage.reopen().await;
        let claim = stage.claim_only("mail").await.unwrap();
        assert_eq!(claim.deliveries[0].payload, accepted.payload);
        assert_eq!(claim.deliveries[0].alerts, [Fingerprint("a".to_owned())]);
        assert_eq!(claim.deliveries[0].mentions, accepted.deliveries[1].mentions);
        assert_eq!(claim.deliveries[0].accepted_at, stage.clock.now());
    })
    .await;
}

#[tokio::test]
async fn an_equal_snapshot_is_suppressed_within_the_window_and_a_repeat_after_it() {
    on_every_store(async |stage| {
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
    })
    .await;
}

#[tokio::test]
async fn what_is_as_it_was_before_the_last_change_is_news() {
    on_every_store(async |stage| {
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
    })
    .await;
}

#[tokio::test]
async fn copies_in_one_transaction_are_found_too() {
    on_every_store(async |stage| {
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
    })
    .await;
}

#[tokio::test]
async fn who_hangs_up_while_being_stored_is_stored_and_noticed() {
    on_every_store(async |stage| {
        let mut accept = Box::pin(stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])));
        // Polled once it is in the writer's queue, and the writer, on this same thread, has not run yet.
        let answer = std::future::poll_fn(|context| Poll::Ready(accept.as_mut().poll(context))).await;
        assert!(answer.is_pending(), "answered before it could be written");
        drop(accept);
        stage.outbox.arrived().await;
        assert_eq!(stage.due("chat").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    on_every_store(async |stage| {
        let waiting = tokio::spawn({
            let outbox = stage.outbox.clone();
            async move { outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await }
        });
        tokio::task::yield_now().await;
        stage.outbox.close().await;
        assert!(waiting.await.unwrap().is_ok(), "what was asked before the close is written");
        let error =
            stage.outbox.accept(accepted("late", vec![firing("a", 10)], &["chat"])).await.unwrap_err();
        assert!(matches!(error, StoreError::Closed), "{error}");
    })
    .await;
}

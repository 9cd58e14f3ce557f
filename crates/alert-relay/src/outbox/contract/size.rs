//! A store that is as large as it may be: what goes, and what is no longer taken.

use std::time::Duration;

use super::on_every_store;
use crate::clock::Millis;
use crate::delivery::{Accepted, End, LedgerEntry};
use crate::notification::GroupKey;
use crate::outbox::testing::{accepted, firing};
use crate::outbox::{HEARTBEATS, StoreError};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_ended_first_goes_first_and_what_is_pending_never() {
    on_every_store(async |stage| {
        let outbox = &stage.outbox;
        let empty = outbox.size().await.unwrap().bytes;
        assert_eq!(outbox.first_over().await.unwrap(), None);
        let accept = async |name: &str, count: usize| {
            let accepts = (0..count).map(|number| {
                let (outbox, group) = (outbox.clone(), format!("{name} {number}"));
                tokio::spawn(async move {
                    outbox.accept(accepted(&group, vec![firing("a", 10)], &["chat"])).await
                })
            });
            for accept in accepts.collect::<Vec<_>>() {
                accept.await.unwrap().unwrap();
            }
        };
        let mut ended_at = Vec::new();
        for (name, count) in [("first", 500), ("second", 100)] {
            accept(name, count).await;
            stage.clock.advance(SECOND);
            ended_at.push(stage.clock.now());
            let dead = outbox.give_up("chat", stage.clock.now(), "test").await.unwrap().len();
            assert!(dead > 0);
            while !outbox.give_up("chat", stage.clock.now(), "test").await.unwrap().is_empty() {}
            stage.clock.advance(SECOND);
        }
        accept("pending", 10).await;
        let bytes = outbox.pending_bytes().await.unwrap();
        assert!(outbox.size().await.unwrap().bytes > empty + bytes);
        assert_eq!(outbox.first_over().await.unwrap(), Some(ended_at[0]));
        assert_eq!(outbox.evict(ended_at[0]).await.unwrap(), 0, "ended just then");
        assert_eq!(outbox.evict(stage.clock.now()).await.unwrap(), 500);
        assert_eq!(outbox.first_over().await.unwrap(), Some(ended_at[1]));
        assert_eq!(outbox.evict(stage.clock.now()).await.unwrap(), 100);
        assert_eq!(outbox.evict(stage.clock.now().plus(SECOND)).await.unwrap(), 0);
        assert_eq!(outbox.first_over().await.unwrap(), None);
        assert_eq!(outbox.pending_bytes().await.unwrap(), bytes);
        assert_eq!(stage.counts("chat").await.pending, 10);
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_nobody_wanted_goes_too() {
    on_every_store(async |stage| {
        let accepted_at = stage.clock.now();
        stage.outbox.accept(accepted("nobody", vec![firing("a", 10)], &[])).await.unwrap();
        stage.clock.advance(SECOND);
        assert_eq!(stage.outbox.first_over().await.unwrap(), Some(accepted_at));
        assert_eq!(stage.outbox.evict(stage.clock.now()).await.unwrap(), 1);
        assert_eq!(stage.outbox.first_over().await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_goes_early_makes_no_alert_vanish() {
    on_every_store(async |stage| {
        let told = LedgerEntry::new(firing("a", 10));
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat", "mail"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![told]).await;
        stage.clock.advance(SECOND);
        while stage.outbox.prune(stage.clock.now()).await.unwrap() > 0 {}
        // The webhook is there for the mail, and nothing says any more that the chat had a share in it.
        assert_eq!(stage.counts("mail").await.pending, 1);
        assert_eq!(stage.outbox.vanished(Millis(0)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_store_filled_by_what_is_pending_takes_nothing_but_its_own_alarms() {
    on_every_store(async |stage| {
        let accept = |group: &str| accepted(group, vec![firing("a", 10)], &["chat"]);
        assert!(stage.outbox.fill(Some(7)));
        assert!(!stage.outbox.fill(Some(7)), "nothing changes");
        let refused = stage.outbox.accept(accept("one")).await.unwrap_err();
        assert!(matches!(refused, StoreError::MaxBytes { max_bytes: 7 }), "{refused}");
        assert_eq!(stage.outbox.ping().await.unwrap_err().kind(), "max_bytes");
        let alarm = Accepted { endpoint: format!("{HEARTBEATS}watchdog"), ..accept("alarm") };
        stage.outbox.accept(alarm).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(stage.settle(&claim, End::Suppressed, Vec::new()).await, 1);
        assert!(stage.outbox.fill(None));
        stage.outbox.accept(accept("two")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_newest_of_a_group_is_found() {
    on_every_store(async |stage| {
        let newest = async |group: &str| {
            let found = stage.outbox.newest("ops", "ops", &GroupKey(group.to_owned())).await.unwrap();
            found.map(|webhook| webhook.notification)
        };
        for (group, start) in [("one", 10), ("one", 20), ("two", 10), ("one", 20)] {
            stage.outbox.accept(accepted(group, vec![firing("a", start)], &["chat"])).await.unwrap();
        }
        assert_eq!(
            [newest("one").await, newest("two").await, newest("three").await],
            [Some(2), Some(3), None]
        );
        // Also once nobody is known any more who says so.
        let later = stage.clock.now().plus(Duration::from_mins(1));
        assert_eq!(stage.outbox.forget_senders(later).await.unwrap().len(), 2);
        assert_eq!([newest("one").await, newest("two").await], [Some(2), Some(3)]);
    })
    .await;
}

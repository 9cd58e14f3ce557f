//! Ending: each delivery ends once, as one thing, and what was sent is kept in the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::delivery::{End, LedgerEntry};
use crate::notification::Alert;
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, accepted, firing, ids, resolved, start};

#[tokio::test]
async fn an_end_tells_and_takes_the_older_ones_along() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        // Not claimed, so it has to stay.
        stage.outbox.accept(accepted("group", vec![resolved("b", 10)], &["chat"])).await.unwrap();
        stage.attempt(&claim, 1, 1, true).await;
        let mut sent = LedgerEntry::new(firing("b", 10));
        sent.alert.annotations.insert("summary".to_owned(), "磁盘 \"满\"".to_owned());
        assert_eq!(stage.settle(&claim, End::Delivered, vec![sent.clone()]).await, 2);

        let counts = stage.counts("chat").await;
        assert_eq!(counts.ended, BTreeMap::from([(End::Delivered, 1), (End::Superseded, 1)]));
        assert_eq!((counts.accepted, counts.pending), (3, 1));
        let next = stage.claim_only("chat").await.unwrap();
        assert_eq!((ids(&next), next.ledger), (vec![3], vec![sent]));
        // A second end of the same claim changes nothing.
        assert_eq!(stage.settle(&claim, End::Dead, vec![]).await, 0);
        assert_eq!(crate::audit::imbalance(&stage.counts("chat").await), 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_message_spoke_for_is_dead_too() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        stage.outbox.accept(accepted("group", vec![resolved("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(stage.settle(&claim, End::Dead, vec![]).await, 2);
        assert_eq!(stage.counts("chat").await.ended, BTreeMap::from([(End::Dead, 2)]));
    })
    .await;
}

#[tokio::test]
async fn a_late_verdict_without_the_lease_changes_nothing() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.outbox.release(&claim.key, stage.clock.now()).await.unwrap();
        assert_eq!(stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap(), None);
        assert_eq!(stage.settle(&claim, End::Delivered, vec![LedgerEntry::new(firing("a", 10))]).await, 0);
        assert!(stage.claim_only("chat").await.unwrap().ledger.is_empty());
    })
    .await;
}

#[tokio::test]
async fn giving_up_ends_what_is_too_old_and_nobody_holds() {
    on_every_store(async |stage| {
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
    })
    .await;
}

#[tokio::test]
async fn pruning_takes_only_what_ended_long_ago_and_the_sum_stays() {
    on_every_store(async |stage| {
        // Many to a transaction, and fewer at a time than the writer's queue holds.
        for hundreds in 0..3 {
            let accepts = (0..400).map(|number| {
                let (outbox, group) = (stage.outbox.clone(), format!("group {hundreds} {number}"));
                tokio::spawn(async move {
                    outbox.accept(accepted(&group, vec![firing("a", 10)], &["chat"])).await
                })
            });
            for accept in accepts.collect::<Vec<_>>() {
                accept.await.unwrap().unwrap();
            }
        }
        stage.clock.advance(Duration::from_secs(10));
        for given_up in [1_000, 200, 0] {
            let dead = stage.outbox.give_up("chat", stage.clock.now(), "test").await.unwrap();
            assert_eq!(dead.len(), given_up);
        }
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
    })
    .await;
}

#[tokio::test]
async fn what_a_target_was_told_is_remembered_long_after_the_delivery() {
    on_every_store(async |mut stage| {
        let sent = LedgerEntry::new(firing("a", 10));
        for (months, expected) in [(0, vec![sent.clone()]), (3, vec![sent.clone()]), (4, vec![])] {
            if months == 0 {
                stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
                let claim = stage.claim_only("chat").await.unwrap();
                stage.settle(&claim, End::Suppressed, vec![sent.clone()]).await;
            }
            stage.clock.advance(Duration::from_hours(24 * 29 * months));
            while stage.outbox.prune(stage.clock.now()).await.unwrap() > 0 {}
            stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
            assert_eq!(stage.claim_only("chat").await.unwrap().ledger, expected, "after {months} months");
            stage = stage.reopen().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_claim_reads_what_fires_and_what_its_webhooks_name() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let entry = LedgerEntry::new;
        let over = |name: &str| LedgerEntry::new(Alert { ends_at: None, ..resolved(name, 10) });
        let known = vec![entry(firing("a", 10)), over("b"), over("c"), over("d"), entry(firing("e", 10))];
        stage.settle(&claim, End::Delivered, known).await;
        stage.outbox.accept(accepted("group", vec![resolved("c", 10)], &["chat"])).await.unwrap();
        let mut quiet = accepted("group", vec![resolved("d", 10), firing("new", 10)], &["chat"]);
        let share = &mut quiet.deliveries[0];
        share.outside_hours = std::mem::take(&mut share.alerts);
        stage.outbox.accept(quiet).await.unwrap();
        let ledger = stage.claim_only("chat").await.unwrap().ledger;
        assert_eq!(ledger, [entry(firing("a", 10)), entry(firing("e", 10)), over("c"), over("d")]);
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_remembered_for_a_day_and_what_fires_for_months() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let entry = LedgerEntry::new;
        let over = LedgerEntry::new(Alert { ends_at: None, ..resolved("b", 10) });
        stage.settle(&claim, End::Suppressed, vec![entry(firing("a", 10)), over.clone()]).await;
        for (hours, expected) in [(23, vec![entry(firing("a", 10)), over]), (2, vec![entry(firing("a", 10))])]
        {
            stage.clock.advance(Duration::from_hours(hours));
            // A retention of weeks.
            let before = stage.clock.now().minus(Duration::from_hours(24 * 30));
            while stage.outbox.prune(before).await.unwrap() > 0 {}
            stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
            let claim = stage.claim_only("chat").await.unwrap();
            assert_eq!(claim.ledger, expected);
            stage.outbox.release(&claim.key, stage.clock.now()).await.unwrap();
        }
    })
    .await;
}

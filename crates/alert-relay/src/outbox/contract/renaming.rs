//! Renaming: what waits for a target, and what it was told, goes to the one that takes its place.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::{Arrears, Claim, End, LedgerEntry, Missed, Settlement};
use crate::notification::Status;
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, Stage, accepted, firing, ids, resolved};

#[tokio::test]
async fn what_waits_and_what_was_told_moves_and_what_is_being_sent_follows() {
    on_every_store(async |stage| {
        for group in ["told", "sending", "waiting"] {
            stage.outbox.accept(accepted(group, vec![firing("a", 10)], &["old", "other"])).await.unwrap();
        }
        let told = stage.claim_only("old").await.unwrap();
        let sent = LedgerEntry::new(firing("a", 10));
        stage.settle(&told, End::Delivered, vec![sent]).await;
        let sending = stage.claim_only("old").await.unwrap();

        assert_eq!(stage.outbox.rename("old", "new").await.unwrap(), 1);
        assert_eq!(ids(&stage.claim_only("new").await.unwrap()), [5]);
        // The group that was told goes on under the new name.
        stage.outbox.accept(accepted("told", vec![firing("b", 10)], &["new"])).await.unwrap();
        let next = stage.claim_only("new").await.unwrap();
        assert_eq!(
            next.ledger.iter().map(|entry| entry.alert.fingerprint.0.as_str()).collect::<Vec<_>>(),
            ["a"]
        );

        stage.outbox.release(&sending.key, stage.clock.now()).await.unwrap();
        assert_eq!(stage.outbox.rename("old", "new").await.unwrap(), 1);
        assert_eq!(stage.outbox.rename("old", "new").await.unwrap(), 0);
        let (old, new) = (stage.counts("old").await, stage.counts("new").await);
        assert_eq!((old.accepted, old.pending, new.accepted, new.pending), (1, 0, 3, 3));
        assert_eq!(old.ended, BTreeMap::from([(End::Delivered, 1)]));
        for count in [old, new] {
            assert_eq!(crate::audit::imbalance(&count), 0, "{count:?}");
        }
        assert_eq!(stage.counts("other").await.pending, 3);
        stage.clock.advance(LEASE);
        assert!(stage.claim_only("old").await.is_none());
    })
    .await;
}

#[tokio::test]
async fn of_what_both_names_were_told_the_newer_word_stays() {
    for order in [["old", "new"], ["new", "old"]] {
        on_every_store(async |stage| {
            for (target, start) in order.into_iter().zip([10, 20]) {
                stage.outbox.accept(accepted("group", vec![firing("a", start)], &[target])).await.unwrap();
                let claim = stage.claim_only(target).await.unwrap();
                let sent = LedgerEntry::new(firing("a", start));
                stage.settle(&claim, End::Delivered, vec![sent]).await;
                stage.clock.advance(Duration::from_secs(1));
            }
            stage.outbox.rename("old", "new").await.unwrap();
            stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["new"])).await.unwrap();
            let claim = stage.claim_only("new").await.unwrap();
            let known: Vec<_> = claim.ledger.iter().map(|entry| &entry.alert).collect();
            assert_eq!(known, [&firing("a", 20)], "{order:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn what_the_newest_webhook_told_the_former_name_has_not_vanished_for_the_new_one() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["old"])).await.unwrap();
        let claim = stage.claim_only("old").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![LedgerEntry::new(firing("a", 10))]).await;
        stage.outbox.rename("old", "new").await.unwrap();
        assert_eq!(stage.outbox.vanished(Millis(0)).await.unwrap(), []);
        let (old, new) = (stage.counts("old").await, stage.counts("new").await);
        assert_eq!(old.ended, BTreeMap::from([(End::Delivered, 1)]), "counted where it ended");
        assert_eq!((new.accepted, new.pending), (0, 0));

        // A newer one, by the new routes, has nothing for it.
        stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["other"])).await.unwrap();
        let vanished = stage.outbox.vanished(Millis(0)).await.unwrap();
        assert_eq!(vanished.iter().map(|vanished| vanished.key.target.as_str()).collect::<Vec<_>>(), ["new"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_group_knows_follows_once_nothing_is_being_sent_in_it_under_the_former_name() {
    on_every_store(async |stage| {
        stage
            .outbox
            .accept(accepted("group", vec![firing("a", 10), firing("b", 10)], &["old"]))
            .await
            .unwrap();
        let claim = stage.claim_only("old").await.unwrap();
        let told = ["a", "b"].map(|name| LedgerEntry::new(firing(name, 10)));
        miss(&stage, &claim, &["ann"], "a", told.to_vec()).await;
        let ending = vec![resolved("a", 10), firing("b", 10)];
        stage.outbox.accept(accepted("group", ending, &["old"])).await.unwrap();
        let sending = stage.claim_only("old").await.unwrap();
        stage.clock.advance(Duration::from_secs(1));
        stage.outbox.accept(accepted("group", vec![firing("c", 10)], &["old"])).await.unwrap();

        assert_eq!(stage.outbox.rename("old", "new").await.unwrap(), 0);
        assert!(stage.claim_only("new").await.is_none());
        stage.settle(&sending, End::Delivered, vec![LedgerEntry::new(resolved("a", 10))]).await;
        assert_eq!(stage.outbox.rename("old", "new").await.unwrap(), 1);
        assert_eq!(stage.outbox.vanished(Millis(0)).await.unwrap(), []);
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["new"])).await.unwrap();
        let claim = stage.claim_only("new").await.unwrap();
        let known: BTreeMap<_, _> = claim
            .ledger
            .iter()
            .map(|entry| (entry.alert.fingerprint.0.as_str(), entry.alert.status))
            .collect();
        assert_eq!(known, BTreeMap::from([("a", Status::Resolved), ("b", Status::Firing)]));
        assert_eq!(claim.arrears.keys().collect::<Vec<_>>(), ["ann"]);
    })
    .await;
}

#[tokio::test]
async fn what_single_recipients_missed_moves_and_what_is_known_under_the_new_name_stays() {
    on_every_store(async |stage| {
        // `first` was sent by both names, `second` by the former one alone.
        for (target, group, recipients) in [
            ("old", "first", &["ann", "bob"][..]),
            ("old", "second", &["ann"]),
            ("new", "first", &["bob"]),
            ("other", "first", &["cem"]),
        ] {
            stage.outbox.accept(accepted(group, vec![firing(target, 10)], &[target])).await.unwrap();
            let claim = stage.claim_only(target).await.unwrap();
            miss(&stage, &claim, recipients, target, Vec::new()).await;
        }
        stage.outbox.rename("old", "new").await.unwrap();
        for (target, group, expected) in [
            ("new", "first", &[("ann", "old"), ("bob", "new")][..]),
            ("new", "second", &[("ann", "old")]),
            ("other", "first", &[("cem", "other")]),
            ("old", "first", &[]),
            ("old", "second", &[]),
        ] {
            // Not the same snapshot twice.
            let later = firing(&format!("later {target}"), 10);
            stage.outbox.accept(accepted(group, vec![later], &[target])).await.unwrap();
            let claim = stage.claim_only(target).await.unwrap();
            let missed: Vec<(&str, &str)> = claim
                .arrears
                .iter()
                .flat_map(|(name, missed)| missed.iter().map(move |missed| (name.as_str(), missed)))
                .map(|(name, missed)| (name, missed.now.fingerprint.0.as_str()))
                .collect();
            assert_eq!(missed, expected, "{target}, {group}");
        }
    })
    .await;
}

/// Ends a claim of which these recipients have missed an alert.
async fn miss(stage: &Stage, claim: &Claim, recipients: &[&str], alert: &str, ledger: Vec<LedgerEntry>) {
    let missed = vec![Missed { knew: None, now: firing(alert, 10) }];
    let arrears: Arrears = recipients.iter().map(|name| ((*name).to_owned(), missed.clone())).collect();
    let settlement = Settlement {
        key: claim.key.clone(),
        delivery: claim.deliveries.last().unwrap().id,
        end: End::Delivered,
        reason: "test".to_owned(),
        ledger,
        arrears: Some(arrears),
    };
    stage.outbox.settle(settlement).await.unwrap();
}

//! Who posts the snapshots of a group: kept, bounded, and forgotten after a long silence.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::delivery::{Accepted, DeliveryKey, End, Ended, Forgotten, LedgerEntry, Vanished};
use crate::notification::Alert;
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, Stage, accepted, firing, resolved};
use crate::sender::Sender;

/// A webhook about these alerts for the chat, from this sender.
fn from(sender: Sender, alerts: Vec<Alert>) -> Accepted {
    Accepted { sender, ..accepted("group", alerts, &["chat"]) }
}

fn named(name: &str) -> Sender {
    Sender::new(None, name, Some([10, 0, 0, 1].into()))
}

fn told_by(name: &str) -> LedgerEntry {
    LedgerEntry {
        tellers: BTreeMap::from([(name.to_owned(), Millis(10_000))]),
        ..LedgerEntry::new(firing("a", 10))
    }
}

async fn key_of_the_chat(stage: &Stage) -> DeliveryKey {
    DeliveryKey { target: "chat".to_owned(), group: stage.due("chat").await.remove(0) }
}

#[tokio::test]
async fn who_said_what_is_kept() {
    on_every_store(async |stage| {
        stage.outbox.accept(from(named("one"), vec![firing("a", 10)])).await.unwrap();
        stage.outbox.accept(from(named("two"), vec![resolved("a", 10)])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let senders: Vec<_> = claim.deliveries.iter().map(|delivery| delivery.sender.clone()).collect();
        assert_eq!(senders, [named("one"), named("two")]);
        assert_eq!(claim.senders.into_iter().collect::<Vec<_>>(), ["one", "two"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_ledger_knows_of_tellers_comes_back() {
    on_every_store(async |stage| {
        stage.outbox.accept(from(named("one"), vec![firing("a", 10)])).await.unwrap();
        stage.outbox.accept(from(named("one"), vec![firing("b", 10)])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.outbox.accept(from(named("one"), vec![firing("c", 10)])).await.unwrap();
        let over = LedgerEntry {
            alert: resolved("b", 10),
            tellers: BTreeMap::from([("two".to_owned(), Millis(10_000))]),
            ended: Some(Ended { by: named("one").process(), at: stage.clock.now() }),
            held_until: Some(Millis(7)),
        };
        stage.settle(&claim, End::Delivered, vec![told_by("one"), over.clone()]).await;
        assert_eq!(stage.claim_only("chat").await.unwrap().ledger, [told_by("one"), over]);
    })
    .await;
}

#[tokio::test]
async fn clusters_with_a_name_of_their_own_share_no_queue() {
    on_every_store(async |stage| {
        for source in [None, Some("sh"), Some("bj"), Some("sh")] {
            let sender = Sender { source: source.map(str::to_owned), ..named("one") };
            stage.outbox.accept(from(sender, vec![firing("a", 10)])).await.unwrap();
        }
        assert_eq!(stage.due("chat").await.len(), 3);
        assert_eq!(stage.counts("chat").await.ended, BTreeMap::from([(End::Suppressed, 1)]));
    })
    .await;
}

#[tokio::test]
async fn who_is_not_heard_for_long_is_forgotten_and_looked_for_once_more() {
    on_every_store(async |stage| {
        let day = Duration::from_hours(24);
        stage.outbox.accept(from(named("one"), vec![firing("a", 10)])).await.unwrap();
        let heard_at = stage.clock.now();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![told_by("one")]).await;
        stage.clock.advance(day);
        // A copy is a sign of life too.
        for _ in 0..2 {
            stage.outbox.accept(from(named("two"), vec![firing("b", 10)])).await.unwrap();
        }
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![]).await;

        let forget = async || stage.outbox.forget_senders(stage.clock.now().minus(day)).await.unwrap();
        assert_eq!(forget().await, []);
        stage.clock.advance(Duration::from_millis(1));
        let (group, targets) = (claim.key.group.clone(), vec!["chat".to_owned()]);
        assert_eq!(forget().await, [Forgotten { group, sender: "one".to_owned(), heard_at, targets }]);
        assert_eq!(forget().await, []);
        let again = stage.claim_only("chat").await.unwrap();
        assert!(again.deliveries[0].is_revision && again.deliveries[0].alerts.is_empty());
        assert_eq!(again.senders.into_iter().collect::<Vec<_>>(), ["two"]);
    })
    .await;
}

#[tokio::test]
async fn of_too_many_senders_the_one_not_heard_for_longest_is_forgotten() {
    on_every_store(async |stage| {
        for number in 0..66 {
            stage.clock.advance(Duration::from_secs(1));
            let sender = named(&format!("am-{number}"));
            stage.outbox.accept(from(sender, vec![firing("a", number)])).await.unwrap();
        }
        let senders = stage.claim_only("chat").await.unwrap().senders;
        assert_eq!(senders.len(), 64);
        assert!(!senders.contains("am-0") && !senders.contains("am-1") && senders.contains("am-65"));
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_in_any_senders_newest_snapshot_is_found() {
    on_every_store(async |stage| {
        stage.outbox.accept(from(named("one"), vec![firing("a", 10)])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![told_by("one")]).await;
        let elsewhere =
            Accepted { sender: named("one"), ..accepted("group", vec![firing("z", 10)], &["mail"]) };
        stage.outbox.accept(elsewhere).await.unwrap();
        stage.outbox.accept(from(named("two"), vec![firing("b", 10)])).await.unwrap();
        let vanished = Vanished { key: claim.key.clone(), notification: 2 };
        assert_eq!(stage.outbox.vanished(Millis(0)).await.unwrap(), std::slice::from_ref(&vanished));
        stage.outbox.add_empty_delivery(vanished).await.unwrap();
        assert_eq!(stage.outbox.vanished(Millis(0)).await.unwrap(), []);
        let senders: Vec<_> = stage
            .claim_only("chat")
            .await
            .unwrap()
            .deliveries
            .into_iter()
            .map(|delivery| (delivery.sender.name, delivery.alerts.len(), delivery.is_revision))
            .collect();
        assert_eq!(senders, [("two".to_owned(), 1, false), ("one".to_owned(), 0, false)]);
    })
    .await;
}

#[tokio::test]
async fn what_was_held_back_is_looked_at_once_more_and_not_too_often() {
    on_every_store(async |stage| {
        stage.outbox.accept(from(named("one"), vec![resolved("a", 10)])).await.unwrap();
        let key = key_of_the_chat(&stage).await;
        let claim = stage.claim_only("chat").await.unwrap();
        let until = stage.clock.now().plus(LEASE);
        let held = LedgerEntry { held_until: Some(until), ..LedgerEntry::new(resolved("a", 10)) };
        stage.settle(&claim, End::Suppressed, vec![held]).await;
        for (now, longest, expected) in [
            (until.0 - 1, until.0, &[][..]),
            (until.0, i64::MAX, std::slice::from_ref(&key)),
            (0, until.0 - 1, std::slice::from_ref(&key)),
        ] {
            assert_eq!(stage.outbox.held(Millis(now), Millis(longest)).await.unwrap(), expected);
        }
        for _ in 0..2 {
            stage.outbox.add_revision(key.clone()).await.unwrap();
            assert_eq!(stage.counts("chat").await.pending, 1);
        }
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Dead, vec![]).await;
        stage.outbox.add_revision(key.clone()).await.unwrap();
        assert_eq!(stage.counts("chat").await.pending, 0);
        let turns: [fn(&Clock); 2] =
            [|clock| clock.advance(Duration::from_mins(10)), |clock| clock.set_back(Duration::from_hours(1))];
        for turn in turns {
            turn(&stage.clock);
            stage.outbox.add_revision(key.clone()).await.unwrap();
            assert_eq!(stage.counts("chat").await.pending, 1);
            let claim = stage.claim_only("chat").await.unwrap();
            stage.settle(&claim, End::Dead, vec![]).await;
        }
    })
    .await;
}

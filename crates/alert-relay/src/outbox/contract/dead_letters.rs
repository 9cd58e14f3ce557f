//! Dead letters: sent again, given up, or left because the chat was told since.

use crate::delivery::{Accepted, End, PublicId};
use crate::operation::dead_letters::{AT_ONCE, Selection, Settled, Treatment};
use crate::operation::deliveries::{DeliveryFilter, DeliveryState, HandSettled, PageRequest};
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{Stage, accepted, firing, ids, resolved};
use crate::sender::Sender;

/// A delivery that died.
async fn dead(stage: &Stage, group: &str, alert: &str) -> i64 {
    stage.outbox.accept(accepted(group, vec![firing(alert, 10)], &["chat"])).await.unwrap();
    let claim = stage.claim_only("chat").await.unwrap();
    stage.settle(&claim, End::Dead, vec![]).await;
    *ids(&claim).last().unwrap()
}

async fn letters(stage: &Stage) -> Vec<i64> {
    let filter = DeliveryFilter { only_dead_letters: true, ..DeliveryFilter::default() };
    let page = stage.outbox.deliveries(&filter, &PageRequest::default()).await.unwrap();
    assert_eq!(stage.outbox.dead_letters().await.unwrap(), page.deliveries.len() as u64);
    page.deliveries.iter().map(|letter| letter.id.number()).collect()
}

fn to(targets: &[&str]) -> Treatment {
    let named = targets.iter().map(|target| ((*target).to_owned(), (*target).to_owned()));
    Treatment::Retry { targets: named.collect() }
}

fn all() -> Selection {
    Selection::All(DeliveryFilter::default())
}

async fn is_balanced(stage: &Stage) -> bool {
    let counts = stage.counts("chat").await;
    counts.accepted == counts.pending + counts.ended.values().sum::<u64>()
}

#[tokio::test]
async fn a_letter_is_sent_again_as_a_new_delivery_of_the_same_webhook() {
    on_every_store(async |stage| {
        let letter = dead(&stage, "group", "a").await;
        assert_eq!(letters(&stage).await, [letter]);
        let one = Selection::One(stage.outbox.public_id(letter));
        let settled = stage.outbox.treat(&one, to(&["chat"])).await.unwrap();
        let again = stage.outbox.public_id(letter + 1);
        assert_eq!(settled, Settled { changed: 1, deliveries: vec![again.clone()], ..Settled::default() });
        assert!(letters(&stage).await.is_empty() && is_balanced(&stage).await);
        let old = stage.outbox.summary(&stage.outbox.public_id(letter)).await.unwrap().unwrap();
        assert_eq!(
            (old.state, old.settled, old.sent_with),
            (DeliveryState::Dead, Some(HandSettled::Retried), Some(again))
        );

        // The deliverer is woken and finds it like any other.
        tokio::time::timeout(std::time::Duration::from_secs(5), stage.outbox.arrived()).await.expect("woken");
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(ids(&claim), [letter + 1]);
        assert_eq!(claim.deliveries[0].alerts, [firing("a", 10).fingerprint]);
        assert_eq!(claim.deliveries[0].accepted_at, stage.clock.now(), "its age begins anew");
        // Once more there is nothing to do.
        assert_eq!(stage.outbox.treat(&one, to(&["chat"])).await.unwrap(), Settled::default());
    })
    .await;
}

#[tokio::test]
async fn of_one_queue_the_newest_snapshot_is_sent_once_for_all() {
    on_every_store(async |stage| {
        for alert in ["a", "b", "c"] {
            dead(&stage, "group", alert).await;
        }
        dead(&stage, "other", "a").await;
        let settled = stage.outbox.treat(&all(), to(&["chat"])).await.unwrap();
        assert_eq!((settled.changed, settled.deliveries.len(), settled.told_since), (4, 2, 0));
        assert!(letters(&stage).await.is_empty() && is_balanced(&stage).await);
        let told: Vec<_> = [stage.claim_only("chat").await.unwrap(), stage.claim_only("chat").await.unwrap()]
            .iter()
            .map(|claim| claim.deliveries.iter().flat_map(|one| one.alerts.clone()).collect::<Vec<_>>())
            .collect();
        assert_eq!(told, [[firing("a", 10).fingerprint], [firing("c", 10).fingerprint]]);
    })
    .await;
}

#[tokio::test]
async fn what_the_chat_was_told_since_is_not_told_as_news() {
    on_every_store(async |stage| {
        let letter = dead(&stage, "group", "a").await;
        stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let left = Settled { told_since: 1, ..Settled::default() };
        assert_eq!(stage.outbox.treat(&all(), to(&["chat"])).await.unwrap(), left, "while it waits");
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![]).await;
        assert_eq!(stage.outbox.treat(&all(), to(&["chat"])).await.unwrap(), left);
        assert_eq!(letters(&stage).await, [letter]);

        let settled = stage.outbox.treat(&all(), Treatment::GiveUp).await.unwrap();
        assert_eq!(settled, Settled { changed: 1, ..Settled::default() });
        assert!(letters(&stage).await.is_empty() && is_balanced(&stage).await);
    })
    .await;
}

/// What has ended stays under the name it ended with.
#[tokio::test]
async fn a_letter_of_a_renamed_target_is_sent_under_its_name_of_now() {
    on_every_store(async |stage| {
        let letter = dead(&stage, "group", "a").await;
        stage.outbox.rename("chat", "room").await.unwrap();
        let nowhere = stage.outbox.treat(&all(), to(&["room"])).await.unwrap();
        assert_eq!(
            nowhere,
            Settled { without_target: 1, ..Settled::default() },
            "nobody said that chat is room"
        );
        let renamed = || Treatment::Retry {
            targets: ["chat", "room"].map(|name| (name.to_owned(), "room".to_owned())).into(),
        };
        assert_eq!(stage.outbox.treat(&all(), renamed()).await.unwrap().changed, 1);
        assert!(stage.claim_only("chat").await.is_none());
        let claim = stage.claim_only("room").await.unwrap();
        assert_eq!(ids(&claim), [letter + 1]);
        stage.settle(&claim, End::Delivered, vec![]).await;
        assert!(letters(&stage).await.is_empty());

        // What was told under the new name counts for a letter of the old one.
        dead(&stage, "other", "a").await;
        stage.outbox.accept(accepted("other", vec![firing("b", 10)], &["room"])).await.unwrap();
        assert_eq!(stage.outbox.treat(&all(), renamed()).await.unwrap().told_since, 1);
    })
    .await;
}

#[tokio::test]
async fn a_copy_of_the_webhook_that_told_nobody_keeps_no_letter() {
    on_every_store(async |stage| {
        dead(&stage, "group", "a").await;
        // The same again within minutes: suppressed at once.
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        assert_eq!(stage.outbox.treat(&all(), to(&["chat"])).await.unwrap().changed, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_said_since_and_not_sent_goes_along_the_newest_of_each_sender() {
    on_every_store(async |stage| {
        dead(&stage, "group", "a").await;
        for (sender, alert) in [("one", "old"), ("two", "b"), ("one", "c")] {
            let sender = Sender::new(None, sender, None);
            let webhook = Accepted { sender, ..accepted("group", vec![resolved(alert, 10)], &["chat"]) };
            stage.outbox.accept(webhook).await.unwrap();
            let claim = stage.claim_only("chat").await.unwrap();
            stage.settle(&claim, End::Suppressed, vec![]).await;
        }
        let settled = stage.outbox.treat(&all(), to(&["chat"])).await.unwrap();
        let last = stage.outbox.public_id(7);
        assert_eq!(settled, Settled { changed: 1, deliveries: vec![last], ..Settled::default() });
        let claim = stage.claim_only("chat").await.unwrap();
        assert_eq!(ids(&claim), [5, 6, 7]);
        let said: Vec<_> = claim.deliveries.iter().map(|delivery| delivery.alerts[0].0.as_str()).collect();
        assert_eq!(said, ["a", "b", "c"]);
        assert!(letters(&stage).await.is_empty() && is_balanced(&stage).await);
    })
    .await;
}

#[tokio::test]
async fn only_what_is_meant_is_changed() {
    on_every_store(async |stage| {
        let first = dead(&stage, "one", "a").await;
        let second = dead(&stage, "two", "b").await;
        let nothing = Settled::default();
        let filter = DeliveryFilter { target: Some("mail".to_owned()), ..DeliveryFilter::default() };
        let other_target = Selection::All(filter);
        assert_eq!(stage.outbox.treat(&other_target, Treatment::GiveUp).await.unwrap(), nothing);
        let other_store = Selection::One(PublicId::new(&"another".into(), first));
        assert_eq!(stage.outbox.treat(&other_store, Treatment::GiveUp).await.unwrap(), nothing);
        let without_target = Settled { without_target: 2, ..Settled::default() };
        assert_eq!(stage.outbox.treat(&all(), to(&["mail"])).await.unwrap(), without_target);
        let filter = DeliveryFilter { text: Some("alertname".to_owned()), ..DeliveryFilter::default() };
        assert_eq!(stage.outbox.treat(&Selection::All(filter), Treatment::GiveUp).await.unwrap(), nothing);
        assert_eq!(letters(&stage).await, [second, first]);

        let filter = DeliveryFilter { text: Some("B".to_owned()), ..DeliveryFilter::default() };
        let settled = stage.outbox.treat(&Selection::All(filter), Treatment::GiveUp).await.unwrap();
        assert_eq!((settled.changed, letters(&stage).await), (1, vec![first]));
    })
    .await;
}

#[tokio::test]
async fn many_are_changed_a_few_at_a_time() {
    on_every_store(async |stage| {
        let many = u64::from(AT_ONCE) + 5;
        for number in 0..many {
            dead(&stage, &number.to_string(), "a").await;
        }
        stage.outbox.take_batch_sizes();
        let settled = stage.outbox.treat(&all(), to(&["chat"])).await.unwrap();
        assert_eq!((settled.changed, settled.has_more), (many, false));
        assert_eq!(stage.outbox.take_batch_sizes().len(), 2, "transactions");
        assert!(settled.deliveries.len() < 100 && is_balanced(&stage).await);
        assert_eq!(stage.counts("chat").await.pending, many);
    })
    .await;
}

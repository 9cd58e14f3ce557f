//! Reading beside the owner: the whole story, and nothing changed by it.

use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::{End, PublicId, Rendering, SentPart};
use crate::message::Wording;
use crate::notification::Fingerprint;
use crate::outbox::ReadOnlyOutbox;
use crate::outbox::contract::on_every_store;
use crate::outbox::error::ReadError;
use crate::outbox::testing::{LEASE, Stage, accepted, firing, start, verdict};
use crate::story::{DeliveryStatus, MAX_ATTEMPTS, MAX_SIGHTINGS, Story};

async fn story(stage: &Stage, number: i64) -> Story {
    let mut reading = stage.read().await.unwrap();
    reading.story(&stage.outbox.public_id(number)).await.unwrap().unwrap()
}

fn fingerprint(name: &str) -> Fingerprint {
    Fingerprint(name.to_owned())
}

#[tokio::test]
async fn a_delivery_is_told_while_its_owner_works_on_it() {
    on_every_store(async |stage| {
        let mut webhook = accepted("group", vec![firing("a", 10), firing("b", 10)], &["chat"]);
        webhook.deliveries[0].outside_hours = vec![webhook.deliveries[0].alerts.pop().unwrap()];
        webhook.deliveries[0].routes = vec!["routes[1] {severity=\"critical\"}".to_owned()];
        stage.outbox.accept(webhook.clone()).await.unwrap();
        let waiting = story(&stage, 1).await;
        assert_eq!(waiting.received.payload.as_ref(), Some(&webhook.payload));
        assert_eq!(waiting.received.sender, webhook.sender);
        assert_eq!((waiting.received.at, waiting.received.endpoint.as_str()), (stage.clock.now(), "ops"));
        assert_eq!(waiting.routes.as_deref(), Some(webhook.deliveries[0].routes.as_slice()));
        assert_eq!((waiting.alerts, waiting.outside_hours), (vec![fingerprint("a")], vec![fingerprint("b")]));
        assert_eq!(waiting.mentions, webhook.deliveries[0].mentions);
        let pending =
            DeliveryStatus::Pending { next_at: Millis(0), leased_until: None, is_straggling: false };
        assert_eq!(waiting.status, pending);
        assert_eq!((waiting.rendering, waiting.attempts.len()), (None, 0));

        let claim = stage.claim_only("chat").await.unwrap();
        let attempt = stage.outbox.begin_attempt(start(1, 1, 2), LEASE).await.unwrap().unwrap();
        let under_way = story(&stage, 1).await;
        let leased_until = Some(stage.clock.now().plus(LEASE));
        let held = DeliveryStatus::Pending { next_at: Millis(0), leased_until, is_straggling: false };
        assert_eq!(under_way.status, held);
        assert_eq!((under_way.attempts[0].ended_at, under_way.attempts[0].outcome.as_deref()), (None, None));

        stage.clock.advance(Duration::from_secs(1));
        stage.outbox.end_attempt(verdict(attempt, 1, false)).await.unwrap();
        stage.attempt(&claim, 1, 2, true).await;
        stage.settle(&claim, End::Delivered, vec![]).await;
        let over = story(&stage, 1).await;
        assert_eq!(over.rendering, Some(start(1, 1, 2).rendering));
        assert_eq!((over.parts_done, over.older_attempts), (1, 0));
        assert_eq!(over.sent, [start(1, 1, 2).sent]);
        let words: Vec<_> = over.attempts.iter().map(|attempt| attempt.detail.as_deref()).collect();
        assert_eq!(words, [Some("a detail"), Some("a detail")]);
        let outcomes: Vec<_> = over.attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
        assert_eq!(outcomes, [Some("retry"), Some("delivered")]);
        assert_eq!(over.attempts[0].ended_at, Some(stage.clock.now()));
        let (at, reason) = (stage.clock.now(), "test".to_owned());
        assert_eq!(over.status, DeliveryStatus::Ended { end: End::Delivered, at, reason, sent_with: None });
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_is_kept_as_it_was_last_put_and_goes_with_its_delivery() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let send = async |wording, via: &str, part, recipient, text: &str| {
            let mut start = start(1, part, 2);
            start.rendering = Rendering { wording, via: via.to_owned(), ..start.rendering };
            start.sent = SentPart::new(part, recipient, 9, text.to_owned(), 100);
            stage.outbox.begin_attempt(start, LEASE).await.unwrap().unwrap();
        };
        let kept = async || {
            let story = story(&stage, 1).await;
            story.sent.into_iter().map(|part| format!("{} {}", part.part, part.text)).collect::<Vec<_>>()
        };
        send(Wording::Normal, "chat", 1, None, "a").await;
        send(Wording::Normal, "chat", 2, None, "b").await;
        send(Wording::Normal, "chat", 21, None, "too many").await;
        assert_eq!(kept().await, ["1 a", "2 b"]);
        send(Wording::Plain, "chat", 1, None, "plain a").await;
        assert_eq!(kept().await, ["1 plain a"]);
        // By the fallback, a mail; some recipients are sent it in other words.
        send(Wording::Normal, "mail", 1, Some("one"), "to one").await;
        send(Wording::Plain, "mail", 2, Some("two"), "to two").await;
        assert_eq!(kept().await, ["1 to one", "2 to two"]);
        send(Wording::Plain, "mail", 1, Some("one"), "to one, plain").await;
        assert_eq!(kept().await, ["1 to one, plain", "2 to two"]);
        stage.settle(&claim, End::Delivered, vec![]).await;
        stage.clock.advance(Duration::from_secs(1));
        assert!(stage.outbox.prune(stage.clock.now()).await.unwrap() > 0);
        let id = stage.outbox.public_id(1);
        assert_eq!(stage.read().await.unwrap().story(&id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn who_spoke_instead_and_what_it_repeats_is_known() {
    on_every_store(async |stage| {
        let webhook = accepted("group", vec![firing("a", 10)], &["chat"]);
        stage.outbox.accept(webhook.clone()).await.unwrap();
        stage.outbox.accept(webhook.clone()).await.unwrap();
        stage.outbox.accept(accepted("group", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![]).await;
        let DeliveryStatus::Ended { end, sent_with, .. } = story(&stage, 1).await.status else {
            panic!("it waits")
        };
        assert_eq!((end, sent_with), (End::Superseded, Some(stage.outbox.public_id(3))));
        let copy = story(&stage, 2).await.received;
        assert_eq!((copy.duplicate_of, copy.payload), (Some(1), Some(webhook.payload)), "of the original");
    })
    .await;
}

#[tokio::test]
async fn of_many_attempts_the_newest_are_told() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        for part in 1..=MAX_ATTEMPTS + 3 {
            stage.attempt(&claim, part, 1, false).await;
        }
        let story = story(&stage, 1).await;
        assert_eq!((story.attempts.len(), story.older_attempts), (MAX_ATTEMPTS as usize, 3));
        assert_eq!((story.attempts[0].part, story.attempts.last().unwrap().part), (4, MAX_ATTEMPTS + 3));
    })
    .await;
}

#[tokio::test]
async fn an_alert_is_found_by_its_whole_fingerprint() {
    on_every_store(async |stage| {
        let mut webhook = accepted("one", vec![firing("a%", 10), firing("b", 10)], &["chat", "mail"]);
        webhook.deliveries[1].outside_hours = webhook.deliveries[1].alerts.split_off(1);
        webhook.unrouted = vec![fingerprint("nobody's")];
        stage.outbox.accept(webhook).await.unwrap();
        stage.outbox.accept(accepted("two", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let mut reading = stage.read().await.unwrap();
        let mut find = async |name: &str| {
            let seen = reading.sightings(&fingerprint(name)).await.unwrap();
            let deliveries: Vec<_> =
                seen.deliveries.iter().map(|seen| (seen.id.number(), seen.is_outside_hours)).collect();
            let unrouted: Vec<_> = seen.unrouted.iter().map(|seen| seen.notification).collect();
            assert!(!seen.is_cut, "{name}");
            (deliveries, unrouted)
        };
        assert_eq!(find("b").await, (vec![(3, false), (2, true), (1, false)], vec![]));
        assert_eq!(find("a%").await, (vec![(2, false), (1, false)], vec![]));
        for other in ["a", "%", "_", "", "B\"", "!"] {
            assert_eq!(find(other).await, (vec![], vec![]), "{other}");
        }
        assert_eq!(find("nobody's").await, (vec![], vec![1]));
    })
    .await;
}

#[tokio::test]
async fn of_many_deliveries_the_newest_are_listed() {
    on_every_store(async |stage| {
        for number in 0..=MAX_SIGHTINGS {
            stage
                .outbox
                .accept(accepted(&number.to_string(), vec![firing("a", 10)], &["chat"]))
                .await
                .unwrap();
        }
        let seen = stage.read().await.unwrap().sightings(&fingerprint("a")).await.unwrap();
        assert_eq!((seen.deliveries.len(), seen.is_cut), (MAX_SIGHTINGS as usize, true));
        assert_eq!(seen.deliveries[0].id, stage.outbox.public_id(i64::from(MAX_SIGHTINGS) + 1));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_told() {
    on_every_store(async |stage| {
        let mut reading = stage.read().await.unwrap();
        assert_eq!(reading.story(&stage.outbox.public_id(1)).await.unwrap(), None);
        let another = PublicId::new(&"another".into(), 1);
        let error = reading.story(&another).await.unwrap_err();
        assert!(matches!(error, ReadError::AnotherStore { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_reader_takes_nothing_over() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        let attempt = stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap().unwrap();
        drop(stage.read().await.unwrap());
        stage.outbox.end_attempt(verdict(attempt, 1, true)).await.unwrap();
        assert_eq!(stage.settle(&claim, End::Delivered, vec![]).await, 1, "the lease was lost");

        // And with nobody there it reads as well.
        stage.outbox.close().await;
        let mut reading = ReadOnlyOutbox::open(&stage.settings()).await.unwrap();
        assert!(reading.story(&stage.outbox.public_id(1)).await.unwrap().is_some());
    })
    .await;
}

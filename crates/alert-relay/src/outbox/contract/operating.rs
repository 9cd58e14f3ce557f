//! What an operator is shown beside lists of deliveries.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::delivery::{End, LedgerEntry};
use crate::notification::LabelSet;
use crate::operation::audit_trail::{Action, Deed, Who};
use crate::operation::overview::{LastError, MOST_OPEN};
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{LEASE, accepted, firing, resolved, start, verdict};
use crate::routes::UnroutedNote;

fn deed(subject: &str) -> Deed {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    Deed {
        who: Who::User { name: "alice".to_owned(), address },
        action: Action::SendTest,
        subject: subject.to_owned(),
        is_done: true,
        result: "delivered".to_owned(),
    }
}

#[tokio::test]
async fn the_trail_has_who_did_what_newest_first_and_page_by_page() {
    on_every_store(async |stage| {
        for subject in ["one", "two", "three\nlines"] {
            stage.outbox.note(deed(subject)).await.unwrap();
        }
        stage.outbox.note(Deed { who: Who::LocalCommand, is_done: false, ..deed("four") }).await.unwrap();
        let page = stage.outbox.trail(None, 2).await.unwrap();
        let [newest, third] = &page.entries[..] else { panic!("{page:?}") };
        assert_eq!(
            (newest.who.as_str(), newest.address.as_deref(), newest.is_done),
            ("local command", None, false)
        );
        assert_eq!((third.who.as_str(), third.address.as_deref()), ("alice", Some("192.0.2.7")));
        assert_eq!((third.action.as_str(), third.subject.as_str()), ("send_test", "three lines"));
        assert_eq!((third.result.as_str(), third.at), ("delivered", stage.clock.now()));
        let rest = stage.outbox.trail(page.next, 2).await.unwrap();
        let subjects: Vec<&str> = rest.entries.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!((subjects, rest.next), (vec!["two", "one"], None));
    })
    .await;
}

#[tokio::test]
async fn the_trail_goes_with_what_it_is_about() {
    on_every_store(async |stage| {
        stage.outbox.note(Deed { subject: "x".repeat(1_000_000), ..deed("") }).await.unwrap();
        let kept = stage.outbox.trail(None, 1).await.unwrap().entries.remove(0);
        assert!(kept.subject.len() < 2_000, "{}", kept.subject.len());
        stage.clock.advance(Duration::from_secs(1));
        let old = stage.clock.now();
        stage.outbox.note(deed("young")).await.unwrap();
        assert!(stage.outbox.prune(old).await.unwrap() > 0);
        let entries = stage.outbox.trail(None, 9).await.unwrap().entries;
        assert_eq!(entries.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["young"]);
    })
    .await;
}

#[tokio::test]
async fn how_a_channel_answered_last_outlives_its_deliveries() {
    on_every_store(async |stage| {
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        assert!(stage.outbox.last_results().await.unwrap().is_empty());
        for is_delivered in [false, true] {
            stage.clock.advance(Duration::from_secs(1));
            let attempt = stage.outbox.begin_attempt(start(1, 1, 1), LEASE).await.unwrap().unwrap();
            stage.outbox.end_attempt(verdict(attempt, 1, is_delivered)).await.unwrap();
        }
        stage.settle(&claim, End::Delivered, vec![]).await;
        let worked = stage.clock.now();
        stage.clock.advance(Duration::from_mins(1));
        while stage.outbox.prune(stage.clock.now()).await.unwrap() > 0 {}
        let last = stage.outbox.last_results().await.unwrap().remove("chat").unwrap();
        assert_eq!(last.last_success, Some(worked));
        let at = worked.minus(Duration::from_secs(1));
        let (reason, words) = ("connect".to_owned(), "a detail".to_owned());
        assert_eq!(last.last_error, Some(LastError { at, reason, words }));
    })
    .await;
}

#[tokio::test]
async fn what_a_chat_believes_to_fire_is_told_the_worst_first() {
    on_every_store(async |stage| {
        let alert = |name: &str, start: i64, severity: &str| {
            let mut alert = firing(name, start);
            alert.labels.insert("severity".to_owned(), severity.to_owned());
            LedgerEntry::new(alert)
        };
        let ledger = vec![
            alert("old", 1_000_000_000, "warning"),
            alert("new", 1_000_000_100, "warning"),
            alert("worst", 1_000_000_050, "critical"),
            LedgerEntry::new(resolved("over", 1_000_000_000)),
        ];
        stage.outbox.accept(accepted("group", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, ledger).await;
        let open = stage.outbox.open_alerts().await.unwrap();
        let names: Vec<&str> = open["chat"].alerts.iter().map(|alert| alert.name.as_str()).collect();
        assert_eq!((open.len(), open["chat"].count, names), (1, 3, vec!["worst", "new", "old"]));
        let worst = &open["chat"].alerts[0];
        assert_eq!((worst.severity.as_str(), worst.group.as_str()), ("critical", claim.key.group.as_str()));
        assert_eq!(worst.since.unwrap().to_string(), "2001-09-09T01:47:30Z");

        let many = (0..MOST_OPEN + 3).map(|number| alert(&number.to_string(), 10, "info")).collect();
        stage.outbox.accept(accepted("other", vec![firing("b", 10)], &["chat"])).await.unwrap();
        let claim = stage.claim_only("chat").await.unwrap();
        stage.settle(&claim, End::Delivered, many).await;
        let open = stage.outbox.open_alerts().await.unwrap().remove("chat").unwrap();
        assert_eq!((open.alerts.len(), open.count), (MOST_OPEN as usize, u64::from(MOST_OPEN) + 6));
        assert_eq!(
            (open.alerts[0].name.as_str(), open.alerts[9].since),
            ("worst", None),
            "a start in 1970 is no start"
        );
    })
    .await;
}

#[tokio::test]
async fn what_no_route_wanted_is_told_once_with_its_labels_and_why() {
    on_every_store(async |stage| {
        let unrouted = async |group: &str, names: &[&str], noted: usize| {
            let alerts: Vec<_> = names.iter().map(|name| firing(name, 10)).collect();
            let mut webhook = accepted(group, alerts.clone(), &[]);
            webhook.unrouted = alerts.iter().map(|alert| alert.fingerprint.clone()).collect();
            let note = |alert: &crate::notification::Alert| UnroutedNote {
                fingerprint: alert.fingerprint.0.clone(),
                labels: alert.labels.clone(),
                why: format!("nobody wants {}", alert.fingerprint.0),
            };
            webhook.unrouted_notes = alerts.iter().take(noted).map(note).collect();
            stage.outbox.accept(webhook).await.unwrap();
        };
        unrouted("one", &["a", "b"], 1).await;
        unrouted("two", &["a"], 1).await;
        stage.outbox.accept(accepted("three", vec![firing("c", 10)], &["chat"])).await.unwrap();
        let told = stage.outbox.unrouted().await.unwrap();
        let [a, b] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            (a.notification, a.receiver.as_str(), a.why.as_deref()),
            (2, "ops", Some("nobody wants a"))
        );
        assert_eq!(a.labels, Some(LabelSet::from([("alertname".to_owned(), "a".to_owned())])));
        assert_eq!((b.fingerprint.as_str(), b.notification, &b.labels, &b.why), ("b", 1, &None, &None));
    })
    .await;
}

#[tokio::test]
async fn the_newest_webhooks_are_there_to_choose_from() {
    on_every_store(async |stage| {
        let webhook = accepted("group", vec![firing("a", 10), firing("b", 10)], &["chat"]);
        let bytes = webhook.payload.len() as u64;
        stage.outbox.accept(webhook.clone()).await.unwrap();
        stage.outbox.accept(webhook).await.unwrap();
        stage.outbox.accept(accepted("other", vec![firing("c", 10)], &[])).await.unwrap();
        let recent = stage.outbox.recent_webhooks().await.unwrap();
        let shown: Vec<_> =
            recent.iter().map(|webhook| (webhook.notification, webhook.alerts.as_deref())).collect();
        assert_eq!(shown, [(3, Some("c")), (1, Some("a, b"))], "a copy has no body");
        assert_eq!((recent[1].bytes, recent[1].group_key.as_str()), (bytes, "group"));
        let stored = stage.outbox.webhook(1).await.unwrap().unwrap();
        assert_eq!(stored.payload.unwrap().len() as u64, bytes);
    })
    .await;
}

//! What a person reads, in whole pages.

use std::collections::BTreeMap;

use super::*;
use crate::delivery::SetAside;
use crate::delivery::{PublicId, Rendering, SentPart};
use crate::notification::GroupKey;
use crate::outbox::testing::firing;
use crate::routes::{Matcher, RouteSettings};
use crate::sender::Sender;
use crate::story::{Received, Sighting, Unrouted};

const HOUR: i64 = 3_600_000;

fn id(number: i64) -> PublicId {
    PublicId::new(&"4f2a91".into(), number)
}

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn fingerprints(names: &str) -> Vec<Fingerprint> {
    names.split_whitespace().map(|name| Fingerprint(name.to_owned())).collect()
}

fn attempt(at: i64, outcome: &str, reason: Option<&str>, detail: &str) -> Attempt {
    Attempt {
        at: Millis(at),
        ended_at: Some(Millis(at + 340)),
        via: "chat".to_owned(),
        part: 1,
        outcome: Some(outcome.to_owned()),
        reason: reason.map(str::to_owned),
        detail: Some(detail.to_owned()),
        pause_until: None,
    }
}

/// Delivered at the second attempt.
fn delivered() -> Story {
    Story {
        id: id(17),
        target: "chat".to_owned(),
        received: Received {
            notification: 12,
            at: Millis(HOUR),
            endpoint: "ops".to_owned(),
            receiver: "ops".to_owned(),
            sender: Sender::new(Some("sh".to_owned()), "http://am-1:9093", Some([10, 0, 0, 7].into())),
            group_key: GroupKey("{}:{alertname=\"a\"}".to_owned()),
            duplicate_of: None,
            payload: None,
        },
        routes: Some(vec!["routes[0] {severity=\"critical\"}".to_owned(), "routes[2] {}".to_owned()]),
        alerts: fingerprints("a b"),
        outside_hours: fingerprints("c"),
        mentions: BTreeMap::from([("oncall".to_owned(), fingerprints("a"))]),
        rendering: Some(Rendering {
            via: "chat".to_owned(),
            wording: Wording::Normal,
            at: Millis(HOUR),
            parts: 1,
            text_hash: String::new(),
        }),
        parts_done: 1,
        recipients: BTreeMap::new(),
        status: DeliveryStatus::Ended {
            end: End::Delivered,
            at: Millis(HOUR + 2_340),
            reason: "delivered".to_owned(),
            sent_with: None,
        },
        attempts: vec![
            attempt(HOUR, "retry", Some("busy"), "errcode -1: system busy"),
            attempt(HOUR + 2_000, "delivered", None, "errcode 0: ok"),
        ],
        older_attempts: 0,
        sent: vec![SentPart::new(
            1,
            None,
            70,
            "msgtype: markdown\n\n**a** is on fire\u{1b}[2J".to_owned(),
            100,
        )],
    }
}

#[test]
fn a_text_that_an_older_version_sent_is_not_stored_and_a_long_one_is_cut() {
    let old = Story { sent: Vec::new(), ..delivered() };
    assert!(
        page(&old, None, true).contains("Sent      its text is not stored"),
        "{}",
        page(&old, None, true)
    );
    let lines = (0..30).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
    let mail = SentPart::new(1, Some("one@example.com"), 999, lines, 150);
    let told = page(&Story { sent: vec![mail], ..delivered() }, None, true);
    assert!(
        told.contains("part 1 to one@example.com, 999 bytes, of which the beginning is stored"),
        "{told}"
    );
    assert!(told.contains("| line 19\n") && !told.contains("| line 20\n"), "{told}");
    let never = Story { rendering: None, sent: Vec::new(), ..delivered() };
    assert!(!page(&never, None, true).contains("Sent "), "nothing was");
}

/// One route that takes every alert of the name `a`, and one for another team.
fn receiver() -> ReceiverSettings {
    let route = |matcher: &str, target: &str| RouteSettings {
        matchers: Matcher::parse_list(matcher).unwrap(),
        active: None,
        targets: vec![target.to_owned()],
        mentions: Vec::new(),
    };
    ReceiverSettings { routes: vec![route("alertname=\"a\"", "chat"), route("team=\"net\"", "net-chat")] }
}

fn page(story: &Story, alerts: Option<&[Alert]>, is_relay_running: bool) -> String {
    let now = Now { receiver: Some(&receiver()), is_relay_running, zone: &shanghai() };
    of_delivery(story, alerts, &now)
}

#[test]
fn a_delivery_is_told_from_its_webhook_to_its_end() {
    let alerts = [firing("a", 10), firing("b", 10), firing("c", 10), firing("not for this target", 10)];
    insta::assert_snapshot!(page(&delivered(), Some(&alerts), true));
}

#[test]
fn what_waits_says_for_what() {
    let pending = |next_at: i64, leased_until: Option<i64>| Story {
        status: DeliveryStatus::Pending {
            next_at: Millis(next_at),
            leased_until: leased_until.map(Millis),
            is_straggling: false,
        },
        attempts: vec![],
        rendering: None,
        routes: None,
        ..delivered()
    };
    let page = |story: &Story, is_relay_running| {
        let page = page(story, None, is_relay_running);
        page[page.find("Message").unwrap()..].to_owned()
    };
    insta::assert_snapshot!(
        [
            page(&pending(0, None), false),
            page(&pending(HOUR, None), true),
            page(&pending(0, Some(HOUR)), true)
        ]
        .join("\n")
    );
}

#[test]
fn who_spoke_instead_and_what_it_repeats_is_named() {
    let mut story = delivered();
    let mut ended = |end, reason: &str, sent_with, duplicate_of| {
        story.status = DeliveryStatus::Ended { end, at: Millis(HOUR), reason: reason.to_owned(), sent_with };
        story.received.duplicate_of = duplicate_of;
        page(&story, None, true).lines().last().unwrap().to_owned()
    };
    assert_eq!(
        ended(End::Superseded, "told by a newer snapshot", Some(id(18)), None),
        "Ended     1970-01-01 09:00:00 CST superseded: told by a newer snapshot (told with 4f2a91-18)"
    );
    assert_eq!(
        ended(End::Suppressed, "duplicate", None, Some(11)),
        "Ended     1970-01-01 09:00:00 CST suppressed: duplicate of notification 11"
    );
    assert_eq!(
        ended(End::Dead, "1 of 1 parts refused: errcode 1: no", Some(id(18)), None),
        "Ended     1970-01-01 09:00:00 CST dead: 1 of 1 parts refused: errcode 1: no (it would have been told with 4f2a91-18)"
    );
}

#[test]
fn a_mail_names_its_recipients_and_a_fallback_is_said() {
    let mut story = delivered();
    story.recipients = BTreeMap::from([
        ("ann@example.org".to_owned(), RecipientStatus::Accepted),
        ("bob@example.org".to_owned(), RecipientStatus::Deferred),
    ]);
    story.rendering.as_mut().unwrap().via = "mail".to_owned();
    let page = page(&story, None, true);
    assert!(
        page.contains(
            "Message   as usual, by its fallback mail, as of 1970-01-01 09:00:00 CST; 1 of 2 recipients that were tried have it\n          \
             ann@example.org: has it\n          bob@example.org: tried in vain so far\n"
        ),
        "{page}"
    );
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
    let story = Story { alerts: fingerprints(&names.join(" ")), older_attempts: 70, ..delivered() };
    let page = page(&story, None, true);
    assert!(page.contains("Alerts    31 (the webhook itself is no longer stored)"), "{page}");
    assert!(page.contains("n19\n          and 11 more\n") && !page.contains("n20"), "{page}");
    assert!(page.contains("Attempts  72, of which the 70 oldest are not shown"), "{page}");
}

#[test]
fn what_came_from_outside_moves_no_cursor() {
    let mut story = delivered();
    story.received.group_key = GroupKey("a\u{1b}[2Jb\nc\u{202e}d".to_owned());
    story.attempts[0].detail = Some("\u{1b}]0;title\u{7}".repeat(100));
    let mut alert = firing("a", 10);
    alert.labels.insert("job".to_owned(), "\u{1b}[31m".to_owned());
    let page = page(&story, Some(&[alert]), true);
    assert!(!page.chars().any(|character| character != '\n' && character.is_control()), "{page:?}");
    assert!(page.lines().all(|line| line.chars().count() < 600), "{page}");
}

#[test]
fn an_alert_is_listed_with_all_its_deliveries() {
    let sighting = |number, target: &str, is_outside_hours, status| Sighting {
        id: id(number),
        target: target.to_owned(),
        at: Millis(HOUR),
        is_outside_hours,
        status,
    };
    let sightings = Sightings {
        deliveries: vec![
            sighting(
                18,
                "chat",
                false,
                DeliveryStatus::Pending { next_at: Millis(0), leased_until: None, is_straggling: false },
            ),
            sighting(17, "mail", true, delivered().status),
        ],
        unrouted: vec![Unrouted { notification: 3, at: Millis(HOUR), endpoint: "ops".to_owned() }],
        is_cut: true,
    };
    let zone = shanghai();
    let now = Now { receiver: Some(&receiver()), is_relay_running: true, zone: &zone };
    let received = delivered().received;
    let alert = crate::outbox::testing::resolved("a", 1_700_000_000);
    let gone = Now { receiver: None, ..now };
    insta::assert_snapshot!(
        [
            of_alert("0123456789abcdef", &sightings, Some((&received, &alert)), &now),
            of_alert("0123456789abcdef", &Sightings::default(), None, &now),
            of_alert("0123456789abcdef", &Sightings::default(), Some((&received, &firing("b", 10))), &gone),
        ]
        .join("\n")
    );
}

#[test]
fn what_was_set_aside_is_listed_and_says_what_to_do() {
    let set_aside = DeliveryStatus::Ended {
        end: End::Dead,
        at: Millis(2 * HOUR),
        reason: SetAside::REASON.to_owned(),
        sent_with: None,
    };
    let sighting = |number| Sighting {
        id: id(number),
        target: "chat".to_owned(),
        at: Millis(HOUR),
        is_outside_hours: false,
        status: set_aside.clone(),
    };
    let listed = Sightings { deliveries: vec![sighting(18), sighting(17)], ..Sightings::default() };
    let story = Story { status: set_aside.clone(), rendering: None, attempts: vec![], ..delivered() };
    let whole = page(&story, None, true);
    let end = &whole[whole.find("Ended").unwrap()..];
    let none = of_set_aside(&Sightings::default(), &shanghai());
    insta::assert_snapshot!([&of_set_aside(&listed, &shanghai()), end, &none].join("\n"));
}

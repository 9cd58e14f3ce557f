//! The comparison, on settings as people write them.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::clock::Millis;
use crate::notification::{Alert, Fingerprint, GroupKey};
use crate::outbox::testing::{firing, notification, resolved};
use crate::sender::Sender;

/// Two targets with a robot each.
fn settings(rest: &str) -> Settings {
    let chat = |name: &str| {
        format!(
            "  {name}: {{ wecom: {{ webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={name}-key' }}, language: en }}\n"
        )
    };
    let text =
        format!("store: {{ url: 'sqlite:///x/relay.db' }}\ntargets:\n{}{}{rest}", chat("chat"), chat("net"));
    Settings::from_text(Path::new("relay.yml"), &text, []).expect("good settings")
}

const ALL_TO_CHAT: &str = "receivers: { ops: { routes: [ { targets: [chat] } ] } }\n";

fn received(number: i64, minute: u64, endpoint: &str) -> Received {
    Received {
        notification: number,
        at: Millis(1_700_000_000_000).plus(Duration::from_mins(minute)),
        endpoint: endpoint.to_owned(),
        receiver: "ops".to_owned(),
        sender: Sender::new(None, "http://am:9093", None),
        group_key: GroupKey("group".to_owned()),
        duplicate_of: None,
        payload: None,
    }
}

/// A webhook each minute, all of one group, and how it was routed to `chat`.
fn replay(current: Option<&Settings>, next: &Settings, webhooks: &[Vec<Alert>]) -> Report {
    let mut replay = Replay::new(current, next);
    for (number, alerts) in (1..).zip(webhooks) {
        let webhook = notification("group", alerts.clone());
        let share = Planned {
            target: "chat".to_owned(),
            alerts: alerts.iter().map(|alert| alert.fingerprint.clone()).collect(),
            ..Planned::default()
        };
        let minute = u64::try_from(number).unwrap();
        replay.take(&received(number, minute, "ops"), &webhook, vec![share]);
    }
    replay.finish(Read::default())
}

#[test]
fn equal_settings_change_nothing_whatever_they_are_compared_with() {
    let settings = settings(ALL_TO_CHAT);
    let webhooks = [vec![firing("a", 10)], vec![firing("a", 10), firing("b", 10)], vec![resolved("a", 10)]];
    for current in [Some(&settings), None] {
        let report = replay(current, &settings, &webhooks);
        assert!(!report.is_changed(), "{report:#?}");
        let chat = &report.targets[0];
        assert_eq!((chat.target.as_str(), chat.after.messages, chat.after.parts), ("chat", 3, 3));
    }
}

#[test]
fn an_alert_that_goes_elsewhere_or_nowhere_is_named_with_its_reason() {
    let current = settings(ALL_TO_CHAT);
    let next = settings(
        "receivers: { ops: { routes: [ { matchers: ['alertname=\"a\"'], targets: [net] }, { matchers: ['team!=\"\"'], targets: [chat] } ] } }\n",
    );
    let webhooks = [vec![firing("a", 10), firing("b", 10)], vec![firing("a", 10), firing("b", 10)]];
    for current in [Some(&current), None] {
        let report = replay(current, &next, &webhooks);
        let said: Vec<_> = report
            .routing
            .iter()
            .map(|change| {
                (
                    change.alert.as_str(),
                    change.before.join(" "),
                    change.after.join(" "),
                    change.alerts,
                    change.why.join(" | "),
                )
            })
            .collect();
        let missing = "routes[1] {team!=\"\"}: not team!=\"\" (the alert has no label `team`)";
        let nearest =
            format!("routes[0] {{alertname=\"a\"}}: not alertname=\"a\" (the alert has \"b\"); {missing}");
        assert_eq!(
            said,
            [
                ("a", "chat".to_owned(), "net".to_owned(), 2, missing.to_owned()),
                ("b", "chat".to_owned(), String::new(), 2, nearest),
            ]
        );
        assert!(report.is_changed());
    }
}

#[test]
fn what_is_told_once_counts_once_and_a_window_is_counted_to_its_end() {
    let next = settings(&format!("{ALL_TO_CHAT}language: zh-CN\n"));
    // New, known and still firing, over, and over once more.
    let webhooks =
        [vec![firing("a", 10)], vec![firing("a", 10)], vec![resolved("a", 10)], vec![resolved("a", 10)]];
    let report = replay(None, &next, &webhooks);
    let Load { messages, parts, cut, most_in_window, ref budget } = report.targets[0].after;
    assert_eq!((messages, parts, cut, most_in_window, budget.as_deref()), (3, 3, 0, 1, Some("18/1m")));
}

#[test]
fn a_text_that_differs_is_shown_and_only_so_many_of_them() {
    let (current, next) = (
        settings(ALL_TO_CHAT),
        settings(&format!("{ALL_TO_CHAT}timezone: UTC\nalertmanager: {{ url: 'https://am.example' }}\n")),
    );
    let webhooks: Vec<Vec<Alert>> = (0..5).map(|number| vec![firing(&format!("a{number}"), 10)]).collect();
    let report = replay(Some(&current), &next, &webhooks);
    assert_eq!((report.texts_changed["chat"], report.texts.len()), (5, TEXTS_OF_A_TARGET));
    let diff = &report.texts[0].diff;
    assert!(
        diff.contains("\n+") && diff.contains("https://am.example") && !diff.contains("chat-key"),
        "{diff}"
    );
    assert!(report.routing.is_empty() && report.is_changed());
}

#[test]
fn too_long_for_the_channel_is_cut_and_a_smaller_budget_is_a_change() {
    let current = settings(ALL_TO_CHAT);
    let mut next = settings(ALL_TO_CHAT);
    next.targets.get_mut("chat").unwrap().budget = "2/1h".parse().unwrap();
    let many: Vec<Alert> = (0..2_000).map(|number| firing(&format!("an-alert-{number}"), 10)).collect();
    let report = replay(Some(&current), &next, &[many]);
    let chat = &report.targets[0];
    assert_eq!((chat.before.cut, chat.after.cut), (1, 1));
    assert!(chat.after.parts > 1 && chat.after.most_in_window == chat.after.parts, "{chat:?}");
    assert_eq!(chat.after.budget.as_deref(), Some("2/1h"));
    assert!(report.is_changed() && report.texts_changed.is_empty());
}

#[test]
fn a_receiver_that_is_gone_refuses_its_webhooks() {
    let (current, next) = (settings(ALL_TO_CHAT), settings("receivers: { others: { routes: [] } }\n"));
    let report =
        replay(Some(&current), &next, &[vec![firing("a", 10)], vec![firing("a", 10), firing("b", 10)]]);
    let gone = &report.receivers["ops"];
    assert_eq!((gone.is_lost, gone.webhooks, gone.alerts), (true, 2, 3));
    assert!(report.routing.is_empty() && report.is_changed());
}

#[test]
fn many_kinds_of_changes_are_counted_beyond_a_bound() {
    let (current, next) = (settings(ALL_TO_CHAT), settings("receivers: { ops: { routes: [] } }\n"));
    let alerts: Vec<Alert> = (0..1_500)
        .map(|number| Alert {
            fingerprint: Fingerprint(format!("{number:016x}")),
            ..firing(&format!("a{number}"), 10)
        })
        .collect();
    let report = replay(Some(&current), &next, &[alerts]);
    assert_eq!((report.routing.len(), report.routing_more), (routing::LISTED, 500));
}

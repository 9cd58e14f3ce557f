//! Every page in both languages, with values that somebody would like to be markup.

use std::path::Path;

use super::*;
use crate::clock::Millis;
use crate::notification::LabelSet;
use crate::operation::audit_trail::{Action, TrailEntry, TrailPage};
use crate::operation::dead_letters::Settled;
use crate::operation::deliveries::{DeliveryPage, DeliveryState, DeliverySummary, HandSettled, Place};
use crate::operation::overview::{
    BudgetLeft, HealthState, HeartbeatOverview, HeartbeatState, LastError, OpenAlert, OpenAlerts, Overview,
    Queue, ReceiverOverview, StrandedQueue, TargetHealth, TargetOverview,
};
use crate::operation::previews::{MessagePreview, RecentWebhook};
use crate::operation::settings_in_force::{
    Change, SaidBy, Setting, SettingChange, SettingsChanges, SettingsInForce,
};
use crate::operation::told_story::{AlertStory, DeliveryStory, Sent, ToldAlert, ToldAttempt};
use crate::operation::unrouted::UnroutedAlert;
use crate::routes::{self, RouteVerdict};

/// What is in every text that comes from outside.
const HOSTILE: &str = "</p><script>alert('x')</script>\"onmouseover=alert(1) {{ 7*7 }} {count}";

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn visit(language: Language) -> Visit {
    Visit {
        language,
        time_zone: TimeZone::get("Asia/Shanghai").unwrap(),
        now: "2026-11-29T11:00:00Z".parse().unwrap(),
        other_language: "/?a=%3C&lang=en".to_owned(),
    }
}

/// The page in both languages: no value has become markup.
fn check<P: Page>(page: &P) -> [String; 2] {
    let console = Console::new();
    [Language::ZhCn, Language::En].map(|language| {
        let html =
            console.html(&visit(language), page).unwrap_or_else(|error| panic!("{}: {error:#}", P::TEMPLATE));
        for banned in ["<script", " style=", "javascript:", "\"onmouseover", "undefined"] {
            assert!(!html.contains(banned), "{} has `{banned}`:\n{html}", P::TEMPLATE);
        }
        assert!(html.starts_with("<!doctype html>"), "{html}");
        assert_eq!(html.matches("<h1>").count(), 1);
        html
    })
}

fn at(seconds: i64) -> Millis {
    Millis(1_796_000_000_000 - seconds * 1_000)
}

fn labels() -> LabelSet {
    [("alertname", HOSTILE), ("severity", "critical"), (HOSTILE, "x")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn annotations() -> LabelSet {
    [("summary", HOSTILE), ("description", HOSTILE), ("runbook_url", "javascript:alert(1)")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn verdicts() -> Vec<RouteVerdict> {
    let settings = "targets: { chat: { wecom: { webhook_url: 'https://a/?key=b' } } }\n\
                    store: { url: 'sqlite:///x/relay.db' }\n\
                    receivers: { ops: { routes: [{ matchers: ['severity=\"<b>\"', team=a], targets: [chat] }, { targets: [chat] }] } }\n";
    let settings = crate::settings::Settings::from_text(Path::new("relay.yml"), settings, []).unwrap();
    routes::verdicts(&settings.receivers["ops"], &labels())
}

fn unrouted(with_labels: bool) -> UnroutedAlert {
    UnroutedAlert {
        at: at(60),
        notification: 7,
        receiver: hostile(),
        fingerprint: hostile(),
        labels: with_labels.then(labels),
        why: with_labels.then(hostile),
        routes_now: if with_labels { verdicts() } else { Vec::new() },
    }
}

fn summary(state: DeliveryState) -> DeliverySummary {
    DeliverySummary {
        id: "4f2a91-17".parse().unwrap(),
        target: hostile(),
        accepted_at: at(90),
        receiver: hostile(),
        group: "0123456789abcdef".to_owned(),
        group_key: hostile(),
        alerts: Some(hostile()),
        is_urgent: true,
        state,
        attempts: 3,
        via: Some("other".to_owned()),
        next_try: Some(at(-60)),
        ended_at: Some(at(30)),
        reason: Some(hostile()),
        sent_with: Some("4f2a91-18".parse().unwrap()),
        settled: (state == DeliveryState::Dead).then_some(HandSettled::GivenUp),
    }
}

fn story(state: DeliveryState) -> DeliveryStory {
    let part = |text: String| SentPart { part: 1, recipient: Some(hostile()), bytes: 20, text, is_cut: true };
    DeliveryStory {
        summary: DeliverySummary { settled: None, ..summary(state) },
        notification: 7,
        duplicate_of: Some(6),
        sender: hostile(),
        routes: Some(vec![hostile()]),
        mentions: vec![hostile()],
        told_alerts: vec![alert()],
        alert_count: 3,
        outside_hours: 1,
        parts_done: 1,
        parts: Some(2),
        recipients: [(hostile(), crate::delivery::RecipientStatus::Deferred)].into(),
        attempt_list: vec![
            ToldAttempt {
                at: at(80),
                ended_at: Some(at(79)),
                via: hostile(),
                part: 1,
                outcome: Some("retry".to_owned()),
                reason: Some("busy".to_owned()),
                words: Some(hostile()),
                silent_until: Some(at(0)),
            },
            ToldAttempt {
                at: at(70),
                ended_at: None,
                via: "chat".to_owned(),
                part: 1,
                outcome: None,
                reason: None,
                words: None,
                silent_until: None,
            },
        ],
        older_attempts: 4,
        sent: Sent::MadeAgain {
            parts: vec![
                part(format!("msgtype: markdown\nmarkdown.title: {HOSTILE}\n\n#### {HOSTILE}")),
                part(hostile()),
            ],
        },
    }
}

fn alert() -> ToldAlert {
    ToldAlert {
        fingerprint: hostile(),
        status: "firing",
        since: Some(at(900)),
        until: None,
        labels: labels(),
        annotations: annotations(),
        is_outside_hours: true,
    }
}

fn overview() -> Overview {
    let target = |name: &str, state: HealthState| TargetOverview {
        name: name.to_owned(),
        channel: "DingTalk",
        fallback: Some(hostile()),
        health: TargetHealth {
            state,
            since: Some(at(300)),
            failures: 4,
            next_try: Some(at(-10)),
            is_dead: true,
            words: hostile(),
        },
        last_success: Some(at(3_600)),
        last_error: Some(LastError { at: at(20), reason: "throttled".to_owned(), words: hostile() }),
        budget: BudgetLeft {
            sends: 20,
            window_seconds: 60.0,
            left: 3,
            left_for_critical: 5,
            next_at: Some(at(-5)),
            silent_until: None,
        },
        queue: Some(Queue { waiting: 12, oldest: Some(at(600)) }),
        open: Some(OpenAlerts {
            count: 3,
            alerts: vec![OpenAlert {
                fingerprint: hostile(),
                name: hostile(),
                severity: hostile(),
                since: None,
                told_at: at(50),
                group: hostile(),
                labels: labels(),
                annotations: annotations(),
            }],
        }),
    };
    Overview {
        at: at(0),
        version: "0",
        is_standby: true,
        store_error: Some(hostile()),
        receivers: vec![ReceiverOverview { name: hostile(), path: hostile(), targets: vec![hostile()] }],
        targets: vec![target("chat", HealthState::Up), target(HOSTILE, HealthState::Misconfigured)],
        stranded: vec![StrandedQueue {
            target: hostile(),
            queue: Queue { waiting: 1, oldest: None },
            hint: hostile(),
        }],
        heartbeats: vec![HeartbeatOverview {
            name: hostile(),
            expect_every_seconds: 300.0,
            targets: vec![hostile()],
            last_heard: None,
            state: HeartbeatState::Missing,
        }],
        unrouted: vec![unrouted(true), unrouted(false)],
        dead_letters: Some(2),
    }
}

#[test]
fn the_overview_shows_what_burns_and_what_waits() {
    let [zh, en] = check(&OverviewPage(&overview()));
    for expected in [
        "3 may be sent now, of 20 in any 1m",
        "4 failures in a row",
        "refuses everything",
        "25</b><span>waiting deliveries",
        "6</b><span>open alerts",
    ] {
        assert!(en.contains(expected), "{expected}:\n{en}");
    }
    assert!(zh.contains("现在可发 3 条（任意 1 分钟内最多 20 条）") && zh.contains("lang=\"zh-CN\""), "{zh}");
    let empty = Overview {
        store_error: None,
        targets: Vec::new(),
        receivers: Vec::new(),
        heartbeats: Vec::new(),
        stranded: Vec::new(),
        unrouted: Vec::new(),
        dead_letters: None,
        ..overview()
    };
    let [_, en] = check(&OverviewPage(&empty));
    for expected in [
        "The settings name no target",
        "The settings name no receiver",
        "nobody notices when",
        "No target was told",
    ] {
        assert!(en.contains(expected), "{expected}:\n{en}");
    }
}

#[test]
fn lists_stories_and_forms_are_shown() {
    let form = FilterForm::default();
    let asked = form.read(&TimeZone::UTC);
    let found = DeliveryPage {
        deliveries: DeliveryState::ALL.map(summary).to_vec(),
        next: Some(Place { at: at(0), number: 3 }),
        looked_back_to: Some(at(9)),
    };
    check(&DeliveriesPage { form: &form, asked: &asked, targets: vec![HOSTILE], found: &found });
    check(&DeliveriesPage { form: &form, asked: &asked, targets: vec![], found: &DeliveryPage::default() });
    check(&DeadLettersPage { form: &form, asked: &asked, targets: vec![HOSTILE], found: &found });
    let [_, en] = check(&StoryPage(&story(DeliveryState::Dead)));
    assert!(
        en.contains("<div class=\"bubble\"><p class=\"title\">") && en.contains("value=\"give_up\""),
        "{en}"
    );
    let [_, en] = check(&StoryPage(&story(DeliveryState::Delivered)));
    assert!(!en.contains("<form"), "{en}");
    let told = AlertStory {
        fingerprint: hostile(),
        alert: Some(alert()),
        deliveries: vec![story(DeliveryState::Pending)],
        unrouted: vec![unrouted(true)],
        is_cut: true,
    };
    check(&AlertPage(&told));
    check(&AlertPage(&AlertStory { alert: None, deliveries: Vec::new(), ..told }));
}

#[test]
fn what_changes_something_asks_once_more() {
    let body = "action=give_up&target=chat&text=%3Cb%3E";
    let form: DeadLetterForm = serde_urlencoded::from_str(body).unwrap();
    assert_eq!((form.action(), form.is_confirmed()), (Some(Action::GiveUp), false));
    let [_, en] = check(&ConfirmPage { form: &form, action: Action::GiveUp });
    for expected in [
        "name=\"confirmed\" value=\"yes\"",
        "name=\"text\" value=\"&lt;b&gt;\"",
        "name=\"action\" value=\"give_up\"",
    ] {
        assert!(en.contains(expected), "{expected}:\n{en}");
    }
    let one: DeadLetterForm = serde_urlencoded::from_str("action=retry&id=4f2a91-17&confirmed=yes").unwrap();
    assert_eq!((one.action(), one.is_confirmed()), (Some(Action::Retry), true));
    check(&ConfirmPage { form: &one, action: Action::Retry });
    let other: DeadLetterForm = serde_urlencoded::from_str("action=reload&id=").unwrap();
    assert_eq!(other.action(), None);
    let settled = Settled {
        changed: 2,
        told_since: 1,
        without_target: 1,
        has_more: true,
        deliveries: vec!["4f2a91-18".parse().unwrap()],
    };
    let [_, en] = check(&DonePage { action: Action::Retry, settled: &settled });
    assert!(en.contains("2 deliveries were put into their queues again."), "{en}");
}

#[test]
fn previews_tests_settings_and_the_trail_are_shown() {
    let form: PreviewForm = serde_urlencoded::from_str("target=chat&notification=7").unwrap();
    let recent = [RecentWebhook {
        notification: 7,
        at: at(3),
        receiver: hostile(),
        group_key: hostile(),
        alerts: None,
        bytes: 3,
    }];
    let parts = vec![SentPart { part: 1, recipient: None, bytes: 1, text: hostile(), is_cut: false }];
    let preview = MessagePreview { target: hostile(), channel: "WeCom", wording: "normal", parts };
    let [_, en] = check(&PreviewPage {
        form: &form,
        targets: vec!["chat"],
        recent: &recent,
        preview: Some(Ok(&preview)),
    });
    assert!(en.contains("<option value=\"7\" selected>"), "{en}");
    check(&PreviewPage { form: &form, targets: vec![], recent: &[], preview: Some(Err(hostile())) });

    let form = SendTestForm::default();
    let report = crate::test_report::TestReport {
        target: hostile(),
        of: 2,
        parts: vec![
            crate::test_report::TestedPart::Sent(crate::outcome::Outcome::Delivered { receipt: hostile() }),
            crate::test_report::TestedPart::NotBefore(std::time::Duration::from_secs(29)),
        ],
    };
    let [_, en] = check(&SendTestPage { form: &form, targets: vec![HOSTILE], report: Some(Ok(&report)) });
    assert!(en.contains("for another 30s"), "{en}");

    let setting =
        |key: &str, value| Setting { key: key.to_owned(), value, is_secret: false, said_by: SaidBy::File };
    let settings = SettingsInForce {
        file: hostile(),
        settings: vec![
            setting("server.listen", Some(serde_json::json!([HOSTILE]))),
            setting("targets.chat.budget", Some(serde_json::json!(HOSTILE))),
            Setting { is_secret: true, ..setting("targets.chat.dingtalk.webhook_url", None) },
        ],
    };
    let [_, en] = check(&SettingsPage(&settings));
    assert!(en.contains("<h2>server</h2>") && en.contains(">hidden<"), "{en}");
    let change = |change, is_secret| SettingChange {
        key: hostile(),
        change,
        is_secret,
        before: Some(serde_json::json!(HOSTILE)),
        after: Some(serde_json::json!(HOSTILE)),
    };
    let changes = SettingsChanges {
        problems: Vec::new(),
        losses: vec![hostile()],
        changes: vec![
            change(Change::Added, false),
            change(Change::Removed, false),
            change(Change::Changed, true),
        ],
        needs_restart: vec![hostile()],
    };
    let [_, en] = check(&ReloadPage(&changes));
    assert!(en.contains("name=\"force\""), "{en}");
    let [_, en] = check(&ReloadPage(&SettingsChanges { problems: vec![hostile()], ..changes }));
    assert!(!en.contains("<form"), "a reload that cannot work is offered: {en}");
    check(&ReloadedPage { problems: vec![hostile()] });
    check(&ReloadedPage { problems: Vec::new() });

    let entry = TrailEntry {
        id: 3,
        at: at(4),
        who: hostile(),
        address: Some(hostile()),
        action: "retry".to_owned(),
        subject: hostile(),
        is_done: true,
        result: hostile(),
    };
    let trail = TrailPage { entries: vec![entry], next: Some(2) };
    let [_, en] = check(&AuditTrailPage { trail: &trail, is_later: true });
    assert!(
        en.contains("Dead letters sent again") && en.contains("href=\"&#x2f;audit-trail?before=2\""),
        "{en}"
    );
    check(&RefusalPage { kind: "not_found", message: hostile() });
}

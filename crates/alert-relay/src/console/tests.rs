//! Every page in both languages, with values that somebody would like to be markup.

use super::*;
use crate::console::tests::samples::*;
use crate::delivery::SentPart;
use crate::operation::audit_trail::{Action, TrailEntry, TrailPage};
use crate::operation::dead_letters::Settled;
use crate::operation::deliveries::{DeliveryPage, DeliveryState, Place};
use crate::operation::overview::{DelivererOverview, Overview};
use crate::operation::previews::{MessagePreview, RecentWebhook};
use crate::operation::settings_in_force::{
    Change, SaidBy, Setting, SettingChange, SettingsChanges, SettingsInForce,
};
use crate::operation::told_story::AlertStory;

mod samples;

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
fn a_relay_that_does_not_deliver_says_who_does_and_shows_nothing_that_it_does_not_know() {
    let elsewhere = |name: Option<&str>, store_error: Option<&str>| {
        let mut overview = overview();
        for target in &mut overview.targets {
            (target.health, target.budget) = (None, None);
        }
        overview.deliverer = DelivererOverview { is_this_relay: false, name: name.map(str::to_owned) };
        overview.store_error = store_error.map(str::to_owned);
        check(&OverviewPage(&overview))
    };
    let [zh, en] = elsewhere(Some("node-2, pid 7"), None);
    for (page, expected) in [(&zh, "目前由 node-2, pid 7 投递"), (&en, "node-2, pid 7 delivers.")] {
        assert!(page.contains(expected), "{page}");
    }
    assert!(en.contains("?</b><span>targets in trouble"), "{en}");
    assert!(
        en.contains("not known here") && !en.contains("in order") && !en.contains("may be sent now"),
        "{en}"
    );
    let nobody = "No relay has told the database of late";
    assert!(!en.contains(nobody), "{en}");
    let [_, en] = elsewhere(None, None);
    assert!(en.contains("This relay does not deliver at present") && en.contains(nobody), "{en}");
    let [_, en] = elsewhere(None, Some("it does not answer"));
    assert!(en.contains("This relay does not deliver at present") && !en.contains(nobody), "{en}");
    let [_, en] = check(&OverviewPage(&overview()));
    assert!(!en.contains("This relay does not deliver"), "{en}");
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
fn what_may_be_absent_is_missed_by_no_page() {
    check(&OverviewPage(&bare_overview()));
    let form = FilterForm::default();
    let asked = form.read(&TimeZone::UTC);
    let found = DeliveryPage {
        deliveries: DeliveryState::ALL.map(bare_summary).to_vec(),
        next: None,
        looked_back_to: None,
    };
    check(&DeliveriesPage { form: &form, asked: &asked, targets: vec![], found: &found });
    check(&DeadLettersPage { form: &form, asked: &asked, targets: vec![], found: &found });
    for state in DeliveryState::ALL {
        let [_, en] = check(&StoryPage(&bare_story(state)));
        assert!(!en.contains("Runbook"), "{en}");
    }
    let told = AlertStory {
        fingerprint: hostile(),
        alert: Some(bare_alert()),
        deliveries: vec![bare_story(DeliveryState::Delivered)],
        unrouted: vec![unrouted(false)],
        is_cut: false,
    };
    check(&AlertPage(&told));

    // A link to a runbook is one of the web or none.
    let mut alert = alert();
    for (url, is_link) in [("https://wiki.example/gpu", true), ("javascript:alert(1)", false), ("", false)] {
        alert.annotations = [("runbook_url", url)].into_iter().collect();
        let [_, en] = check(&AlertPage(&AlertStory { alert: Some(alert.clone()), ..told.clone() }));
        assert_eq!(en.contains("Runbook"), is_link, "{url}:\n{en}");
    }

    let entry = TrailEntry {
        id: 3,
        at: at(4),
        who: "anonymous".to_owned(),
        address: None,
        action: "another".to_owned(),
        subject: String::new(),
        is_done: false,
        result: String::new(),
    };
    check(&AuditTrailPage { trail: &TrailPage { entries: vec![entry], next: None }, is_later: false });
    let change =
        |change, before, after| SettingChange { key: hostile(), change, is_secret: false, before, after };
    let value = || Some(serde_json::json!("x"));
    let changes = SettingsChanges {
        changes: vec![change(Change::Added, None, value()), change(Change::Removed, value(), None)],
        ..SettingsChanges::default()
    };
    check(&ReloadPage(&changes));
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

//! What the pages are made of in these tests: values of every kind, in which every text from outside would like to be markup.

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock::Millis;
use crate::delivery::SentPart;
use crate::notification::LabelSet;
use crate::operation::deliveries::{DeliveryState, DeliverySummary, HandSettled};
use crate::operation::overview::{
    BudgetLeft, DelivererOverview, HealthState, HeartbeatOverview, HeartbeatState, LastError, OpenAlert,
    OpenAlerts, Overview, Queue, ReceiverOverview, StrandedQueue, TargetHealth, TargetOverview,
};
use crate::operation::told_story::{DeliveryStory, Sent, ToldAlert};
use crate::operation::unrouted::UnroutedAlert;
use crate::routes::{self, RouteVerdict};
use crate::story::Attempt;

/// What is in every text that comes from outside.
pub(super) const HOSTILE: &str = "</p><script>alert('x')</script>\"onmouseover=alert(1) {{ 7*7 }} {count}";

pub(super) fn hostile() -> String {
    HOSTILE.to_owned()
}

pub(super) fn at(seconds: i64) -> Millis {
    Millis(1_796_000_000_000 - seconds * 1_000)
}

pub(super) fn labels() -> LabelSet {
    [("alertname", HOSTILE), ("severity", "critical"), (HOSTILE, "x")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn annotations() -> LabelSet {
    [("summary", HOSTILE), ("description", HOSTILE), ("runbook_url", "javascript:alert(1)")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn verdicts() -> Vec<RouteVerdict> {
    let settings = "targets: { chat: { wecom: { webhook_url: 'https://a/?key=b' } } }\n\
                    store: { url: 'sqlite:///x/relay.db' }\n\
                    receivers: { ops: { routes: [{ matchers: ['severity=\"<b>\"', team=a], targets: [chat] }, { targets: [chat] }] } }\n";
    let settings = crate::settings::Settings::from_text(Path::new("relay.yml"), settings, []).unwrap();
    routes::verdicts(&settings.receivers["ops"], &labels())
}

pub(super) fn unrouted(with_labels: bool) -> UnroutedAlert {
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

pub(super) fn summary(state: DeliveryState) -> DeliverySummary {
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

pub(super) fn story(state: DeliveryState) -> DeliveryStory {
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
            Attempt {
                at: at(80),
                ended_at: Some(at(79)),
                via: hostile(),
                part: 1,
                outcome: Some("retry".to_owned()),
                reason: Some("busy".to_owned()),
                detail: Some(hostile()),
                pause_until: Some(at(0)),
            },
            Attempt {
                at: at(70),
                ended_at: None,
                via: "chat".to_owned(),
                part: 1,
                outcome: None,
                reason: None,
                detail: None,
                pause_until: None,
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

/// With nothing that may be absent.
pub(super) fn bare_summary(state: DeliveryState) -> DeliverySummary {
    DeliverySummary {
        alerts: None,
        is_urgent: false,
        attempts: 0,
        via: None,
        next_try: None,
        ended_at: None,
        reason: None,
        sent_with: None,
        settled: None,
        ..summary(state)
    }
}

/// With nothing that may be absent, about an alert without labels and annotations.
pub(super) fn bare_story(state: DeliveryState) -> DeliveryStory {
    DeliveryStory {
        summary: bare_summary(state),
        notification: 7,
        duplicate_of: None,
        sender: String::new(),
        routes: None,
        mentions: Vec::new(),
        told_alerts: vec![bare_alert()],
        alert_count: 1,
        outside_hours: 0,
        parts_done: 0,
        parts: None,
        recipients: BTreeMap::new(),
        attempt_list: Vec::new(),
        older_attempts: 0,
        sent: Sent::Nothing { reason: hostile() },
    }
}

/// Without labels and annotations.
pub(super) fn bare_alert() -> ToldAlert {
    ToldAlert {
        status: "resolved",
        since: None,
        until: Some(at(10)),
        labels: LabelSet::default(),
        annotations: LabelSet::default(),
        is_outside_hours: false,
        ..alert()
    }
}

/// With nothing that may be absent.
pub(super) fn bare_overview() -> Overview {
    let mut overview = Overview { is_standby: false, store_error: None, dead_letters: None, ..overview() };
    for target in &mut overview.targets {
        target.fallback = None;
        if let Some(health) = &mut target.health {
            health.since = None;
            health.next_try = None;
        }
        target.last_success = None;
        target.last_error = None;
        if let Some(budget) = &mut target.budget {
            budget.next_at = None;
        }
        target.queue = Some(Queue { waiting: 1, oldest: None });
        for alert in target.open.iter_mut().flat_map(|open| &mut open.alerts) {
            alert.name.clear();
            alert.severity.clear();
            alert.labels = LabelSet::default();
            alert.annotations = LabelSet::default();
        }
    }
    overview.targets.push(TargetOverview {
        name: "silent".to_owned(),
        health: None,
        budget: None,
        queue: None,
        open: None,
        ..overview.targets[0].clone()
    });
    overview.unrouted = vec![UnroutedAlert { labels: Some(LabelSet::default()), ..unrouted(false) }];
    overview
}

pub(super) fn alert() -> ToldAlert {
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

pub(super) fn overview() -> Overview {
    let target = |name: &str, state: HealthState| TargetOverview {
        name: name.to_owned(),
        channel: "DingTalk",
        fallback: Some(hostile()),
        health: Some(TargetHealth {
            state,
            since: Some(at(300)),
            failures: 4,
            next_try: Some(at(-10)),
            is_dead: true,
            words: hostile(),
        }),
        last_success: Some(at(3_600)),
        last_error: Some(LastError { at: at(20), reason: "throttled".to_owned(), words: hostile() }),
        budget: Some(BudgetLeft {
            sends: 20,
            window_seconds: 60.0,
            left: 3,
            left_for_critical: 5,
            next_at: Some(at(-5)),
            silent_until: None,
        }),
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
        deliverer: DelivererOverview { is_this_relay: true, name: None },
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

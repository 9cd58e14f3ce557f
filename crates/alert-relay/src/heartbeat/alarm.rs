//! An alarm, or its end, as a notification (pure): its words, and whom it is for.

use std::time::Duration;

use jiff::Timestamp;

use crate::heartbeat::{Due, HeartbeatChange};
use crate::intake;
use crate::message::Language;
use crate::notification::{Alert, GroupKey, LabelSet, Notification, Status};
use crate::routes::Planned;

/// The receiver of an alarm's notification.
pub(crate) const RECEIVER: &str = "alert-relay";

impl Due {
    /// The notification that says it, and its deliveries.
    pub(crate) fn notification(&self, language: Language, now: Timestamp) -> (Notification, Vec<Planned>) {
        let settings = &self.settings;
        let (status, since) = match self.change {
            HeartbeatChange::Silent { since } => (Status::Firing, since.timestamp()),
            HeartbeatChange::Back { since } => (Status::Resolved, since.timestamp()),
            HeartbeatChange::FirstHeard => (Status::Resolved, now),
        };
        let labels =
            labels(&[("alertname", "HeartbeatMissing"), ("heartbeat", &self.name), ("severity", "critical")]);
        let annotations = words(&self.name, settings.expect_every, language);
        let alert = Alert {
            status,
            annotations: annotations.clone(),
            starts_at: since,
            ends_at: (status == Status::Resolved).then_some(now),
            generator_url: String::new(),
            fingerprint: intake::fingerprint(&labels),
            labels: labels.clone(),
        };
        let fingerprints = vec![alert.fingerprint.clone()];
        let deliveries = settings.targets.iter().map(|target| {
            let routes = vec![format!("heartbeats.{}", self.name)];
            let planned = Planned { target: target.clone(), routes, ..Planned::default() };
            if self.tells(target) {
                Planned { alerts: fingerprints.clone(), ..planned }
            } else {
                Planned { outside_hours: fingerprints.clone(), ..planned }
            }
        });
        let deliveries = deliveries.collect();
        let notification = Notification {
            receiver: RECEIVER.to_owned(),
            group_key: group_key(&self.name),
            group_labels: labels.clone(),
            common_labels: labels,
            common_annotations: annotations,
            external_url: String::new(),
            truncated_alerts: 0,
            // The same once more is for those who are new among the targets.
            is_declared_repeat: self.told.is_some(),
            alerts: vec![alert],
        };
        (notification, deliveries)
    }
}

/// The end of a stored alarm whose heartbeat is no longer in the settings, for those who know of it.
pub(crate) fn end(
    name: &str,
    alarm: Notification,
    told: Vec<String>,
    now: Timestamp,
) -> (Notification, Vec<Planned>) {
    let over = |alert: Alert| Alert { status: Status::Resolved, ends_at: Some(now), ..alert };
    let alerts: Vec<Alert> = alarm.alerts.into_iter().map(over).collect();
    let deliveries = told.into_iter().map(|target| Planned {
        target,
        routes: vec![format!("heartbeats.{name}")],
        alerts: alerts.iter().map(|alert| alert.fingerprint.clone()).collect(),
        ..Planned::default()
    });
    (Notification { alerts: alerts.clone(), ..alarm }, deliveries.collect())
}

/// The group of a heartbeat's alarms.
pub(crate) fn group_key(name: &str) -> GroupKey {
    GroupKey(format!("{{}}/heartbeat:{{heartbeat={name:?}}}"))
}

fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn words(name: &str, expect_every: Duration, language: Language) -> LabelSet {
    let every = humantime::format_duration(expect_every);
    let (summary, description) = match language {
        Language::ZhCn => (
            format!("心跳 {name} 中断"),
            format!(
                "超过 {every} 没有收到心跳 {name}。Prometheus、Alertmanager 或它们到本服务的链路可能已中断,期间的告警可能无法送达。"
            ),
        ),
        Language::En => (
            format!("Heartbeat {name} is missing"),
            format!(
                "Nothing was heard from the heartbeat {name} for more than {every}. Prometheus, Alertmanager or the way from them to \
                 this relay may be broken, and alerts may not arrive meanwhile."
            ),
        ),
    };
    labels(&[("summary", &summary), ("description", &description)])
}

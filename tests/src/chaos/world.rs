//! What is true: groups of alerts that begin and end, and what their Alertmanager posts of them (pure but for the clock).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Groups of one world, with their numbers of alerts: small ones, and one that takes several parts.
const GROUPS: [usize; 5] = [1, 1, 2, 4, 30];

/// The alerts of one driver.
pub(super) struct World {
    number: usize,
    rng: fastrand::Rng,
    groups: Vec<Group>,
}

struct Group {
    alerts: Vec<Alert>,
    /// Something has changed since the last webhook that was answered 200.
    is_dirty: bool,
}

#[derive(Clone, Default)]
struct Alert {
    /// From 1; 0: it has never fired.
    episode: u32,
    is_firing: bool,
    /// It has ended, and no webhook that says so was answered 200.
    is_end_due: bool,
    started: u64,
    ended: u64,
    /// The last state that a webhook with 200 had.
    accepted: Option<(u32, bool)>,
    /// Episodes of which a webhook with 200 spoke.
    episodes: u32,
}

/// How one alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// As its messages name it.
    pub alert: String,
    /// Its latest episode.
    pub episode: u32,
    /// Whether it is over.
    pub is_over: bool,
    /// How many episodes were accepted.
    pub episodes: u32,
}

impl World {
    pub(super) fn new(number: usize, seed: u64) -> Self {
        let group = |alerts| Group { alerts: vec![Alert::default(); alerts], is_dirty: false };
        Self { number, rng: fastrand::Rng::with_seed(seed), groups: GROUPS.into_iter().map(group).collect() }
    }

    /// Something begins or ends.
    pub(super) fn change(&mut self) {
        let group = self.rng.usize(..self.groups.len());
        let group = &mut self.groups[group];
        let changes = self.rng.usize(1..=group.alerts.len().min(3));
        for _ in 0..changes {
            let alert = self.rng.usize(..group.alerts.len());
            let alert = &mut group.alerts[alert];
            let now = now();
            if alert.is_firing {
                alert.is_firing = false;
                alert.is_end_due = true;
                alert.ended = now.max(alert.started + 1);
            } else {
                alert.is_firing = true;
                alert.is_end_due = false;
                alert.episode += 1;
                alert.started = now.max(alert.ended + 1);
            }
            group.is_dirty = true;
        }
    }

    /// A group of which something has to be posted, and the webhook.
    pub(super) fn next_webhook(&mut self) -> Option<(usize, Value)> {
        let dirty: Vec<usize> = (0..self.groups.len()).filter(|index| self.groups[*index].is_dirty).collect();
        let group = *dirty.get(self.rng.usize(..dirty.len().max(1)))?;
        Some((group, self.webhook(group)))
    }

    fn webhook(&self, group: usize) -> Value {
        let name = format!("world{}group{group}", self.number);
        let listed = self.groups[group].alerts.iter().enumerate();
        let listed = listed.filter(|(_, alert)| alert.is_firing || alert.is_end_due);
        let alerts: Vec<Value> = listed
            .map(|(index, alert)| {
                json!({
                    "status": if alert.is_firing { "firing" } else { "resolved" },
                    "labels": { "alertname": name, "node": format!("node{index}"), "severity": "warning" },
                    "annotations": { "summary": format!("{}E{}x", self.alert_name(group, index), alert.episode) },
                    "startsAt": timestamp(alert.started),
                    "endsAt": if alert.is_firing { "0001-01-01T00:00:00Z".to_owned() } else { timestamp(alert.ended) },
                    "generatorURL": "",
                    "fingerprint": format!("{:016x}", (self.number * 100 + group) * 1_000 + index),
                })
            })
            .collect();
        let is_firing = alerts.iter().any(|alert| alert["status"] == "firing");
        json!({
            "version": "4",
            "receiver": "relay",
            "status": if is_firing { "firing" } else { "resolved" },
            "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
            "truncatedAlerts": 0,
            "groupLabels": { "alertname": name },
            "commonLabels": { "alertname": name, "severity": "warning" },
            "commonAnnotations": {},
            "externalURL": "http://alertmanager:9093",
            "alerts": alerts,
        })
    }

    /// What was last posted of a group was answered 200.
    pub(super) fn accepted(&mut self, group: usize) {
        let group = &mut self.groups[group];
        group.is_dirty = false;
        for alert in group.alerts.iter_mut().filter(|alert| alert.is_firing || alert.is_end_due) {
            if alert.accepted.is_none_or(|(episode, _)| episode < alert.episode) {
                alert.episodes += 1;
            }
            alert.accepted = Some((alert.episode, !alert.is_firing));
            alert.is_end_due = false;
        }
    }

    /// Every alert of which a webhook was answered 200.
    pub(super) fn truth(&self) -> impl Iterator<Item = Truth> {
        self.groups.iter().enumerate().flat_map(move |(group, alerts)| {
            alerts.alerts.iter().enumerate().filter_map(move |(index, alert)| {
                let (episode, is_over) = alert.accepted?;
                let name = self.alert_name(group, index);
                Some(Truth { alert: name, episode, is_over, episodes: alert.episodes })
            })
        })
    }

    fn alert_name(&self, group: usize, alert: usize) -> String {
        format!("epW{}G{group}A{alert}", self.number)
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339.
fn timestamp(millis: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + std::time::Duration::from_millis(millis)).to_string()
}

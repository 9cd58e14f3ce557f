//! A notification on its way into the store: its keys, and which deliveries are urgent (pure).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::delivery::Accepted;
use crate::notification::{Alert, Fingerprint, GroupKey, Notification, Status};
use crate::outbox::columns::{fingerprints_to_json, mentions_to_json, to_json};
use crate::outbox::search_text;
use crate::routes::Planned;
use crate::sender::Sender;
use crate::severity::Severity;
use crate::subject;

/// Equal snapshots this close to each other are one. It has to cover Alertmanager's peer timeout (15 s a peer), a slow answer
/// and a restart of ours, and stay below any `repeat_interval`, whose smallest usual value is five minutes: a genuine
/// repeat must get through.
pub(crate) const DEDUP_WINDOW: Duration = Duration::from_mins(4);

/// What the endpoint of a heartbeat's alarm begins with. No receiver can have this name: a name has no slash.
pub(crate) const HEARTBEATS: &str = "heartbeats/";

/// The rows to be, before they have numbers.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) endpoint: String,
    pub(super) receiver: String,
    pub(super) group_id: String,
    pub(super) group_key: String,
    pub(super) sender: Sender,
    pub(super) dedup_key: String,
    /// Alertmanager says that it repeats itself on purpose: never a duplicate.
    pub(super) is_declared_repeat: bool,
    pub(super) at: Millis,
    pub(super) payload: Bytes,
    /// JSON list of fingerprints; `None`: every alert is for somebody.
    pub(super) unrouted: Option<String>,
    /// What lists show of it and find it by.
    pub(super) subject: Subject,
    pub(super) deliveries: Vec<ArrivingDelivery>,
}

/// What a webhook is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The names of its alerts in a few words.
    pub(super) names: String,
    /// What it is searched by.
    pub(super) text: String,
    /// JSON list of notes; `None`: every alert is for somebody.
    pub(super) unrouted: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct ArrivingDelivery {
    pub(super) target: String,
    /// JSON list of fingerprints.
    pub(super) alerts: String,
    /// JSON list of fingerprints.
    pub(super) outside_hours: String,
    /// The names of its alerts in a few words.
    pub(super) names: Option<String>,
    /// JSON: a list of fingerprints for each name.
    pub(super) mentions: String,
    /// JSON list of routes.
    pub(super) routes: String,
    pub(super) is_urgent: bool,
    /// Brings no snapshot.
    pub(super) is_revision: bool,
}

impl Arrival {
    /// Whether the relay itself says it: a heartbeat is missing, or heard again.
    pub(super) fn is_our_own(&self) -> bool {
        self.endpoint.starts_with(HEARTBEATS)
    }

    pub(super) fn new(accepted: &Accepted, at: Millis) -> Self {
        let notification = &accepted.notification;
        let source = accepted.sender.source.as_deref();
        let group_id = group_id(&accepted.endpoint, &notification.receiver, &notification.group_key, source);
        let urgent = urgent(notification);
        let by_fingerprint: Alerts<'_> =
            notification.alerts.iter().map(|alert| (&alert.fingerprint, alert)).collect();
        Self {
            endpoint: accepted.endpoint.clone(),
            receiver: notification.receiver.clone(),
            dedup_key: dedup_key(&group_id, notification),
            group_id,
            group_key: notification.group_key.0.clone(),
            sender: accepted.sender.clone(),
            is_declared_repeat: notification.is_declared_repeat,
            at,
            payload: accepted.payload.clone(),
            unrouted: (!accepted.unrouted.is_empty()).then(|| fingerprints_to_json(&accepted.unrouted)),
            subject: Subject {
                names: subject::names(&notification.alerts),
                text: search_text::of(notification),
                unrouted: (!accepted.unrouted_notes.is_empty()).then(|| to_json(&accepted.unrouted_notes)),
            },
            deliveries: accepted
                .deliveries
                .iter()
                .map(|planned| {
                    let names = names(planned, &by_fingerprint);
                    ArrivingDelivery { names, ..ArrivingDelivery::new(planned, &urgent) }
                })
                .collect(),
        }
    }
}

impl ArrivingDelivery {
    /// A delivery to a target that none of the alerts is for.
    pub(super) fn empty(target: &str) -> Self {
        let planned = Planned { target: target.to_owned(), ..Planned::default() };
        Self::of(&planned, false)
    }

    /// A delivery that only has what the target knows looked at once more.
    pub(super) fn revision(target: &str) -> Self {
        let routes = vec!["looked at again by the relay".to_owned()];
        let planned = Planned { target: target.to_owned(), routes, ..Planned::default() };
        Self { is_revision: true, ..Self::of(&planned, false) }
    }

    fn new(planned: &Planned, urgent: &HashSet<&Fingerprint>) -> Self {
        Self::of(planned, planned.alerts.iter().any(|alert| urgent.contains(alert)))
    }

    fn of(planned: &Planned, is_urgent: bool) -> Self {
        Self {
            target: planned.target.clone(),
            alerts: fingerprints_to_json(&planned.alerts),
            outside_hours: fingerprints_to_json(&planned.outside_hours),
            names: None,
            mentions: mentions_to_json(&planned.mentions),
            routes: to_json(&planned.routes),
            is_urgent,
            is_revision: false,
        }
    }
}

type Alerts<'n> = HashMap<&'n Fingerprint, &'n Alert>;

/// What a target's share is about; outside of its hours too.
fn names(planned: &Planned, alerts: &Alerts<'_>) -> Option<String> {
    let own = planned.alerts.iter().chain(&planned.outside_hours);
    let names = subject::names(own.filter_map(|fingerprint| alerts.get(fingerprint).copied()));
    (!names.is_empty()).then_some(names)
}

/// The firing critical alerts.
fn urgent(notification: &Notification) -> HashSet<&Fingerprint> {
    let is_urgent = |alert: &&Alert| {
        alert.status == Status::Firing && Severity::of(alert.label("severity")) == Severity::Critical
    };
    notification.alerts.iter().filter(is_urgent).map(|alert| &alert.fingerprint).collect()
}

/// Alertmanager's group key is opaque, may be long, and is shared by sibling routes with equal matchers and by clusters that do not
/// know each other: so the endpoint, the receiver and the cluster's name belong to it. A cluster without a name shares the group
/// with others: its `externalURL` may be that of one peer among several, whose snapshots are of one and the same group.
pub(super) fn group_id(endpoint: &str, receiver: &str, group: &GroupKey, source: Option<&str>) -> String {
    hash([endpoint, receiver, &group.0].into_iter().chain(source).map(str::as_bytes))
}

/// Equal for the copies that cluster peers send (they differ in `externalURL` and perhaps in annotations) and for nothing else.
/// `endsAt` stays out: the resolved copy of a second peer may carry a slightly different one.
fn dedup_key(group_id: &str, notification: &Notification) -> String {
    let mut alerts: Vec<(&str, &str, i64)> = notification
        .alerts
        .iter()
        .map(|alert| (alert.fingerprint.0.as_str(), alert.status.as_str(), Millis::from(alert.starts_at).0))
        .collect();
    alerts.sort_unstable();
    let starts: Vec<[u8; 8]> = alerts.iter().map(|(_, _, start)| start.to_be_bytes()).collect();
    let fields = alerts.iter().zip(&starts).flat_map(|((fingerprint, status, _), start)| {
        [fingerprint.as_bytes(), status.as_bytes(), start.as_slice()]
    });
    hash(std::iter::once(group_id.as_bytes()).chain(fields))
}

/// The first 16 bytes of SHA-256, in hex: short enough to read, long enough never to collide. Each field is preceded by its
/// length, so that moving a character across a border changes the hash.
fn hash<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hasher.finalize().iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes every write");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{alert, firing, notification, resolved};

    fn key(notification: &Notification) -> String {
        key_from("ops", None, notification)
    }

    fn key_from(endpoint: &str, source: Option<&str>, notification: &Notification) -> String {
        let group = group_id(endpoint, &notification.receiver, &notification.group_key, source);
        dedup_key(&group, notification)
    }

    #[test]
    fn copies_of_a_second_peer_have_the_same_key() {
        let first = notification("group", vec![firing("a", 10), firing("b", 20)]);
        let mut second = notification("group", vec![firing("b", 20), firing("a", 10)]);
        second.external_url = "http://peer-2:9093".to_owned();
        second.alerts[0].annotations.insert("summary".to_owned(), "now 81 %".to_owned());
        assert_eq!(key(&first), key(&second));
    }

    #[test]
    fn whatever_people_should_hear_of_changes_the_key() {
        let base = notification("group", vec![firing("a", 10)]);
        for other in [
            notification("other", vec![firing("a", 10)]),
            notification("group", vec![firing("a", 11)]),
            notification("group", vec![firing("b", 10)]),
            notification("group", vec![resolved("a", 10)]),
            notification("group", vec![firing("a", 10), firing("b", 10)]),
            notification("group", vec![]),
        ] {
            assert_ne!(key(&base), key(&other), "{other:?}");
        }
        assert_ne!(key(&base), key_from("another endpoint", None, &base));
        assert_ne!(key(&base), key_from("ops", Some("sh"), &base));
    }

    #[test]
    fn a_border_between_fields_counts() {
        assert_ne!(hash([b"ab".as_slice(), b"c"]), hash([b"a".as_slice(), b"bc"]));
    }

    #[test]
    fn only_a_firing_critical_alert_of_that_target_is_urgent() {
        let critical = |mut alert: crate::notification::Alert| {
            alert.labels.insert("severity".to_owned(), "critical".to_owned());
            alert
        };
        let check = |alerts: Vec<crate::notification::Alert>, expected: bool| {
            let planned = Planned {
                target: "chat".to_owned(),
                alerts: vec![alert("a", 1).fingerprint],
                ..Planned::default()
            };
            let notification = notification("group", alerts);
            assert_eq!(ArrivingDelivery::new(&planned, &urgent(&notification)).is_urgent, expected);
        };
        check(vec![critical(firing("a", 1))], true);
        let mut page = firing("a", 1);
        page.labels.insert("severity".to_owned(), "page".to_owned());
        check(vec![page], true);
        check(vec![critical(resolved("a", 1))], false);
        check(vec![firing("a", 1)], false);
        check(vec![firing("a", 1), critical(firing("b", 1))], false);
    }
}

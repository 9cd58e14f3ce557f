//! What one chat is to be sent, before any channel's markup.
//!
//! Owns the type. Leaves out how it is made (`compose`), words and layout (`render`, `templates/`) and sizes (`split`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::notification::{Alert, Fingerprint, GroupKey, LabelSet};
use crate::people::Person;

pub(crate) use crate::message::wording::Wording;

pub(crate) mod sample;
mod wording;

/// Everything a template may say about one delivery.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The delivery's public name, as its lines in the log have it.
    pub(crate) delivery: String,
    /// Times are shown in this zone.
    pub(crate) time_zone: TimeZone,
    /// When this message was put together: what "for 5 minutes" counts to.
    pub(crate) now: Timestamp,
    /// Alertmanager's receiver.
    pub(crate) receiver: String,
    /// Which group this is about: mails of one group share a thread.
    pub(crate) group_key: GroupKey,
    /// The labels in `group_by`.
    pub(crate) group_labels: LabelSet,
    /// Labels equal in every alert of the snapshot.
    pub(crate) common_labels: LabelSet,
    /// Annotations equal in every alert of the snapshot.
    pub(crate) common_annotations: LabelSet,
    /// What changed since the last message to this chat.
    pub(crate) changes: Changes,
    /// How many alerts Alertmanager left out (`max_alerts`).
    pub(crate) truncated_alerts: u64,
    /// How many queued snapshots of the group this message is sent for (1: just its own).
    pub(crate) snapshots: u32,
    /// Whom to mention; only alerts that newly fire ring a phone.
    pub(crate) mentions: Vec<Person>,
    /// Where to look further.
    pub(crate) links: Links,
    /// A warning above the text: a template that failed, a fallback of another target.
    pub(crate) banner: Option<String>,
    /// It tells of many groups, and what it says of all labels, snapshots and the group is empty.
    pub(crate) digest: Option<Digest>,
}

/// What a message about many groups is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// So many.
    pub(crate) groups: usize,
    /// Since when the first of what it tells has waited.
    pub(crate) since: Timestamp,
}

/// What a chat does not know yet, and what it does. Each alert stands in exactly one list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// Fires, and this chat does not know it yet.
    pub(crate) new: Vec<Alert>,
    /// Fires, and this chat knows.
    pub(crate) still: Vec<Alert>,
    /// No longer fires, and this chat does not know it yet (it may never have known that it fired).
    pub(crate) resolved: Vec<Alert>,
    /// This chat knows it as firing, and it is no longer in the group, never reported as resolved: silenced, inhibited, or the route
    /// changed.
    pub(crate) vanished: Vec<Alert>,
    /// Alerts of these lists that began to fire more than once since the chat last heard of them.
    pub(crate) flapped: BTreeMap<Fingerprint, Episodes>,
}

/// How often an alert began to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Episodes {
    /// So many times.
    pub(crate) count: u32,
    /// When the first of them began.
    pub(crate) since: Timestamp,
}

impl Changes {
    /// Nothing the chat does not know: a repeat of what still fires.
    pub(crate) fn is_repeat(&self) -> bool {
        self.new.is_empty() && self.resolved.is_empty() && self.vanished.is_empty()
    }

    /// Those of several groups in one. An alert that several groups have in the same list stands there once.
    pub(crate) fn merged(groups: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        let mut seen: [BTreeSet<Fingerprint>; 4] = Default::default();
        for group in groups {
            let lists = [
                (&mut merged.new, group.new),
                (&mut merged.still, group.still),
                (&mut merged.resolved, group.resolved),
                (&mut merged.vanished, group.vanished),
            ];
            for ((list, alerts), seen) in lists.into_iter().zip(&mut seen) {
                list.extend(alerts.into_iter().filter(|alert| seen.insert(alert.fingerprint.clone())));
            }
            for (fingerprint, episodes) in group.flapped {
                let most = merged.flapped.entry(fingerprint).or_insert(episodes);
                if most.count < episodes.count {
                    *most = episodes;
                }
            }
        }
        merged
    }

    /// Whether anything fires.
    pub(crate) fn is_firing(&self) -> bool {
        !self.new.is_empty() || !self.still.is_empty()
    }
}

/// The language of a target's built-in texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// 简体中文.
    #[default]
    ZhCn,
    /// English.
    En,
}

/// Base addresses for the links in a message, without a trailing slash; empty when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// `alertmanager.url`, else what the webhook said.
    pub(crate) alertmanager: String,
    /// `prometheus.url`: replaces the host of `generatorURL`, which often is not reachable from a phone.
    pub(crate) prometheus: String,
    /// `server.external_url`.
    pub(crate) relay: String,
}

impl Links {
    /// These, and where one is empty, the other's.
    pub(crate) fn or(self, other: Self) -> Self {
        let or = |own: String, other| if own.is_empty() { other } else { own };
        Self {
            alertmanager: or(self.alertmanager, other.alertmanager),
            prometheus: or(self.prometheus, other.prometheus),
            relay: or(self.relay, other.relay),
        }
    }
}

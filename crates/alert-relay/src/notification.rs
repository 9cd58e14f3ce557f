//! An Alertmanager webhook as the relay's own types.
//!
//! Owns the types. Leaves out their JSON, which only [`intake`](crate::intake) knows.

use jiff::Timestamp;

mod label_set;

pub(crate) use crate::notification::label_set::LabelSet;

/// One webhook: a full snapshot of one alert group, not a delta.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notification {
    /// Alertmanager's receiver name, un-escaped (it arrives as a regular expression).
    pub(crate) receiver: String,
    /// Which group this is a snapshot of.
    pub(crate) group_key: GroupKey,
    /// The labels in `group_by`.
    pub(crate) group_labels: LabelSet,
    /// Labels equal in every alert of this message.
    pub(crate) common_labels: LabelSet,
    /// Annotations equal in every alert of this message.
    pub(crate) common_annotations: LabelSet,
    /// Where Alertmanager says it can be reached; differs between the peers of a cluster.
    pub(crate) external_url: String,
    /// How many alerts are not here: Alertmanager left them out (`max_alerts`), or there were more than are read of one webhook.
    pub(crate) truncated_alerts: u64,
    /// `notification_reason` is `repeat interval elapsed` (Alertmanager 0.32 and later; false when it does not say).
    pub(crate) is_declared_repeat: bool,
    /// The group's alerts in Alertmanager's order.
    pub(crate) alerts: Vec<Alert>,
}

/// One alert of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    /// Firing or resolved.
    pub(crate) status: Status,
    /// What the alert is; identity.
    pub(crate) labels: LabelSet,
    /// What people should read.
    pub(crate) annotations: LabelSet,
    /// When it began to fire.
    pub(crate) starts_at: Timestamp,
    /// When it was resolved; `None` while it fires.
    pub(crate) ends_at: Option<Timestamp>,
    /// The graph of its expression.
    pub(crate) generator_url: String,
    /// Alertmanager's hash of the labels.
    pub(crate) fingerprint: Fingerprint,
}

/// Nothing that fires today began earlier: Go's zero time, or the beginning of Unix time, from a sender that does not know.
const NO_START_BEFORE: Timestamp = Timestamp::constant(946_684_800, 0);

/// A start that a sender has said; `None`: the sender does not know.
pub(crate) fn known_start(said: Timestamp) -> Option<Timestamp> {
    Some(said).filter(|start| *start >= NO_START_BEFORE)
}

impl Alert {
    /// When it began to fire; `None`: the sender does not know.
    pub(crate) fn known_start(&self) -> Option<Timestamp> {
        known_start(self.starts_at)
    }

    /// A label's value, or the empty string as in Alertmanager's own templates.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_default()
    }
}

/// An alert is one of two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    /// The condition holds.
    Firing,
    /// It no longer holds.
    Resolved,
}

impl Status {
    /// Alertmanager's own word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Alertmanager's opaque name of a group; may be long, and does not contain the receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKey(pub(crate) String);

/// Alertmanager's hash of an alert's label set, 16 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(pub(crate) String);

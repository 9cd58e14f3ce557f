//! One waiting snapshot of a group, cut down to the alerts of a target (pure).

use std::collections::BTreeSet;

use crate::clock::Millis;
use crate::delivery::Pending;
use crate::notification::{Alert, Fingerprint, Notification};
use crate::sender::Sender;

/// What one sender says of a group, as far as it is for one target.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The target's alerts in Alertmanager's order.
    pub(crate) alerts: Vec<Alert>,
    /// Alerts outside the target's hours: not sent as new, and not taken for vanished. The end of one that was sent as firing, or is
    /// about to be, is still sent.
    pub(crate) outside_hours: Vec<Alert>,
    /// Alertmanager left some out: an alert that is missing here may still fire.
    pub(crate) is_truncated: bool,
    /// Who says so.
    pub(crate) sender: Sender,
    /// When it came.
    pub(crate) accepted_at: Millis,
    /// Nobody says anything: what the target knows is only to be looked at once more.
    pub(crate) is_revision: bool,
}

impl Snapshot {
    /// What a delivery's target is shown of a notification: its own alerts.
    pub(crate) fn of(notification: &Notification, delivery: &Pending) -> Self {
        let alerts = (&*delivery.alerts, &*delivery.outside_hours);
        let share = Self::share(notification, alerts, delivery.sender.clone(), delivery.accepted_at);
        Self { is_revision: delivery.is_revision, ..share }
    }

    /// A target's share of a notification: its alerts, and those outside of its hours.
    pub(crate) fn share(
        notification: &Notification,
        (alerts, outside_hours): (&[Fingerprint], &[Fingerprint]),
        sender: Sender,
        accepted_at: Millis,
    ) -> Self {
        let only = |names: &[Fingerprint]| -> Vec<Alert> {
            let names: BTreeSet<&Fingerprint> = names.iter().collect();
            notification.alerts.iter().filter(|alert| names.contains(&alert.fingerprint)).cloned().collect()
        };
        Self {
            alerts: only(alerts),
            outside_hours: only(outside_hours),
            is_truncated: notification.truncated_alerts > 0,
            is_revision: false,
            sender,
            accepted_at,
        }
    }

    /// A notification all of whose alerts are the target's.
    pub(crate) fn whole(notification: &Notification) -> Self {
        Self {
            alerts: notification.alerts.clone(),
            outside_hours: Vec::new(),
            is_truncated: notification.truncated_alerts > 0,
            sender: Sender::default(),
            accepted_at: Millis(0),
            is_revision: false,
        }
    }
}

//! Compares waiting snapshots with what was last sent to the target (pure).
//!
//! Owns the comparison. Leaves out where both are kept (`outbox`) and
//! how it is said (`render`).
//!
//! A notification is a full snapshot of its group, not a change. So the newest one says how things stand; the older ones that
//! still wait can only add what happened in between, and each alert ends in exactly one list. What fired and resolved while
//! waiting is sent as resolved, so that nothing that happened is missed.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Millis;
use crate::delivery::{LedgerEntry, Pending};
use crate::message::Changes;
use crate::notification::{Alert, Fingerprint, Notification, Status};

/// One waiting snapshot, cut down to the alerts of the target.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The target's alerts in Alertmanager's order.
    pub(crate) alerts: Vec<Alert>,
    /// Alerts outside the target's hours: not sent as new, and not taken for vanished. The end of one that was sent as firing, or is
    /// about to be, is still sent.
    pub(crate) outside_hours: Vec<Alert>,
    /// Alertmanager left some out: an alert that is missing here may still fire.
    pub(crate) is_truncated: bool,
}

impl Snapshot {
    /// What a delivery's target is shown of a notification: its own alerts.
    pub(crate) fn of(notification: &Notification, delivery: &Pending) -> Self {
        let only = |names: &[Fingerprint]| -> Vec<Alert> {
            let names: BTreeSet<&Fingerprint> = names.iter().collect();
            notification.alerts.iter().filter(|alert| names.contains(&alert.fingerprint)).cloned().collect()
        };
        Self {
            alerts: only(&delivery.alerts),
            outside_hours: only(&delivery.outside_hours),
            is_truncated: notification.truncated_alerts > 0,
        }
    }

    /// A notification all of whose alerts are the target's.
    pub(crate) fn whole(notification: &Notification) -> Self {
        Self {
            alerts: notification.alerts.clone(),
            outside_hours: Vec::new(),
            is_truncated: notification.truncated_alerts > 0,
        }
    }
}

/// The content of the next message, and the ledger after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folded {
    /// The changes to send, or why there are none.
    pub(crate) changes: Result<Changes, Suppression>,
    /// New ledger entries of the alerts that changed.
    pub(crate) entries: Vec<LedgerEntry>,
}

/// Why a delivery is suppressed: there is nothing to send to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suppression {
    /// All of it was sent already, and no alert fires of which to remind the target.
    NothingNew,
    /// Beside alerts that it knows there are only resolved ones, and the target has `send_resolved: false`.
    OnlyEnds,
    /// Only alerts outside the target's hours, and none whose end is to be sent.
    OutsideHours,
}

impl Suppression {
    /// The reason for which a delivery is suppressed, as the store and the log have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NothingNew => "nothing new to tell",
            Self::OnlyEnds => "nothing but ends of alerts, and the target has `send_resolved: false`",
            Self::OutsideHours => "nothing in the target's hours: all alerts are outside of `active`",
        }
    }
}

/// Folds the waiting snapshots, oldest first, over what the target knows.
///
/// Without `send_resolved` the end of an alert goes into the ledger but not into the message; if nothing else is new, there is
/// nothing to send.
pub(crate) fn fold(known: &[LedgerEntry], snapshots: &[Snapshot], send_resolved: bool) -> Folded {
    let Some(newest) = snapshots.last() else {
        return Folded { changes: Err(Suppression::NothingNew), entries: Vec::new() };
    };
    let mut histories: BTreeMap<&Fingerprint, History<'_>> =
        known.iter().map(|entry| (&entry.alert.fingerprint, History::known(&entry.alert))).collect();
    for snapshot in snapshots {
        for alert in &snapshot.alerts {
            histories.entry(&alert.fingerprint).or_default().seen(alert);
        }
        for alert in &snapshot.outside_hours {
            if let Some(history) = histories.get_mut(&alert.fingerprint) {
                history.seen_outside_hours(alert);
            }
        }
        let present: BTreeSet<&Fingerprint> =
            snapshot.alerts.iter().chain(&snapshot.outside_hours).map(|alert| &alert.fingerprint).collect();
        for (_, history) in histories.iter_mut().filter(|(name, _)| !present.contains(*name)) {
            history.missed(snapshot.is_truncated);
        }
    }

    let mut changes = Changes::default();
    let mut after = Vec::new();
    let mut is_unsaid = false;
    // In the order of the newest snapshot, then what is no longer in it.
    let mut in_order: Vec<History<'_>> =
        newest.alerts.iter().filter_map(|alert| histories.remove(&alert.fingerprint)).collect();
    in_order.extend(histories.into_values());
    for history in in_order {
        match history.state {
            // Cut off by Alertmanager, it is among the number that the message gives for those.
            State::Firing(_) if history.is_known && history.is_cut_off => {}
            State::Firing(alert) if history.is_known => changes.still.push(alert.clone()),
            State::Firing(alert) => {
                changes.new.push(alert.clone());
                after.push(alert.clone());
            }
            State::Resolved(alert) => {
                after.push(alert.clone());
                is_unsaid |= !send_resolved;
                changes.resolved.extend(send_resolved.then(|| alert.clone()));
            }
            State::Vanished(alert) => {
                after.push(Alert { status: Status::Resolved, ..alert.clone() });
                is_unsaid |= !send_resolved;
                changes.vanished.extend(send_resolved.then(|| alert.clone()));
            }
            State::Unheard | State::Over(_) => {}
        }
    }

    // The webhook came because of an end, and this target wants none; it knows the rest.
    let is_old_news = is_unsaid && changes.is_repeat();
    // Known alerts alone are worth a reminder, if they are in their hours.
    let reminds = newest.alerts.iter().any(|alert| alert.status == Status::Firing);
    let is_empty = changes.is_repeat() && !(changes.is_firing() && reminds);
    let changes = match (is_old_news, is_empty) {
        (true, _) => Err(Suppression::OnlyEnds),
        (false, true) if newest.alerts.is_empty() && !newest.outside_hours.is_empty() => {
            Err(Suppression::OutsideHours)
        }
        (false, true) => Err(Suppression::NothingNew),
        (false, false) => Ok(changes),
    };
    Folded { changes, entries: after.into_iter().map(|alert| LedgerEntry { alert }).collect() }
}

/// One alert's way through the waiting snapshots.
#[derive(Default)]
struct History<'a> {
    state: State<'a>,
    /// The target knows that this episode fires.
    is_known: bool,
    /// The newest snapshot does not have it, but was truncated.
    is_cut_off: bool,
}

#[derive(Clone, Copy, Default)]
enum State<'a> {
    /// Not mentioned so far.
    #[default]
    Unheard,
    /// The target knows that it is over.
    Over(&'a Alert),
    /// It fires.
    Firing(&'a Alert),
    /// It ended while waiting.
    Resolved(&'a Alert),
    /// It was firing, and then it was gone.
    Vanished(&'a Alert),
}

impl<'a> History<'a> {
    fn known(alert: &'a Alert) -> Self {
        match alert.status {
            Status::Firing => Self { state: State::Firing(alert), is_known: true, is_cut_off: false },
            Status::Resolved => Self { state: State::Over(alert), is_known: false, is_cut_off: false },
        }
    }

    fn seen(&mut self, alert: &'a Alert) {
        self.is_cut_off = false;
        // An earlier start is the same episode, seen first by another Prometheus.
        let is_later = |before: &Alert| Millis::from(alert.starts_at) > Millis::from(before.starts_at);
        match (alert.status, self.state) {
            (Status::Firing, State::Firing(before) | State::Vanished(before)) => {
                self.is_known &= !is_later(before);
                self.state = State::Firing(alert);
            }
            (Status::Firing, State::Unheard | State::Over(_) | State::Resolved(_)) => {
                self.state = State::Firing(alert);
            }
            (Status::Resolved, State::Over(before)) if !is_later(before) => {}
            // Also if the target was never sent that it fired: it may know it from before this store was made.
            (Status::Resolved, _) => {
                self.is_known = false;
                self.state = State::Resolved(alert);
            }
        }
    }

    fn seen_outside_hours(&mut self, alert: &'a Alert) {
        self.is_cut_off = false;
        if let (Status::Resolved, State::Firing(_)) = (alert.status, self.state) {
            self.seen(alert);
        }
    }

    /// A snapshot does not have it. What Alertmanager cut off may still fire.
    fn missed(&mut self, is_truncated: bool) {
        self.is_cut_off = is_truncated;
        if let (State::Firing(alert), false) = (self.state, is_truncated) {
            self.state = State::Vanished(alert);
        }
    }
}

#[cfg(test)]
mod tests;

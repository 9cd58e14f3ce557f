//! What a target does not know yet (pure).
//!
//! Owns the comparison of what a chat knows with the snapshots that wait for it. Leaves out where both are kept (`outbox`) and
//! how it is said (`render`).
//!
//! A notification is a full snapshot of its group, not a change. So the newest one says how things stand; the older ones that
//! still wait can only add what happened in between, and each alert ends in exactly one list. What fired and resolved while
//! waiting is told as resolved, so that nothing that happened stays untold.

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
    /// Its alerts outside of the hours in which it is to be told of them: no news, but not gone either. The end of one that
    /// it knows, or is about to know, as firing is told all the same.
    pub(crate) quiet: Vec<Alert>,
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
            quiet: only(&delivery.quiet),
            is_truncated: notification.truncated_alerts > 0,
        }
    }

    /// A notification all of whose alerts are the target's.
    pub(crate) fn whole(notification: &Notification) -> Self {
        Self {
            alerts: notification.alerts.clone(),
            quiet: Vec::new(),
            is_truncated: notification.truncated_alerts > 0,
        }
    }
}

/// What is to be said, and what the target knows once it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folded {
    /// What is to be said, or why there is nothing.
    pub(crate) changes: Result<Changes, Suppression>,
    /// What the target knows afterwards of each alert that changed.
    pub(crate) entries: Vec<LedgerEntry>,
}

/// Why a delivery is suppressed: there is nothing to say to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suppression {
    /// It knows all of it, and nothing fires of which to remind it.
    NothingNew,
    /// All there is are ends, of which it does not want to hear.
    OnlyEnds,
    /// All there is is outside of its hours.
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
/// Without `send_resolved` the end of an alert is noted but not said; if that was the only news, there is nothing to say.
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
        for alert in &snapshot.quiet {
            if let Some(history) = histories.get_mut(&alert.fingerprint) {
                history.seen_quietly(alert);
            }
        }
        let present: BTreeSet<&Fingerprint> =
            snapshot.alerts.iter().chain(&snapshot.quiet).map(|alert| &alert.fingerprint).collect();
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

    // Alertmanager spoke because of an end that this target does not want to hear of; the rest is old news.
    let is_old_news = is_unsaid && changes.is_repeat();
    // Known alerts alone are worth a reminder, if they are in their hours.
    let reminds = newest.alerts.iter().any(|alert| alert.status == Status::Firing);
    let is_empty = changes.is_repeat() && !(changes.is_firing() && reminds);
    let changes = match (is_old_news, is_empty) {
        (true, _) => Err(Suppression::OnlyEnds),
        (false, true) if newest.alerts.is_empty() && !newest.quiet.is_empty() => {
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
            // Also if the target was never told that it fired: it may know it from before this store was made.
            (Status::Resolved, _) => {
                self.is_known = false;
                self.state = State::Resolved(alert);
            }
        }
    }

    fn seen_quietly(&mut self, alert: &'a Alert) {
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

//! Compares waiting snapshots with what was last sent to the target (pure).
//!
//! Owns the comparison. Leaves out where both are kept (`outbox`) and
//! how it is said (`render`).
//!
//! A notification is a full snapshot of its group, not a change. So the newest one says how things stand; the older ones that
//! still wait can only add what happened in between, and each alert ends in exactly one list. What fired and resolved while
//! waiting is sent as resolved, so that nothing that happened is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::clock::Millis;
use crate::delivery::LedgerEntry;
use crate::ledger::history::{History, NOBODY_KNOWN, State};
use crate::message::Changes;
use crate::notification::{Alert, Fingerprint, Status};

pub(crate) use crate::ledger::history::HOLD;
pub(crate) use crate::ledger::snapshot::Snapshot;

mod history;
mod snapshot;

/// The content of the next message, and the ledger after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folded {
    /// The changes to send, or why there are none.
    pub(crate) changes: Result<Changes, Suppression>,
    /// New ledger entries of the alerts that changed.
    pub(crate) entries: Vec<LedgerEntry>,
}

/// Why a delivery is suppressed: there is nothing to send to its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Suppression {
    /// All of it was sent already, and no alert fires of which to remind the target.
    NothingNew,
    /// Beside alerts that it knows there are only resolved ones, and the target has `send_resolved: false`.
    OnlyEnds,
    /// Nothing to send in the target's hours, and this many alerts outside of them.
    OutsideHours(usize),
    /// Ends of alerts that another sender still reports as firing.
    StillReported(String),
    /// Alerts that another sender has called over a moment ago.
    Held(Millis),
}

/// The reason for which a delivery is suppressed, as the store and the log have it.
impl fmt::Display for Suppression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingNew => out.write_str("nothing new to tell"),
            Self::OnlyEnds => {
                out.write_str("nothing but ends of alerts, and the target has `send_resolved: false`")
            }
            Self::OutsideHours(alerts) => {
                write!(out, "nothing in the target's hours: {alerts} outside of `active`")
            }
            Self::StillReported(teller) => {
                write!(out, "ended for this sender, and still reported as firing by {teller}")
            }
            Self::Held(until) => write!(
                out,
                "another sender has reported the end of this: told at {until} if it is still reported as firing then"
            ),
        }
    }
}

/// What the comparison depends on beside what is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// Without it the end of an alert goes into the ledger but not into the message; if nothing else is new, there is nothing to
    /// send.
    pub(crate) send_resolved: bool,
    /// Who is still heard of the group: what others once told counts no more.
    pub(crate) senders: &'a BTreeSet<String>,
    /// What was held back until now or earlier is told.
    pub(crate) now: Millis,
}

/// Folds the waiting snapshots, oldest first, over what the target knows.
pub(crate) fn fold(known: &[LedgerEntry], snapshots: &[Snapshot], terms: Terms<'_>) -> Folded {
    let Some(newest) = snapshots.last() else {
        return Folded { changes: Err(Suppression::NothingNew), entries: Vec::new() };
    };
    let histories = follow(known, snapshots, terms);
    let mut said = Said::default();
    // In the order of the newest snapshot, then what is no longer in it.
    let mut rest = histories;
    for alert in newest.alerts.iter().chain(&newest.outside_hours) {
        if let Some(history) = rest.remove(&alert.fingerprint) {
            said.add(&history, true, terms.send_resolved);
        }
    }
    for history in rest.into_values() {
        said.add(&history, false, terms.send_resolved);
    }
    let changes = said.suppression(newest).map_or(Ok(said.changes), Err);
    Folded { changes, entries: said.entries }
}

/// Each alert's way. Whoever speaks says which alerts fire for it, so what it said before and says no more is over for it; each
/// such word is looked at once, so that the work grows with the number of alerts in all snapshots.
fn follow<'a>(
    known: &'a [LedgerEntry],
    snapshots: &'a [Snapshot],
    terms: Terms<'a>,
) -> BTreeMap<&'a Fingerprint, History<'a>> {
    let speaks = |snapshot: &&Snapshot| !snapshot.is_revision;
    let speakers: BTreeSet<&str> =
        snapshots.iter().filter(speaks).map(|snapshot| snapshot.sender.teller()).collect();
    let is_heard =
        |name: &str| name == NOBODY_KNOWN || terms.senders.contains(name) || speakers.contains(name);
    let mut histories: BTreeMap<&Fingerprint, History<'_>> = BTreeMap::new();
    let mut telling: BTreeMap<&str, BTreeSet<&Fingerprint>> = BTreeMap::new();
    for entry in known {
        let history = History::known(entry, is_heard, terms.now);
        for teller in history.tellers.keys() {
            telling.entry(teller).or_default().insert(&entry.alert.fingerprint);
        }
        histories.insert(&entry.alert.fingerprint, history);
    }
    for snapshot in snapshots.iter().filter(speaks) {
        let teller = snapshot.sender.teller();
        for alert in &snapshot.alerts {
            histories.entry(&alert.fingerprint).or_default().seen(alert, snapshot);
        }
        for alert in &snapshot.outside_hours {
            if let Some(history) = histories.get_mut(&alert.fingerprint) {
                history.seen_outside_hours(alert, snapshot);
            }
        }
        let present: BTreeSet<&Fingerprint> =
            snapshot.alerts.iter().chain(&snapshot.outside_hours).map(|alert| &alert.fingerprint).collect();
        if !snapshot.is_truncated {
            let mut before = telling.remove(teller).unwrap_or_default();
            before.extend(telling.remove(NOBODY_KNOWN).unwrap_or_default());
            for name in before.difference(&present) {
                if let Some(history) = histories.get_mut(name) {
                    history.missed(teller);
                }
            }
        }
        telling.entry(teller).or_default().extend(present);
    }
    for history in histories.values_mut() {
        history.finish(terms.now);
    }
    histories
}

/// What is said, while alert after alert is added.
#[derive(Default)]
struct Said {
    changes: Changes,
    entries: Vec<LedgerEntry>,
    /// Something has ended, which the target does not want to know.
    is_unsaid: bool,
    still_reported_by: Option<String>,
    held_until: Option<Millis>,
}

impl Said {
    fn add(&mut self, history: &History<'_>, is_in_newest: bool, send_resolved: bool) {
        let over = |alert: &Alert| Alert { status: Status::Resolved, ..alert.clone() };
        let (list, alert): (fn(&mut Changes) -> &mut Vec<Alert>, Alert) = match history.state {
            State::Unheard => return,
            State::Over(alert) => {
                self.held_until = self.held_until.max(history.held_until);
                self.entries.extend(history.entry_after(alert));
                return;
            }
            State::Firing(alert) if history.is_known => {
                if history.is_still_reported {
                    self.still_reported_by = history.tellers.keys().next().map(|name| (*name).to_owned());
                }
                self.entries.extend(history.entry_after(alert));
                // What the newest snapshot does not have was cut off by Alertmanager, or is another sender's: this message is not
                // about it.
                if is_in_newest {
                    self.changes.still.push(alert.clone());
                }
                return;
            }
            State::Firing(alert) => {
                (|changes| &mut changes.new, Alert { status: Status::Firing, ends_at: None, ..alert.clone() })
            }
            State::Resolved(alert) => {
                self.held_until = self.held_until.max(history.held_until);
                (|changes| &mut changes.resolved, over(alert))
            }
            State::Vanished(alert) => (|changes| &mut changes.vanished, alert.clone()),
        };
        let is_over = !matches!(history.state, State::Firing(_));
        let after = if is_over { over(&alert) } else { alert.clone() };
        self.entries.extend(history.entry_after(&after));
        if is_over && !send_resolved {
            self.is_unsaid = true;
            return;
        }
        if let Some(episodes) = history.episodes.filter(|episodes| episodes.count > 1) {
            self.changes.flapped.insert(alert.fingerprint.clone(), episodes);
        }
        list(&mut self.changes).push(alert);
    }

    /// Why there is nothing to send, if so.
    fn suppression(&self, newest: &Snapshot) -> Option<Suppression> {
        // The webhook came because of an end, and this target wants none; it knows the rest.
        if self.is_unsaid && self.changes.is_repeat() {
            return Some(Suppression::OnlyEnds);
        }
        // Known alerts alone are worth a reminder, if they are in their hours.
        let reminds = newest.alerts.iter().any(|alert| alert.status == Status::Firing);
        if !self.changes.is_repeat() || self.changes.is_firing() && reminds {
            return None;
        }
        if let Some(until) = self.held_until {
            return Some(Suppression::Held(until));
        }
        if let Some(teller) = &self.still_reported_by {
            return Some(Suppression::StillReported(teller.clone()));
        }
        let outside_hours = newest.outside_hours.len();
        Some(if outside_hours > 0 {
            Suppression::OutsideHours(outside_hours)
        } else {
            Suppression::NothingNew
        })
    }
}

#[cfg(test)]
mod tests;

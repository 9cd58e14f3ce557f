//! What single recipients of a mail have missed of a group, and what they are sent with the next one (pure).
//!
//! The ledger holds what a target was sent. A mailbox that takes nothing for hours was not sent it, and the mail is over for the others
//! meanwhile. So what such a recipient knew before is kept beside the ledger, until a mail reaches them: that one has what the others are
//! sent and what this one missed.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Millis;
use crate::delivery::{Arrears, LedgerEntry, Missed, RecipientStatus};
use crate::ledger::{self, Snapshot, Terms};
use crate::message::Changes;
use crate::notification::Alert;
use crate::sender::Sender;

/// Alerts of one group that a recipient can catch up on. A mailbox that is dead for good would gather them for months.
pub(crate) const MOST_MISSED: usize = 200;

/// A mail of their own for those who missed the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CatchUp {
    /// Who gets it.
    pub(crate) recipients: BTreeSet<String>,
    /// What it says.
    pub(crate) changes: Changes,
}

/// The mails of those who have missed something, in the order of their first recipient. Who has missed what has no consequence any more
/// (all of it is over, and the target wants no ends) gets what the others get.
pub(crate) fn mails(
    known: &[LedgerEntry],
    arrears: &Arrears,
    snapshots: &[Snapshot],
    terms: Terms<'_>,
) -> Vec<CatchUp> {
    let mut mails: Vec<(&[Missed], CatchUp)> = Vec::new();
    for (recipient, missed) in arrears.iter().filter(|(_, missed)| !missed.is_empty()) {
        if let Some((_, mail)) = mails.iter_mut().find(|(same, _)| *same == missed.as_slice()) {
            mail.recipients.insert(recipient.clone());
        } else if let Ok(changes) = changes(known, missed, snapshots, terms) {
            mails.push((missed, CatchUp { recipients: BTreeSet::from([recipient.clone()]), changes }));
        }
    }
    mails.into_iter().map(|(_, mail)| mail).collect()
}

/// What somebody is sent who missed this: what the others know by now is to them one more snapshot that waits.
fn changes(
    known: &[LedgerEntry],
    missed: &[Missed],
    snapshots: &[Snapshot],
    terms: Terms<'_>,
) -> Result<Changes, ledger::Suppression> {
    let missed_of: BTreeMap<&str, &Missed> =
        missed.iter().map(|missed| (missed.now.fingerprint.0.as_str(), missed)).collect();
    let own: Vec<LedgerEntry> = known
        .iter()
        .filter(|entry| !missed_of.contains_key(entry.alert.fingerprint.0.as_str()))
        .cloned()
        .chain(missed.iter().filter_map(|missed| missed.knew.clone()).map(LedgerEntry::new))
        .collect();
    let tellers: BTreeMap<&str, &BTreeMap<String, Millis>> =
        known.iter().map(|entry| (entry.alert.fingerprint.0.as_str(), &entry.tellers)).collect();
    let mut told_to_others: BTreeMap<&str, Vec<Alert>> = BTreeMap::new();
    for Missed { now, .. } in missed {
        let mut by: Vec<&str> = Vec::new();
        by.extend(
            tellers.get(now.fingerprint.0.as_str()).into_iter().flat_map(|by| by.keys().map(String::as_str)),
        );
        if by.is_empty() {
            by.push("");
        }
        for teller in by {
            told_to_others.entry(teller).or_default().push(now.clone());
        }
    }
    let told_to_others = told_to_others.into_iter().map(|(teller, alerts)| Snapshot {
        alerts,
        outside_hours: Vec::new(),
        // It says nothing of the alerts that were not missed.
        is_truncated: true,
        is_revision: false,
        sender: Sender { name: teller.to_owned(), ..Sender::default() },
        accepted_at: Millis(0),
    });
    let snapshots: Vec<Snapshot> = told_to_others.chain(snapshots.iter().cloned()).collect();
    ledger::fold(&own, &snapshots, terms).changes
}

/// Who has missed what once a mail is over. `known` is what the target knew before it and `told` what has changed since then;
/// `recipients` is what became of those it was for. Returns also how many alerts are no longer kept for somebody.
pub(crate) fn after(
    arrears: &Arrears,
    known: &[LedgerEntry],
    told: &[LedgerEntry],
    recipients: &BTreeMap<String, RecipientStatus>,
) -> (Arrears, usize) {
    let mut after = arrears.clone();
    let mut forgotten = 0;
    let before: BTreeMap<&str, &Alert> =
        known.iter().map(|entry| (entry.alert.fingerprint.0.as_str(), &entry.alert)).collect();
    for (recipient, status) in recipients {
        if *status == RecipientStatus::Accepted {
            after.remove(recipient);
            continue;
        }
        let missed = after.remove(recipient).unwrap_or_default();
        let mut place: BTreeMap<String, usize> = missed
            .iter()
            .enumerate()
            .map(|(index, missed)| (missed.now.fingerprint.0.clone(), index))
            .collect();
        let mut missed = missed;
        for LedgerEntry { alert, .. } in told {
            let is_known = before.get(alert.fingerprint.0.as_str()).is_some_and(|before| *before == alert);
            if let Some(index) = place.get(&alert.fingerprint.0) {
                missed[*index].now = alert.clone();
            } else if !is_known {
                place.insert(alert.fingerprint.0.clone(), missed.len());
                let knew = before.get(alert.fingerprint.0.as_str()).map(|alert| (*alert).clone());
                missed.push(Missed { knew, now: alert.clone() });
            }
        }
        let too_many = missed.len().saturating_sub(MOST_MISSED);
        forgotten += too_many;
        missed.drain(..too_many);
        if !missed.is_empty() {
            after.insert(recipient.clone(), missed);
        }
    }
    (after, forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{firing, resolved};

    fn snapshot(alerts: Vec<Alert>) -> Snapshot {
        Snapshot {
            alerts,
            outside_hours: Vec::new(),
            is_truncated: false,
            is_revision: false,
            sender: Sender::default(),
            accepted_at: Millis(0),
        }
    }

    fn entries(alerts: Vec<Alert>) -> Vec<LedgerEntry> {
        alerts.into_iter().map(LedgerEntry::new).collect()
    }

    fn names(alerts: &[Alert]) -> String {
        alerts.iter().map(|alert| alert.fingerprint.0.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn said(changes: &Changes) -> String {
        let Changes { new, still, resolved, vanished, .. } = changes;
        [("new", new), ("still", still), ("resolved", resolved), ("vanished", vanished)]
            .into_iter()
            .filter(|(_, alerts)| !alerts.is_empty())
            .map(|(list, alerts)| format!("{list} {}", names(alerts)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Bob misses the first mails; returns what he is sent with the last snapshot.
    fn bob_is_sent(send_resolved: bool, snapshots: Vec<Vec<Alert>>) -> Option<String> {
        let statuses = BTreeMap::from([
            ("ann".to_owned(), RecipientStatus::Accepted),
            ("bob".to_owned(), RecipientStatus::Deferred),
        ]);
        let mut known: Vec<LedgerEntry> = Vec::new();
        let mut arrears = Arrears::new();
        let mut said_to_bob = None;
        let terms = Terms { send_resolved, senders: &BTreeSet::new(), now: Millis(0) };
        for alerts in snapshots {
            let snapshots = [snapshot(alerts)];
            let own = mails(&known, &arrears, &snapshots, terms);
            let told = ledger::fold(&known, &snapshots, terms);
            let own = own.iter().find(|mail| mail.recipients.contains("bob")).map(|mail| said(&mail.changes));
            said_to_bob = own.or_else(|| told.changes.ok().map(|changes| said(&changes)));
            arrears = after(&arrears, &known, &told.entries, &statuses).0;
            for entry in told.entries {
                known.retain(|other| other.alert.fingerprint != entry.alert.fingerprint);
                known.push(entry);
            }
        }
        assert!(!arrears.contains_key("ann"), "{arrears:?}");
        said_to_bob
    }

    #[test]
    fn what_is_newer_holds_what_somebody_missed() {
        let check = |snapshots: Vec<Vec<Alert>>, expected: &str| {
            assert_eq!(bob_is_sent(true, snapshots.clone()).as_deref(), Some(expected), "{snapshots:?}");
        };
        check(vec![vec![firing("a", 10)], vec![firing("a", 10), firing("b", 10)]], "new a b");
        // The end was told to others in a mail that he missed, and is in no later snapshot.
        check(
            vec![vec![firing("a", 10)], vec![resolved("a", 10)], vec![firing("b", 10)]],
            "new b, resolved a",
        );
        check(
            vec![vec![firing("a", 10)], vec![firing("b", 10)], vec![firing("c", 10)]],
            "new c, resolved a, vanished b",
        );
        // It began anew meanwhile.
        check(vec![vec![firing("a", 10)], vec![resolved("a", 10)], vec![firing("a", 30)]], "new a");
    }

    #[test]
    fn a_target_that_wants_no_ends_sends_none_to_who_missed_them() {
        let snapshots = vec![vec![firing("a", 10)], vec![resolved("a", 10)], vec![firing("b", 10)]];
        assert_eq!(bob_is_sent(false, snapshots).as_deref(), Some("new b"));
    }

    #[test]
    fn who_was_reached_has_nothing_to_catch_up_on_and_others_keep_it() {
        let deferred = |name: &str| (name.to_owned(), RecipientStatus::Deferred);
        let (arrears, _) = after(
            &Arrears::new(),
            &[],
            &entries(vec![firing("a", 10)]),
            &BTreeMap::from([deferred("bob"), deferred("cem")]),
        );
        let terms = Terms { send_resolved: true, senders: &BTreeSet::new(), now: Millis(0) };
        let same = mails(&[], &arrears, &[snapshot(vec![firing("a", 10)])], terms);
        assert_eq!(same.len(), 1, "who missed the same gets the same mail: {same:?}");
        let reached = BTreeMap::from([("bob".to_owned(), RecipientStatus::Accepted)]);
        let (arrears, _) = after(&arrears, &[], &[], &reached);
        assert_eq!(arrears.keys().collect::<Vec<_>>(), ["cem"]);
    }

    #[test]
    fn a_mailbox_that_is_dead_for_good_gathers_a_bounded_number() {
        let told = entries((0..MOST_MISSED + 7).map(|number| firing(&format!("{number}"), 10)).collect());
        let statuses = BTreeMap::from([("bob".to_owned(), RecipientStatus::Refused)]);
        let (arrears, forgotten) = after(&Arrears::new(), &[], &told, &statuses);
        assert_eq!((arrears["bob"].len(), forgotten), (MOST_MISSED, 7));
        assert_eq!(arrears["bob"].first().unwrap().now.fingerprint.0, "7", "the oldest go");
    }
}

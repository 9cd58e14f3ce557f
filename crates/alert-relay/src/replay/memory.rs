//! What the targets would know of each group, while webhooks are replayed: bounded.

use std::collections::{BTreeMap, HashMap};

use crate::delivery::LedgerEntry;
use crate::notification::{Alert, Fingerprint, Status};

/// Alerts that are kept in mind on each side: 50 MB of usual ones.
pub(super) const MOST_ALERTS: usize = 50_000;

/// A group as one target knows it: target, endpoint, receiver, group key and source.
pub(super) type GroupOfTarget = [String; 5];

/// The ledgers of all targets.
#[derive(Debug, Default)]
pub(super) struct Memory {
    groups: HashMap<GroupOfTarget, Known>,
    /// By when each was heard of last.
    oldest: BTreeMap<u64, GroupOfTarget>,
    heard: u64,
    alerts: usize,
    /// Groups that had to be forgotten, each time.
    pub(super) forgotten: u64,
}

#[derive(Debug, Default)]
struct Known {
    heard: u64,
    entries: Vec<LedgerEntry>,
}

impl Memory {
    /// What a target knows of a group.
    pub(super) fn known(&self, group: &GroupOfTarget) -> &[LedgerEntry] {
        self.groups.get(group).map_or(&[], |known| &known.entries)
    }

    /// Takes in what changed. What is over and is not in the newest snapshot any more is not needed again.
    pub(super) fn note(&mut self, group: GroupOfTarget, changed: Vec<LedgerEntry>, newest: &[Alert]) {
        let before = self.groups.remove(&group).unwrap_or_default();
        self.oldest.remove(&before.heard);
        self.alerts -= before.entries.len();
        let mut entries: BTreeMap<Fingerprint, LedgerEntry> = BTreeMap::new();
        for entry in before.entries.into_iter().chain(changed) {
            entries.insert(entry.alert.fingerprint.clone(), entry);
        }
        let present: std::collections::HashSet<&Fingerprint> =
            newest.iter().map(|alert| &alert.fingerprint).collect();
        entries.retain(|name, entry| entry.alert.status == Status::Firing || present.contains(name));
        let entries: Vec<LedgerEntry> = entries.into_values().collect();
        if entries.is_empty() {
            return;
        }
        self.heard += 1;
        self.alerts += entries.len();
        self.oldest.insert(self.heard, group.clone());
        self.groups.insert(group, Known { heard: self.heard, entries });
        while self.alerts > MOST_ALERTS && self.groups.len() > 1 {
            let Some((_, oldest)) = self.oldest.pop_first() else { break };
            let gone = self.groups.remove(&oldest).unwrap_or_default();
            self.alerts -= gone.entries.len();
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{firing, resolved};

    fn group(name: &str) -> GroupOfTarget {
        ["chat", "ops", "ops", name, ""].map(str::to_owned)
    }

    #[test]
    fn what_is_over_goes_with_the_next_snapshot_and_the_oldest_group_when_there_is_too_much() {
        let mut memory = Memory::default();
        memory.note(group("a"), vec![LedgerEntry::new(resolved("x", 10))], &[resolved("x", 10)]);
        assert_eq!(memory.known(&group("a")).len(), 1);
        memory.note(group("a"), vec![LedgerEntry::new(firing("y", 10))], &[firing("y", 10)]);
        let names: Vec<&str> =
            memory.known(&group("a")).iter().map(|entry| entry.alert.fingerprint.0.as_str()).collect();
        assert_eq!(names, ["y"]);

        let many = |prefix: &str| -> Vec<LedgerEntry> {
            (0..MOST_ALERTS / 2).map(|n| LedgerEntry::new(firing(&format!("{prefix}{n}"), 10))).collect()
        };
        memory.note(group("b"), many("b"), &[]);
        assert_eq!((memory.forgotten, memory.known(&group("a")).len()), (0, 1));
        memory.note(group("c"), many("c"), &[]);
        assert_eq!((memory.forgotten, memory.known(&group("a")).len()), (1, 0));
        assert_eq!(memory.alerts, MOST_ALERTS);
    }
}

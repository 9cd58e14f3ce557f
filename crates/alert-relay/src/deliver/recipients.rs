//! Which of a mail's recipients have it, which still wait, and which the server refuses (pure).

use std::collections::{BTreeMap, BTreeSet};

use crate::delivery::{MailProgress, RecipientStatus};
use crate::retry::Next;

/// The recipients of one mail.
#[derive(Clone, Debug)]
pub(super) struct Recipients {
    /// In the order of the settings.
    names: Vec<String>,
    /// Who was tried, and what came of it.
    recipients: BTreeMap<String, RecipientStatus>,
}

/// How a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailState {
    /// Nobody is left to try, and this many have it.
    Over { accepted: usize },
    /// Some have it, and the others were tried in vain so far.
    Straggling,
    /// Nobody has it yet, or somebody was not even tried.
    Open,
}

impl Recipients {
    /// The recipients of today's settings, with what is known of them from earlier tries. Who stands there twice is one.
    pub(super) fn new(mut names: Vec<String>, known: Option<&BTreeMap<String, RecipientStatus>>) -> Self {
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let mut recipients: BTreeMap<String, RecipientStatus> = known.cloned().unwrap_or_default();
        recipients.retain(|name, _| names.contains(name));
        // As long as nobody has it, who was refused is asked again: when all are, it is the target that is wrong, and somebody
        // may have put it right.
        if !recipients.values().any(|status| *status == RecipientStatus::Accepted) {
            recipients.retain(|_, status| *status != RecipientStatus::Refused);
        }
        Self { names, recipients }
    }

    /// Who is to be tried now. First who never was: a budget that ends in the middle, or a mailbox that takes all the time there
    /// is, must not cut off the same people each time.
    pub(super) fn waiting(&self) -> Vec<String> {
        let untried = self.names.iter().filter(|name| !self.recipients.contains_key(*name));
        let deferred =
            self.names.iter().filter(|name| self.recipients.get(*name) == Some(&RecipientStatus::Deferred));
        untried.chain(deferred).cloned().collect()
    }

    /// An attempt was answered. Who gets it in other words at once has not been heard of yet.
    pub(super) fn note(&mut self, name: &str, next: &Next) {
        let status = match next {
            Next::GoOn => RecipientStatus::Accepted,
            Next::GiveUp => RecipientStatus::Refused,
            Next::Wait(_) | Next::Pause(_) | Next::Hold => RecipientStatus::Deferred,
            Next::Reword(_) => return,
        };
        self.recipients.insert(name.to_owned(), status);
    }

    /// Their number in the settings, from 1.
    pub(super) fn number(&self, name: &str) -> u32 {
        let index = self.names.iter().position(|other| other == name).unwrap_or_default();
        u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether somebody has it, or may be given it later.
    pub(super) fn is_begun(&self) -> bool {
        self.recipients.values().any(|status| *status != RecipientStatus::Refused)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn state(&self) -> MailState {
        let count = |of| self.recipients.values().filter(|status| **status == of).count();
        let (accepted, is_all_tried) =
            (count(RecipientStatus::Accepted), self.recipients.len() == self.names.len());
        match (accepted, count(RecipientStatus::Deferred)) {
            (accepted, 0) if is_all_tried => MailState::Over { accepted },
            (1.., _) if is_all_tried => MailState::Straggling,
            _ => MailState::Open,
        }
    }

    /// What became of each; who was not tried waits.
    pub(super) fn statuses(&self) -> BTreeMap<String, RecipientStatus> {
        let status = |name: &String| self.recipients.get(name).copied().unwrap_or(RecipientStatus::Deferred);
        self.names.iter().map(|name| (name.clone(), status(name))).collect()
    }

    /// For the store.
    pub(super) fn progress(&self) -> MailProgress {
        MailProgress {
            by_recipient: self.recipients.clone(),
            is_straggling: self.state() == MailState::Straggling,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::Wording;

    fn recipients(names: &str, known: &[(&str, RecipientStatus)]) -> Recipients {
        let names = names.split_whitespace().map(str::to_owned).collect();
        let known = known.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect();
        Recipients::new(names, Some(&known))
    }

    #[test]
    fn who_was_never_tried_goes_first_and_who_has_it_or_is_refused_is_left_alone() {
        use RecipientStatus::{Accepted, Deferred, Refused};
        let check = |names: &str, known: &[(&str, RecipientStatus)], expected: &str| {
            assert_eq!(recipients(names, known).waiting().join(" "), expected, "{names} {known:?}");
        };
        check("ann bob cem", &[], "ann bob cem");
        check("ann bob ann", &[], "ann bob");
        check("ann bob cem", &[("ann", Accepted), ("bob", Deferred)], "cem bob");
        check("cem bob ann", &[("ann", Accepted), ("bob", Refused)], "cem");
        // Nobody has it: everybody is asked again.
        check("ann bob", &[("ann", Refused), ("bob", Deferred)], "ann bob");
        // New settings: somebody came, somebody left.
        check("bob dan", &[("ann", Accepted), ("bob", Refused)], "bob dan");
    }

    #[test]
    fn a_mail_is_over_when_nobody_is_left_to_try() {
        let (again, never) = (Next::Wait(Duration::ZERO), Next::GiveUp);
        let check = |answers: &[(&str, &Next)], expected: MailState| {
            let mut recipients = recipients("ann bob", &[]);
            for (name, next) in answers {
                recipients.note(name, next);
            }
            assert_eq!(recipients.state(), expected, "{answers:?}");
            assert_eq!(recipients.progress().is_straggling, expected == MailState::Straggling);
        };
        check(&[], MailState::Open);
        check(&[("ann", &Next::GoOn)], MailState::Open);
        check(&[("ann", &Next::GoOn), ("bob", &Next::Reword(Wording::Plain))], MailState::Open);
        check(&[("ann", &Next::GoOn), ("bob", &again)], MailState::Straggling);
        check(&[("ann", &Next::GoOn), ("bob", &never)], MailState::Over { accepted: 1 });
        check(&[("ann", &again), ("bob", &never)], MailState::Open);
        check(&[("ann", &never), ("bob", &never)], MailState::Over { accepted: 0 });
        check(
            &[("ann", &again), ("bob", &again), ("ann", &Next::GoOn), ("bob", &Next::GoOn)],
            MailState::Over { accepted: 2 },
        );
    }
}

//! What a new process may get to see, and when one is started for it: a bounded number of times.
//!
//! Time is a [`Duration`] since the caller's origin, as in [`watch`](super::watch). Leaves out how a probe is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest pause before the next try, whatever failed before.
const LAST_PAUSE: Duration = Duration::from_hours(1);

/// What is tried again.
///
/// GPUs are known by index here, since finding out more would mean calling them: should the driver renumber its GPUs
/// meanwhile, another one may be left out until the next retrial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A GPU that did not return from a call, or crashed the probe: left alone until it is tried again.
    Silent(u32),
    /// A GPU that answers with an error. A process that saw it lost, or was started before its reset, may never see it
    /// return.
    Failed(u32),
    /// A GPU on the PCI bus that the driver does not list. It lists those that were there when it was initialised.
    Unlisted(String),
}

#[derive(Clone, Copy, Debug)]
struct Retrial {
    retry_at: Duration,
    failures: u32,
}

/// What a complete sweep did not give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// Indices of the GPUs that answered with an error.
    pub(super) failed: BTreeSet<u32>,
    /// Of those that were left alone.
    pub(super) skipped: BTreeSet<u32>,
    /// PCI addresses of GPUs that the driver should list and does not.
    pub(super) unlisted: BTreeSet<String>,
}

/// All that is to be tried again.
#[derive(Debug)]
pub(super) struct Retrials {
    first_pause: Duration,
    subjects: BTreeMap<Subject, Retrial>,
}

impl Retrials {
    /// The first pause is `first_pause`; each is twice the one before.
    pub(super) fn new(first_pause: Duration) -> Self {
        Self { first_pause, subjects: BTreeMap::new() }
    }

    /// Forgets all: everything gets a new chance at once.
    pub(super) fn clear(&mut self) {
        self.subjects.clear();
    }

    /// Whether this GPU is left alone or on trial.
    pub(super) fn is_suspect(&self, gpu: u32) -> bool {
        self.subjects.contains_key(&Subject::Silent(gpu))
    }

    /// When the next retrial is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.subjects.values().map(|retrial| retrial.retry_at).min()
    }

    /// A GPU did not return from a call, or crashed the probe. One that was on trial waits for as long as was set when
    /// the trial began.
    pub(super) fn silent(&mut self, now: Duration, gpu: u32) {
        let retrial =
            self.subjects.entry(Subject::Silent(gpu)).or_insert(Retrial { retry_at: now, failures: 1 });
        retrial.retry_at = now + doubling(self.first_pause, LAST_PAUSE, retrial.failures);
    }

    /// A new process starts and tries what is due, whose next time moves on at once: a process that ends before it
    /// comes to a verdict must not be followed by another without a pause.
    pub(super) fn begin(&mut self, now: Duration) {
        for retrial in self.subjects.values_mut().filter(|retrial| now >= retrial.retry_at) {
            retrial.failures += 1;
            retrial.retry_at = now + doubling(self.first_pause, LAST_PAUSE, retrial.failures);
        }
    }

    /// The GPUs that a process started now leaves alone; `due_too` is for a time when no retrial is wanted.
    pub(super) fn skipped(&self, now: Duration, due_too: bool) -> Vec<u32> {
        let silent = self.subjects.iter().filter_map(|(subject, retrial)| match subject {
            Subject::Silent(gpu) if due_too || now < retrial.retry_at => Some(*gpu),
            _ => None,
        });
        silent.collect()
    }

    /// A sweep is complete: what it lacks is to be tried again, all else is settled.
    pub(super) fn settle(&mut self, now: Duration, shortfall: &Shortfall) {
        let before = std::mem::take(&mut self.subjects);
        let first = Retrial { retry_at: now + self.first_pause, failures: 1 };
        let skipped = shortfall.skipped.iter().map(|gpu| Subject::Silent(*gpu));
        let failed = shortfall.failed.iter().map(|gpu| Subject::Failed(*gpu));
        let unlisted = shortfall.unlisted.iter().map(|address| Subject::Unlisted(address.clone()));
        self.subjects = skipped
            .chain(failed)
            .chain(unlisted)
            .map(|subject| {
                let retrial = before.get(&subject).copied().unwrap_or(first);
                (subject, retrial)
            })
            .collect();
    }
}

/// `first` for the first failure, then twice as long each time, up to `last`.
pub(super) fn doubling(first: Duration, last: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_mins(1);

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<_> =
            (1..9).map(|failures| doubling(FIRST, LAST_PAUSE, failures).as_secs() / 60).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(doubling(FIRST, LAST_PAUSE, u32::MAX), LAST_PAUSE);
    }

    #[test]
    fn what_a_sweep_lacks_is_tried_again_and_what_it_has_is_settled() {
        let mut retrials = Retrials::new(FIRST);
        let unlisted = || Shortfall { unlisted: ["0000:17:00.0".to_owned()].into(), ..Shortfall::default() };
        let lacking = || Shortfall { failed: [1].into(), ..unlisted() };
        retrials.settle(minutes(0), &lacking());
        retrials.settle(minutes(1), &lacking());
        assert_eq!(retrials.next(), Some(minutes(1)), "a sweep that changes nothing moves nothing");
        assert_eq!(retrials.skipped(minutes(0), true), [0; 0], "a GPU that answers is not left alone");

        retrials.begin(minutes(1));
        retrials.settle(minutes(1), &lacking());
        assert_eq!(retrials.next(), Some(minutes(3)), "twice as long the second time");
        retrials.settle(minutes(2), &unlisted());
        assert_eq!(retrials.next(), Some(minutes(3)), "the one on the bus is still not listed");
        retrials.settle(minutes(2), &Shortfall::default());
        assert_eq!(retrials.next(), None);

        retrials.settle(minutes(9), &lacking());
        assert_eq!(retrials.next(), Some(minutes(10)), "one that fails again begins anew");
    }

    #[test]
    fn a_silent_gpu_waits_longer_each_time_and_is_forgotten_with_its_index() {
        let mut retrials = Retrials::new(FIRST);
        retrials.silent(minutes(0), 1);
        retrials.settle(minutes(0), &Shortfall { skipped: [1].into(), ..Shortfall::default() });
        assert_eq!((retrials.skipped(minutes(0), false), retrials.is_suspect(1)), (vec![1], true));
        assert_eq!(
            (retrials.skipped(minutes(1), false), retrials.skipped(minutes(1), true)),
            (vec![], vec![1])
        );

        retrials.begin(minutes(1));
        retrials.silent(minutes(2), 1);
        assert_eq!(
            retrials.next(),
            Some(minutes(4)),
            "the trial took a minute, and the pause is twice as long"
        );

        retrials.settle(minutes(4), &Shortfall::default());
        assert_eq!(retrials.next(), None, "the driver has no such index any more");
    }
}

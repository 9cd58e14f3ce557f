//! Logging a collector's faults: each when it begins, and the end of them all.

use std::collections::HashSet;

use crate::collector::Fault;

/// What was last logged of one collector.
pub(crate) struct FaultLog {
    collector: &'static str,
    faults: HashSet<Fault>,
    /// Whether it had data once.
    had_data: bool,
}

/// One reading can bring a fault for each file of each device; the log names this many of them.
const MOST_LOGGED: usize = 8;

impl FaultLog {
    pub(crate) fn new(collector: &'static str) -> Self {
        Self { collector, faults: HashSet::new(), had_data: false }
    }

    /// Logs a fault when it begins, and the end of all faults; not every reading of a lasting one. What the machine never had is told to who looks
    /// for it.
    pub(crate) fn log<'a>(&mut self, faults: impl IntoIterator<Item = &'a Fault>) {
        let collector = self.collector;
        let faults: Vec<_> = faults.into_iter().collect();
        if self.never_had_data(&faults) {
            for fault in self.begun(faults) {
                tracing::debug!(collector, "collector `{collector}` has nothing to show: {fault}");
            }
            return;
        }
        let had_faults = !self.faults.is_empty();
        let begun = self.begun(faults);
        if self.faults.is_empty() && had_faults {
            tracing::info!(collector, "collector `{collector}` reads everything again");
        }
        for fault in begun.iter().take(MOST_LOGGED) {
            tracing::warn!(collector, "collector `{collector}`: {fault}");
        }
        if begun.len() > MOST_LOGGED {
            let more = begun.len() - MOST_LOGGED;
            tracing::warn!(collector, "collector `{collector}`: {more} more faults are not logged");
        }
    }

    /// Whether the machine lacked what the collector shows at this reading and at all before it.
    fn never_had_data(&mut self, faults: &[&Fault]) -> bool {
        let lacks_it = !faults.is_empty() && faults.iter().all(|fault| fault.is_no_data());
        self.had_data |= !lacks_it;
        !self.had_data
    }

    /// The faults that the reading before did not have.
    fn begun<'a>(&mut self, faults: impl IntoIterator<Item = &'a Fault>) -> Vec<&'a Fault> {
        let faults: Vec<_> = faults.into_iter().collect();
        let before = std::mem::replace(&mut self.faults, faults.iter().copied().cloned().collect());
        faults.into_iter().filter(|fault| !before.contains(fault)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_fault_does_not_hide_the_next() {
        let mut log = FaultLog::new("any");
        let mut check = |reading: &[&str], expected: &[&str]| {
            let faults: Vec<_> = reading.iter().copied().map(Fault::new).collect();
            let begun: Vec<_> = log.begun(&faults).into_iter().map(ToString::to_string).collect();
            assert_eq!(begun, expected, "{reading:?}");
        };
        check(&["a"], &["a"]);
        check(&["a", "b"], &["b"]);
        check(&["a", "b"], &[]);
        check(&["b", "c"], &["c"]);
        check(&["a", "b"], &["a"]);
        check(&[], &[]);
        check(&["b"], &["b"]);
    }

    #[test]
    fn what_a_machine_never_had_is_no_news_and_what_it_lost_is() {
        let (absent, broken) = (Fault::no_data("there is no /sys/fs/bcache"), Fault::new("unreadable"));
        let check = |readings: &[(&[&Fault], bool)]| {
            let mut log = FaultLog::new("any");
            for (faults, expected) in readings {
                assert_eq!(log.never_had_data(faults), *expected, "{faults:?}");
            }
        };
        check(&[(&[&absent], true), (&[&absent], true), (&[], false), (&[&absent], false)]);
        check(&[(&[&absent, &broken], false)]);
    }
}

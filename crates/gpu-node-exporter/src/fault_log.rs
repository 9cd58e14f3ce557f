//! Logging a collector's faults: each when it begins, and the end of them all.

use std::collections::HashSet;

use crate::collector::Fault;

/// What was last logged of one collector.
pub(crate) struct FaultLog {
    collector: &'static str,
    faults: HashSet<Fault>,
}

/// One reading can bring a fault for each file of each device; the log names this many of them.
const MOST_LOGGED: usize = 8;

impl FaultLog {
    pub(crate) fn new(collector: &'static str) -> Self {
        Self { collector, faults: HashSet::new() }
    }

    /// Logs a fault when it begins, and the end of all faults; not every reading of a lasting one.
    pub(crate) fn log<'a>(&mut self, faults: impl IntoIterator<Item = &'a Fault>) {
        let collector = self.collector;
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
}

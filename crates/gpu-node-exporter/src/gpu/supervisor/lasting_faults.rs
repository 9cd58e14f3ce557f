//! Faults of the GPU side over many sweeps: one that comes and goes within half a minute is one fault in the log.

use std::time::{Duration, Instant};

use crate::collector::Fault;
use crate::fault_log::FaultLog;
use crate::gpu::faults::COLLECTOR;

/// How long a fault must be away to be over.
const OVER_AFTER: Duration = Duration::from_secs(30);

/// The faults that last, and what was logged of them.
pub(super) struct LastingFaults {
    /// With when each was last there.
    faults: Vec<(Fault, Instant)>,
    log: FaultLog,
}

impl Default for LastingFaults {
    fn default() -> Self {
        Self { faults: Vec::new(), log: FaultLog::new(COLLECTOR) }
    }
}

impl LastingFaults {
    /// Takes the faults that there are now, and logs those that begin, and the end of them all.
    pub(super) fn log(&mut self, faults: Vec<Fault>, now: Instant) {
        self.take(faults, now);
        self.log.log(self.faults.iter().map(|(fault, _)| fault));
    }

    fn take(&mut self, faults: Vec<Fault>, now: Instant) {
        for fault in faults {
            match self.faults.iter_mut().find(|(known, _)| *known == fault) {
                Some((_, seen)) => *seen = now,
                None => self.faults.push((fault, now)),
            }
        }
        self.faults.retain(|(_, seen)| now.saturating_duration_since(*seen) < OVER_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_comes_and_goes_is_one_fault() {
        let (mut lasting, start) = (LastingFaults::default(), Instant::now());
        let mut at = |second, texts: &[&str]| -> Vec<String> {
            let faults = texts.iter().copied().map(Fault::new).collect();
            lasting.take(faults, start + Duration::from_secs(second));
            lasting.faults.iter().map(|(fault, _)| fault.to_string()).collect()
        };
        assert_eq!(at(0, &["a"]), ["a"]);
        assert_eq!(at(29, &[]), ["a"]);
        assert_eq!(at(29, &["a", "b"]), ["a", "b"]);
        assert_eq!(at(58, &["b"]), ["a", "b"]);
        assert_eq!(at(59, &[]), ["b"]);
        assert_eq!(at(88, &[]), [] as [&str; 0]);
    }
}

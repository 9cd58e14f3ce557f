//! How long ago the machine was started: a process can compare it with what a former one has noted, whatever the clock was set to between.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where Linux says which start of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A moment, counted from a start of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootTime {
    /// Which start; empty: the system does not say.
    pub(crate) boot: Arc<str>,
    /// How long after it.
    pub(crate) since: Duration,
}

impl BootTime {
    /// By how much this is later than a moment that was counted from `boot`; `None`: that is another start.
    pub(crate) fn later_than(&self, boot: &str, since: Duration) -> Option<Duration> {
        let is_comparable = *self.boot == *boot && !boot.is_empty();
        is_comparable.then(|| self.since.saturating_sub(since))
    }
}

/// Which start of the machine this is.
pub(super) fn boot() -> Arc<str> {
    std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().into()
}

/// How long ago the machine was started, suspended or not.
pub(crate) fn since_boot() -> Duration {
    let at = clock_gettime(ClockId::Boottime);
    Duration::try_from(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn moments_of_one_start_alone_are_compared() {
        let at = |boot: &str| BootTime { boot: boot.into(), since: 9 * SECOND };
        assert_eq!(at("a").later_than("a", 4 * SECOND), Some(5 * SECOND));
        assert_eq!(at("a").later_than("a", 10 * SECOND), Some(Duration::ZERO));
        assert_eq!(at("a").later_than("b", 4 * SECOND), None);
        assert_eq!(at("").later_than("", 4 * SECOND), None);
    }

    #[test]
    fn the_system_says_which_start_it_is() {
        assert!(!boot().is_empty() && boot() == boot());
        assert!(since_boot() > Duration::ZERO);
    }
}

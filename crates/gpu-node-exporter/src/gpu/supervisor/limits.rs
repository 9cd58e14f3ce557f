//! The times a probe is held to, and the pauses between tries.

use std::time::Duration;

/// The limits of one exporter. Time starts when a probe is started or was last heard.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How long a call may keep the other GPUs of its probe waiting. Not a verdict: only they are read by others then.
    pub(super) patience: Duration,
    /// How long one GPU that has answered may be silent before it counts as stuck.
    pub(super) probe_timeout: Duration,
    /// How long the driver, and a GPU that has not answered yet, may be silent before it counts as stuck and the process is given up: the driver
    /// initialises a GPU when it is first touched, which takes seconds where it has to be woken.
    pub(super) start_timeout: Duration,
    /// The pause between sweeps.
    pub(super) sample_interval: Duration,
    /// The first pause before a GPU is tried again, and how long one that was slow is read apart from the others.
    pub(super) first_retrial: Duration,
}

impl Limits {
    pub(super) fn new(probe_timeout: Duration, sample_interval: Duration) -> Self {
        Self {
            patience: (sample_interval / 2).max(LEAST_PATIENCE).min(probe_timeout / 2),
            probe_timeout,
            start_timeout: start_timeout(probe_timeout),
            sample_interval,
            first_retrial: probe_timeout * 12,
        }
    }

    /// How long to wait for what has been slow so many times in a row: a machine may be slower than we thought.
    pub(super) fn start_timeout_after(&self, slow_starts: u32) -> Duration {
        doubling(self.start_timeout, self.start_timeout * MOST_START_TIMEOUTS, slow_starts + 1)
    }

    /// The pause before the next try, after so many failures in a row.
    pub(super) fn retrial(&self, failures: u32) -> Duration {
        doubling(self.first_retrial, LONGEST_RETRIAL, failures)
    }
}

/// How long the driver, and a GPU that has not answered yet, may be silent, where one that has may be for `probe_timeout`.
pub(in crate::gpu) fn start_timeout(probe_timeout: Duration) -> Duration {
    probe_timeout * 6
}

/// A busy machine may keep a process from running for this long.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// Starts that took too long raise the limit up to so many times.
const MOST_START_TIMEOUTS: u32 = 4;

/// The longest pause before the next try, whatever failed before.
pub(super) const LONGEST_RETRIAL: Duration = Duration::from_hours(1);

/// The first pause before a process is started again.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause while none has ever answered: there may be no driver.
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// The longest after one that had answered: it was killed or crashed, and the GPUs are there.
const LAST_PAUSE_OF_WORKING: Duration = Duration::from_secs(4);

/// The pause before a process is started in place of one that ended, after so many in a row.
pub(super) fn pause(failures: u32, has_answered: bool) -> Duration {
    match (has_answered, failures) {
        (true, 0 | 1) => Duration::ZERO,
        (true, more) => doubling(FIRST_PAUSE, LAST_PAUSE_OF_WORKING, more - 1),
        (false, failures) => doubling(FIRST_PAUSE, LAST_PAUSE, failures),
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

    fn seconds(pauses: impl Iterator<Item = Duration>) -> Vec<u64> {
        pauses.map(|pause| pause.as_secs()).collect()
    }

    #[test]
    fn pauses_double_up_to_their_limit() {
        let limits = Limits::new(Duration::from_secs(5), Duration::from_secs(1));
        assert_eq!(
            seconds((0..9).map(|failures| limits.retrial(failures))),
            [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]
        );
        assert_eq!(limits.retrial(u32::MAX), LONGEST_RETRIAL);
        assert_eq!(seconds((0..5).map(|starts| limits.start_timeout_after(starts))), [30, 60, 120, 120, 120]);
        assert_eq!(seconds((1..8).map(|failures| pause(failures, false))), [1, 2, 4, 8, 16, 32, 60]);
        assert_eq!(seconds((1..7).map(|failures| pause(failures, true))), [0, 1, 2, 4, 4, 4]);
    }

    #[test]
    fn others_wait_for_half_a_sweep_and_never_for_the_time_out() {
        let patience = |timeout, interval| {
            Limits::new(Duration::from_millis(timeout), Duration::from_millis(interval)).patience.as_millis()
        };
        assert_eq!(patience(5000, 1000), 500);
        assert_eq!(patience(5000, 100), 500, "a busy machine");
        assert_eq!(patience(5000, 4000), 2000);
        assert_eq!(patience(5000, 60_000), 2500);
        assert_eq!(patience(200, 100), 100);
    }
}

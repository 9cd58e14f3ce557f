//! A target's health: whether it takes messages, and when it is worth asking again (pure).
//!
//! Owns the state. Leaves out what an outcome means for the single message (`retry`) and who speaks instead (`schedule`).

use std::time::Duration;

use crate::clock::Millis;
use crate::retry::Backoff;

/// How a target has answered lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// It takes messages, or has not been asked yet.
    #[default]
    Up,
    /// It could not be reached or was busy, this often in a row.
    Failing {
        /// Since the first failure.
        since: Millis,
        /// In a row.
        failures: u32,
        /// Not to be asked before.
        probe_at: Millis,
    },
    /// It said that it will take nothing: a revoked robot, a refused login. Its queue is kept; it is asked now and then
    /// whether somebody has put it right.
    Misconfigured {
        /// Since the first such answer.
        since: Millis,
        /// In a row.
        failures: u32,
        /// Not to be asked before.
        probe_at: Millis,
    },
}

/// What a target's health allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Send.
    Open,
    /// Send one message and see.
    Probe,
    /// Nothing before this time.
    ClosedUntil(Millis),
    /// Nothing before the probe under way has been answered.
    Probing,
}

/// The pace of asking a target that is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Failures in a row that are put down to chance; from then on one message at a time goes out.
    pub(crate) chance_failures: u32,
    /// Between probes of a failing target.
    pub(crate) failing: Backoff,
    /// Between probes of a misconfigured one.
    pub(crate) misconfigured: Backoff,
    /// A failing target is dead after this long: its fallback speaks.
    pub(crate) failing_until_dead: Duration,
    /// A misconfigured one after this long: it will not heal by itself.
    pub(crate) misconfigured_until_dead: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            chance_failures: 2,
            failing: Backoff { first: seconds(2), cap: seconds(60) },
            misconfigured: Backoff { first: seconds(30), cap: seconds(300) },
            failing_until_dead: seconds(300),
            misconfigured_until_dead: seconds(60),
        }
    }
}

impl Health {
    /// After a failure that may pass. A misconfigured target stays so: not reaching it proves nothing.
    pub(crate) fn failed(self, now: Millis, patience: &Patience, random: f64) -> Self {
        match self {
            Self::Misconfigured { .. } => self.misconfigured(now, patience, random),
            Self::Up => Self::Failing {
                since: now,
                failures: 1,
                probe_at: now.plus(patience.failing.delay(1, random)),
            },
            Self::Failing { since, failures, .. } => {
                let failures = failures.saturating_add(1);
                Self::Failing {
                    since,
                    failures,
                    probe_at: now.plus(patience.failing.delay(failures, random)),
                }
            }
        }
    }

    /// After the target said that it will take nothing.
    pub(crate) fn misconfigured(self, now: Millis, patience: &Patience, random: f64) -> Self {
        let (since, failures) = match self {
            Self::Misconfigured { since, failures, .. } => (since, failures.saturating_add(1)),
            Self::Up | Self::Failing { .. } => (now, 1),
        };
        Self::Misconfigured {
            since,
            failures,
            probe_at: now.plus(patience.misconfigured.delay(failures, random)),
        }
    }

    /// After the clock was set back by this much.
    pub(crate) fn set_back(self, by: Duration) -> Self {
        match self {
            Self::Up => Self::Up,
            Self::Failing { since, failures, probe_at } => {
                Self::Failing { since: since.minus(by), failures, probe_at: probe_at.minus(by) }
            }
            Self::Misconfigured { since, failures, probe_at } => {
                Self::Misconfigured { since: since.minus(by), failures, probe_at: probe_at.minus(by) }
            }
        }
    }

    /// What may go out now, with this many attempts under way.
    pub(crate) fn gate(self, now: Millis, under_way: u32, patience: &Patience) -> Gate {
        match self {
            Self::Up => Gate::Open,
            Self::Failing { failures, .. } if failures <= patience.chance_failures => Gate::Open,
            Self::Failing { probe_at, .. } | Self::Misconfigured { probe_at, .. } => {
                if under_way > 0 {
                    Gate::Probing
                } else if probe_at <= now {
                    Gate::Probe
                } else {
                    Gate::ClosedUntil(probe_at)
                }
            }
        }
    }

    /// For the metric: whether messages go to it freely.
    pub(crate) fn is_up(self, patience: &Patience) -> bool {
        match self {
            Self::Up => true,
            Self::Failing { failures, .. } => failures <= patience.chance_failures,
            Self::Misconfigured { .. } => false,
        }
    }

    /// Long enough out of order for its fallback to speak.
    pub(crate) fn is_dead(self, now: Millis, patience: &Patience) -> bool {
        self.dies_at(patience).is_some_and(|at| at <= now)
    }

    /// When its fallback may speak, unless it recovers.
    pub(crate) fn dies_at(self, patience: &Patience) -> Option<Millis> {
        match self {
            Self::Up => None,
            Self::Failing { since, .. } => Some(since.plus(patience.failing_until_dead)),
            Self::Misconfigured { since, .. } => Some(since.plus(patience.misconfigured_until_dead)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience::default()
    }

    fn after(events: &[(i64, &str)]) -> Health {
        events.iter().fold(Health::Up, |health, (second, event)| {
            let now = Millis(second * 1_000);
            match *event {
                "worked" => Health::Up,
                "failed" => health.failed(now, &patience(), 1.0),
                "wrong" => health.misconfigured(now, &patience(), 1.0),
                other => panic!("no event `{other}`"),
            }
        })
    }

    fn check(events: &[(i64, &str)], at: i64, under_way: u32, expected: Gate) {
        let health = after(events);
        assert_eq!(
            health.gate(Millis(at * 1_000), under_way, &patience()),
            expected,
            "{events:?} at {at}: {health:?}"
        );
    }

    #[test]
    fn chance_failures_stop_nothing_a_series_lets_one_through_at_a_time() {
        check(&[], 0, 9, Gate::Open);
        check(&[(0, "failed")], 0, 0, Gate::Open);
        check(&[(0, "failed"), (0, "failed")], 0, 3, Gate::Open);
        let series = [(0, "failed"), (0, "failed"), (0, "failed")];
        check(&series, 0, 0, Gate::ClosedUntil(Millis(8_000)));
        check(&series, 8, 1, Gate::Probing);
        check(&series, 8, 0, Gate::Probe);
        check(&[(0, "failed"), (0, "failed"), (0, "failed"), (8, "worked")], 8, 5, Gate::Open);
    }

    #[test]
    fn a_misconfigured_target_is_asked_now_and_then() {
        check(&[(0, "wrong")], 0, 0, Gate::ClosedUntil(Millis(30_000)));
        check(&[(0, "wrong")], 30, 0, Gate::Probe);
        check(&[(0, "wrong"), (30, "wrong")], 30, 0, Gate::ClosedUntil(Millis(90_000)));
        // Unreachable meanwhile: still misconfigured.
        check(&[(0, "wrong"), (30, "failed")], 30, 0, Gate::ClosedUntil(Millis(90_000)));
        check(&[(0, "wrong"), (30, "worked")], 30, 0, Gate::Open);
    }

    #[test]
    fn it_is_dead_after_a_stated_time_and_alive_after_one_success() {
        let check = |events: &[(i64, &str)], at: i64, expected: bool| {
            assert_eq!(
                after(events).is_dead(Millis(at * 1_000), &patience()),
                expected,
                "{events:?} at {at}"
            );
        };
        check(&[], 99_999, false);
        check(&[(0, "failed"), (299, "failed")], 299, false);
        check(&[(0, "failed"), (299, "failed")], 300, true);
        check(&[(0, "failed"), (299, "worked"), (299, "failed")], 300, false);
        check(&[(0, "wrong")], 59, false);
        check(&[(0, "wrong"), (30, "wrong")], 60, true);
        check(&[(0, "failed"), (100, "wrong")], 120, false);
    }
}

//! A target's health: a circuit breaker between the relay and one target (pure).
//!
//! Owns the three states and what each permits. After a few failures in a row the target gets one message at a time, as a probe,
//! less and less often; one answer closes the circuit again. Leaves out what an outcome means for the single message (`retry`)
//! and who sends instead of a dead target (`schedule`).
//!
//! - `Up` → `Failing`: it could not be reached, or was busy;
//! - `Up`, `Failing` → `Misconfigured`: it said that it takes nothing;
//! - `Failing`, `Misconfigured` → `Up`: it took a message, or refused one for its content;
//! - `Misconfigured` → `Up`: it has new settings. It is not left because it could not be reached.

use std::time::Duration;

use crate::clock::Moment;
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
        since: Moment,
        /// In a row.
        failures: u32,
        /// Not to be asked before.
        probe_at: Moment,
    },
    /// It said that it will take nothing: a revoked robot, a refused login. Its queue is kept; it is asked now and then
    /// whether somebody has put it right.
    Misconfigured {
        /// Since the first such answer.
        since: Moment,
        /// In a row.
        failures: u32,
        /// Not to be asked before.
        probe_at: Moment,
    },
}

/// What a target's health permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Send (the circuit is closed).
    Send,
    /// Send one message and see (half open).
    Probe,
    /// Nothing before this time (open).
    NotBefore(Moment),
    /// Nothing before the probe under way has been answered (half open).
    Waiting,
}

/// The pace of asking a target that is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Failures in a row that may be chance; after more of them one message at a time goes out.
    pub(crate) chance_failures: u32,
    /// Between probes of a failing target.
    pub(crate) failing: Backoff,
    /// Between probes of a misconfigured one.
    pub(crate) misconfigured: Backoff,
    /// A failing target is dead after this long: its fallback is used.
    pub(crate) failing_until_dead: Duration,
    /// A misconfigured one after this long: it will not heal by itself.
    pub(crate) misconfigured_until_dead: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            chance_failures: 2,
            failing: Backoff { first: seconds(2), cap: seconds(30) },
            misconfigured: Backoff { first: seconds(30), cap: seconds(300) },
            failing_until_dead: seconds(300),
            misconfigured_until_dead: seconds(60),
        }
    }
}

impl Health {
    /// After a failure that may pass. A misconfigured target stays so: not reaching it proves nothing.
    pub(crate) fn failed(self, now: Moment, patience: &Patience, random: f64) -> Self {
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
    pub(crate) fn misconfigured(self, now: Moment, patience: &Patience, random: f64) -> Self {
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

    /// What may go out now, with this many deliveries under way.
    pub(crate) fn permit(self, now: Moment, under_way: u32, patience: &Patience) -> Permit {
        match self {
            Self::Up => Permit::Send,
            Self::Failing { failures, .. } if failures <= patience.chance_failures => Permit::Send,
            Self::Failing { probe_at, .. } | Self::Misconfigured { probe_at, .. } => {
                if under_way > 0 {
                    Permit::Waiting
                } else if probe_at <= now {
                    Permit::Probe
                } else {
                    Permit::NotBefore(probe_at)
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

    /// Out of order for so long that its fallback is used.
    pub(crate) fn is_dead(self, now: Moment, patience: &Patience) -> bool {
        self.dies_at(patience).is_some_and(|at| at <= now)
    }

    /// When its fallback is used, unless it recovers before.
    pub(crate) fn dies_at(self, patience: &Patience) -> Option<Moment> {
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
            let now = Moment(second * 1_000);
            match *event {
                "worked" => Health::Up,
                "failed" => health.failed(now, &patience(), 1.0),
                "wrong" => health.misconfigured(now, &patience(), 1.0),
                other => panic!("no event `{other}`"),
            }
        })
    }

    fn check(events: &[(i64, &str)], at: i64, under_way: u32, expected: Permit) {
        let health = after(events);
        assert_eq!(
            health.permit(Moment(at * 1_000), under_way, &patience()),
            expected,
            "{events:?} at {at}: {health:?}"
        );
    }

    #[test]
    fn chance_failures_stop_nothing_a_series_lets_one_through_at_a_time() {
        check(&[], 0, 9, Permit::Send);
        check(&[(0, "failed")], 0, 0, Permit::Send);
        check(&[(0, "failed"), (0, "failed")], 0, 3, Permit::Send);
        let series = [(0, "failed"), (0, "failed"), (0, "failed")];
        check(&series, 0, 0, Permit::NotBefore(Moment(8_000)));
        check(&series, 8, 1, Permit::Waiting);
        check(&series, 8, 0, Permit::Probe);
        check(&[(0, "failed"), (0, "failed"), (0, "failed"), (8, "worked")], 8, 5, Permit::Send);
    }

    #[test]
    fn a_misconfigured_target_is_asked_now_and_then() {
        check(&[(0, "wrong")], 0, 0, Permit::NotBefore(Moment(30_000)));
        check(&[(0, "wrong")], 30, 0, Permit::Probe);
        check(&[(0, "wrong"), (30, "wrong")], 30, 0, Permit::NotBefore(Moment(90_000)));
        // Unreachable meanwhile: still misconfigured.
        check(&[(0, "wrong"), (30, "failed")], 30, 0, Permit::NotBefore(Moment(90_000)));
        check(&[(0, "wrong"), (30, "worked")], 30, 0, Permit::Send);
    }

    #[test]
    fn it_is_dead_after_a_stated_time_and_alive_after_one_success() {
        let check = |events: &[(i64, &str)], at: i64, expected: bool| {
            assert_eq!(
                after(events).is_dead(Moment(at * 1_000), &patience()),
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

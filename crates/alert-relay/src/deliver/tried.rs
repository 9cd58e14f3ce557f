//! Since when a delivery has been tried (pure): its age without what the clock was set forward by, without the time during which the
//! machine was suspended, and without the time during which no relay ran.
//!
//! A delivery's own time is when it was accepted, by the wall clock. Setting that forward by a day, before or after a start, or waking a
//! machine that slept for one, makes it a day older and has not tried it once. The same goes for how long nobody was heard, and how long
//! something was kept.

use std::time::Duration;

use crate::clock::{Millis, Now};

/// The wall clock's steps forward since the relay started, and the one until then.
#[derive(Debug)]
pub(super) struct Tried {
    /// When the relay's clock was made, by the wall clock's present account.
    began_at: Millis,
    /// Oldest first.
    steps: Vec<Step>,
    /// By how much it was set back, until that is asked for.
    back: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// What the clock showed when it was noticed. No delivery has a time between this less `by` and this.
    to: Millis,
    by: Duration,
}

/// Smaller steps are the clock's own corrections.
const STEP: Duration = Duration::from_secs(5);

/// Steps that are kept: beyond them a delivery is given up the earlier by the oldest ones. A machine that sleeps every night takes one a day.
const MOST_STEPS: usize = 64;

impl Tried {
    /// As of a start. A former relay was at work until `last_at_work`: what the clock went on by since is one step, whether it was set or
    /// time passed. Steps before that are not known any more.
    pub(super) fn new(now: Now, last_at_work: Option<Millis>) -> Self {
        let away = last_at_work.map(|at| now.wall.since(at)).filter(|away| *away >= STEP);
        let steps = away.map(|by| Step { to: now.wall, by }).into_iter().collect();
        Self { began_at: now.wall.minus(now.passed), steps, back: None }
    }

    /// Notes how the clocks stand.
    pub(super) fn note(&mut self, now: Now) {
        let began_at = now.wall.minus(now.passed);
        let (forward, back) = (began_at.since(self.began_at), self.began_at.since(began_at));
        if forward >= STEP {
            self.steps.push(Step { to: now.wall, by: forward });
            let too_many = self.steps.len().saturating_sub(MOST_STEPS);
            self.steps.drain(..too_many);
        }
        if back >= STEP {
            self.back = Some(back);
        }
        self.began_at = began_at;
    }

    /// By how much the wall clock was set back since this was asked for, if it was.
    pub(super) fn take_back(&mut self) -> Option<Duration> {
        self.back.take()
    }

    /// Nothing came of it: it is to be said once more.
    pub(super) fn put_back(&mut self, back: Duration) {
        self.back = Some(self.back.unwrap_or_default().saturating_add(back));
    }

    /// What was accepted before this has been tried for as long as `span` at least.
    pub(super) fn accepted_before(&self, now: Millis, span: Duration) -> Millis {
        self.steps.iter().rev().fold(now.minus(span), |before, step| {
            if step.to > before { before.minus(step.by) } else { before }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn now(wall_hours: u64, passed_hours: u64) -> Now {
        let wall = i64::try_from(wall_hours * HOUR * 1_000).unwrap();
        Now { wall: Millis(wall), passed: Duration::from_hours(passed_hours) }
    }

    /// Clocks as (wall, passed) in hours; what was accepted before which hour has been tried for a day.
    fn check(clocks: &[(u64, u64)], expected: u64) {
        let mut tried = Tried::new(now(clocks[0].0, clocks[0].1), None);
        for (wall, passed) in clocks {
            tried.note(now(*wall, *passed));
        }
        let last = clocks.last().unwrap();
        let before = tried.accepted_before(now(last.0, last.1).wall, Duration::from_hours(24));
        assert_eq!(before, now(expected, 0).wall, "{clocks:?}");
    }

    #[test]
    fn only_time_that_was_lived_through_counts() {
        check(&[(1_000, 0)], 976);
        check(&[(1_000, 0), (1_030, 30)], 1_006);
        // Forward by a day, ten hours ago: what came before it is 25 hours older than it was tried.
        check(&[(1_000, 0), (1_010, 10), (1_036, 11), (1_045, 20)], 996);
        // Twice.
        check(&[(1_000, 0), (1_025, 0), (1_050, 0), (1_051, 1)], 977);
        // So long ago that all of it was tried for a day since.
        check(&[(1_000, 0), (1_025, 0), (1_055, 30)], 1_031);
        // Set back, it counts as younger: given up later, never earlier.
        check(&[(1_000, 0), (990, 0), (1_000, 10)], 976);
    }

    #[test]
    fn time_without_a_relay_does_not_count_whatever_the_clock_shows_after_it() {
        for (last_at_work, expected) in [
            (None, 981),
            (Some(1_000), 981),
            // Away, or set forward, by 200 hours.
            (Some(800), 781),
            // The former relay's clock was ahead.
            (Some(9_000), 981),
        ] {
            let mut tried = Tried::new(now(1_000, 0), last_at_work.map(|hour| now(hour, 0).wall));
            tried.note(now(1_005, 5));
            let before = tried.accepted_before(now(1_005, 5).wall, Duration::from_hours(24));
            assert_eq!(before, now(expected, 0).wall, "{last_at_work:?}");
        }
    }

    #[test]
    fn a_clock_set_back_is_said_once_and_a_small_correction_is_none() {
        let mut tried = Tried::new(now(1_000, 0), None);
        let mut back = |now: Now| {
            tried.note(now);
            tried.take_back()
        };
        assert_eq!(back(now(1_010, 10)), None);
        assert_eq!(back(now(1_009, 10)), Some(Duration::from_hours(1)));
        assert_eq!(back(now(1_009, 10)), None);
        let slightly = Now { wall: now(1_009, 0).wall.plus(Duration::from_secs(4)), ..now(1_009, 10) };
        assert_eq!(back(slightly), None);
        assert!(tried.steps.is_empty());
    }

    #[test]
    fn the_number_of_steps_is_bounded() {
        let mut tried = Tried::new(now(0, 0), None);
        for hour in 1..200 {
            tried.note(now(hour, 0));
        }
        assert_eq!(tried.steps.len(), MOST_STEPS);
    }
}

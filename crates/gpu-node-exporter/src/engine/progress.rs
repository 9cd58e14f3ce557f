//! Whether an engine moves on, by the counters of its page.
//!
//! Any change counts: a counter that fell is of an engine that was started anew. Pure: the time is an argument.

use std::time::{Duration, Instant};

use super::reading::Counters;

/// The counters as they are, and since when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    counters: Counters,
    /// When they were first seen so: that they moved, or that the page was first read.
    since: Instant,
}

impl Progress {
    /// After a page with these counters was read at `now`; `None` when it has none.
    pub(super) fn after(before: Option<&Self>, counters: Counters, now: Instant) -> Option<Self> {
        counters.iter().any(Option::is_some).then(|| Self {
            counters,
            since: before.filter(|before| before.counters == counters).map_or(now, |before| before.since),
        })
    }

    /// Whether these counters are the same.
    pub(super) fn is_at(&self, counters: &Counters) -> bool {
        self.counters == *counters
    }

    /// How long nothing has moved.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_begins_anew_with_any_change() {
        let start = Instant::now();
        let mut progress = None;
        let mut check = |second: u64, steps: Option<f64>, tokens: Option<f64>, age: Option<u64>| {
            let now = start + Duration::from_secs(second);
            let mut counters = Counters::default();
            (counters[0], counters[1]) = (steps, tokens);
            progress = Progress::after(progress.as_ref(), counters, now);
            let shown = progress.as_ref().map(|progress: &Progress| progress.age(now).as_secs());
            assert_eq!(shown, age, "at {second}");
        };
        check(0, None, None, None);
        check(5, Some(7.0), None, Some(0));
        check(10, Some(7.0), None, Some(5));
        check(15, Some(7.0), Some(1.0), Some(0));
        check(20, Some(7.0), Some(1.0), Some(5));
        check(25, Some(8.0), Some(1.0), Some(0));
        // Started anew.
        check(30, Some(0.0), Some(0.0), Some(0));
        check(90, Some(0.0), Some(0.0), Some(60));
        check(95, None, None, None);
    }
}

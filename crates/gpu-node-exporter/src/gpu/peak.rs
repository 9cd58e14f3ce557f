//! The largest reading of a sliding window: a spike between two scrapes is still seen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The window's length in words, as a label has it.
pub(crate) const WINDOW_LABEL: (&str, &str) = ("window", "60s");

/// The window's length; long enough to cover any usual scrape interval.
pub(crate) const WINDOW: Duration = Duration::from_mins(1);

/// Candidates for the maximum, largest first: a smaller reading matters only while newer than all larger ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peak<T>(VecDeque<(Instant, T)>);

impl<T> Default for Peak<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Copy + PartialOrd> Peak<T> {
    /// Takes in a reading of this moment.
    pub(crate) fn add(&mut self, now: Instant, value: T) {
        while self.0.back().is_some_and(|(_, smaller)| *smaller <= value) {
            self.0.pop_back();
        }
        self.0.push_back((now, value));
        self.forget(now);
    }

    /// Lets go of what is not in the window that ends at this moment.
    pub(crate) fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
    }

    /// The maximum of the window that ends with the last sweep.
    pub(crate) fn max(&self) -> Option<T> {
        self.0.front().map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_is_seen_for_one_window() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut peak = Peak::default();
        for (second, value) in [(0, 10), (1, 90), (2, 10), (30, 20), (50, 15)] {
            peak.add(at(second), value);
        }
        for (second, expected) in
            [(50, Some(90)), (61, Some(90)), (62, Some(20)), (91, Some(15)), (111, None)]
        {
            peak.forget(at(second));
            assert_eq!(peak.max(), expected, "at {second}");
        }
    }
}

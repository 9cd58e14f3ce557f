//! What happened in the last five minutes, counted by slots of ten seconds: the memory is the same for one event and for a storm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time that is looked back over.
pub(crate) const WINDOW: Duration = Duration::from_mins(5);

/// Events closer than this to the first of their slot count as of its time.
const SLOT: Duration = Duration::from_secs(10);

/// Counts by the time of the slot's first event, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recent(VecDeque<(Instant, u64)>);

impl Recent {
    /// Takes in so many events of this moment.
    pub(crate) fn add(&mut self, now: Instant, count: u64) {
        match self.0.back_mut() {
            Some((begin, counted)) if now.saturating_duration_since(*begin) < SLOT => *counted += count,
            _ => self.0.push_back((now, count)),
        }
        while self.0.front().is_some_and(|(begin, _)| is_over(*begin, now)) {
            self.0.pop_front();
        }
    }

    /// Takes in what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.make_contiguous().sort_unstable();
    }

    /// Events of the window that ends at this moment.
    pub(crate) fn count(&self, now: Instant) -> u64 {
        self.0.iter().filter(|(begin, _)| !is_over(*begin, now)).map(|(_, count)| count).sum()
    }
}

fn is_over(begin: Instant, now: Instant) -> bool {
    now.saturating_duration_since(begin) > WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_for_five_minutes() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let (mut recent, mut earlier) = (Recent::default(), Recent::default());
        recent.add(at(100), 2);
        recent.add(at(101), 1);
        recent.add(at(200), 4);
        earlier.add(at(0), 10);
        recent.merge(earlier);
        for (second, expected) in [(200, 17), (300, 17), (301, 7), (400, 7), (401, 4), (501, 0)] {
            assert_eq!(recent.count(at(second)), expected, "at {second}");
        }
    }

    #[test]
    fn a_storm_takes_as_much_memory_as_a_few() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for second in 0..3_000 {
            recent.add(start + Duration::from_secs(second), 50);
        }
        assert!(recent.0.len() <= 32, "{}", recent.0.len());
        assert_eq!(recent.count(start + Duration::from_secs(2_999)), 50 * 300);
    }
}

//! XIDs and other events that were heard: a reason to ask their GPU anew for what is kept from sweep to sweep, but not in each sweep of a storm of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// However many events a GPU has, what is kept of it is asked for anew this often at most. Some of it costs the driver milliseconds.
const EVERY: Duration = Duration::from_secs(10);

/// How many events each GPU had, by UUID. One thread counts, another looks.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<String, u32>>);

impl Heard {
    /// One more.
    pub(super) fn count(&self, uuid: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uuid.to_owned()).or_default();
        *count = count.wrapping_add(1);
    }

    pub(super) fn of(&self, uuid: &str) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uuid).copied().unwrap_or(0)
    }
}

/// The events of one GPU as far as they count: those that come close together count once, and the last of them a little later.
#[derive(Debug, Default)]
pub(super) struct News {
    /// How many there were when it was last asked anew.
    taken: u32,
    taken_at: Option<Instant>,
    times: u32,
}

impl News {
    /// How often there was reason to ask anew, when so many events were heard by `now`.
    pub(super) fn times(&mut self, heard: u32, now: Instant) -> u32 {
        let is_due = self.taken_at.is_none_or(|at| now.saturating_duration_since(at) >= EVERY);
        if heard != self.taken && is_due {
            (self.taken, self.taken_at) = (heard, Some(now));
            self.times = self.times.wrapping_add(1);
        }
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_counts_every_ten_seconds_and_its_last_is_not_missed() {
        let (start, mut news) = (Instant::now(), News::default());
        let mut at = |second, heard| news.times(heard, start + Duration::from_secs(second));
        assert_eq!(at(0, 0), 0);
        assert_eq!(at(1, 1), 1, "the first at once");
        assert_eq!((2_u32..11).map(|second| at(u64::from(second), 100 * second)).max(), Some(1), "a storm");
        assert_eq!(at(11, 5000), 2);
        assert_eq!(at(12, 5001), 2);
        assert_eq!(at(20, 5001), 2);
        assert_eq!(at(21, 5001), 3, "the last of them");
        assert_eq!(at(60, 5001), 3, "no more came");
    }

    #[test]
    fn each_gpu_has_its_own() {
        let heard = Heard::default();
        heard.count("A");
        heard.count("A");
        assert_eq!((heard.of("A"), heard.of("B")), (2, 0));
    }
}

//! How many calls a robot takes: a sliding window, and what happens to those who exceed it (pure).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A robot's limit.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Calls taken in any window.
    pub calls: usize,
    /// The window's length.
    pub window: Duration,
    /// For how long a robot that was called too often refuses everything; zero when it only refuses the excess.
    pub mute: Duration,
}

/// What a robot has taken lately.
#[derive(Debug, Default)]
pub struct Traffic {
    taken: VecDeque<Instant>,
    muted_until: Option<Instant>,
}

impl Traffic {
    /// Whether a call at `now` is taken. The first one too many starts the mute.
    pub fn take(&mut self, now: Instant, limit: Limit) -> bool {
        if self.muted_until.is_some_and(|until| now < until) {
            return false;
        }
        while self.taken.front().is_some_and(|first| now.duration_since(*first) >= limit.window) {
            self.taken.pop_front();
        }
        if self.taken.len() >= limit.calls {
            self.muted_until = Some(now + limit.mute);
            return false;
        }
        self.taken.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn takes(limit: Limit, at: &[u32]) -> Vec<bool> {
        let start = Instant::now();
        let mut traffic = Traffic::default();
        at.iter().map(|second| traffic.take(start + SECOND * *second, limit)).collect()
    }

    #[test]
    fn the_window_slides() {
        let limit = Limit { calls: 2, window: SECOND * 10, mute: Duration::ZERO };
        assert_eq!(takes(limit, &[0, 5, 9, 10, 14, 15]), [true, true, false, true, false, true]);
    }

    #[test]
    fn one_call_too_many_mutes() {
        let limit = Limit { calls: 1, window: SECOND, mute: SECOND * 600 };
        assert_eq!(takes(limit, &[0, 0, 300, 599, 600]), [true, false, false, false, true]);
    }
}

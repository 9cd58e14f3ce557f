//! How fast a level falls when nothing is wrong, which is how fast it may rise.

use std::collections::VecDeque;

/// The paces of the windows before, a quarter of a window apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fluctuation {
    falls: VecDeque<f64>,
    /// Cells since the newest of them.
    since: usize,
}

/// Windows that are remembered.
const MOST: usize = 64;

/// Cells from one to the next.
const APART: usize = 4;

impl Fluctuation {
    /// A window of this pace, one cell after the one before.
    pub(crate) fn add(&mut self, pace: f64) {
        self.since += 1;
        if self.since < APART {
            return;
        }
        self.since = 0;
        if self.falls.len() == MOST {
            self.falls.pop_front();
        }
        self.falls.push_back((-pace).max(0.0));
    }

    /// The mean pace of falls over all of the time, but for the fastest tenth: what falls once, by a step, is no restlessness.
    pub(crate) fn fall(&self) -> f64 {
        let mut falls: Vec<f64> = self.falls.iter().copied().collect();
        falls.sort_unstable_by(f64::total_cmp);
        let kept = falls.len() * 9 / 10;
        if kept == 0 { 0.0 } else { falls[..kept].iter().sum::<f64>() / kept as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_count_and_one_step_down_does_not() {
        let fall = |pace: fn(u32) -> f64| {
            let mut fluctuation = Fluctuation::default();
            (0..1000).for_each(|number| fluctuation.add(pace(number)));
            fluctuation.fall()
        };
        assert!(fall(|_| 0.001) <= 0.0);
        assert!((fall(|_| -0.001) - 0.001).abs() < 1e-12);
        assert!(fall(|number| if number % 8 < 4 { -0.001 } else { 0.001 }) > 0.0004);
        assert!(fall(|number| if (900..916).contains(&number) { -0.5 } else { 0.0 }) <= 0.0);
    }
}

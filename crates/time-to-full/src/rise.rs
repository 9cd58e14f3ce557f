//! Whether the points of a window rise steadily, and how fast.

use crate::point::{Point, median};

/// A line through the points of a window, and how well it fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Share of the whole by second.
    pub(crate) pace: f64,
    /// The pace's standard error.
    pub(crate) error: f64,
    /// The line's level at the last point.
    pub(crate) end: f64,
    /// How much it rises from the first point to the last.
    pub(crate) rise: f64,
    /// What is left of the points beside the line, as a standard deviation: by the points themselves, and by each against the next.
    spread: f64,
    /// The sum of squares of what is beside the line.
    beside: f64,
}

impl Line {
    /// By least squares. `None` for fewer points than can say anything.
    pub(crate) fn through(points: &[Point]) -> Option<Self> {
        const LEAST: usize = 7;
        if points.len() < LEAST {
            return None;
        }
        let count = points.len() as f64;
        let at = points.iter().map(|point| point.at).sum::<f64>() / count;
        let level = points.iter().map(|point| point.level).sum::<f64>() / count;
        let squares: f64 = points.iter().map(|point| (point.at - at).powi(2)).sum();
        if squares <= 0.0 {
            return None;
        }
        let pace = points.iter().map(|point| (point.at - at) * (point.level - level)).sum::<f64>() / squares;
        let beside: Vec<f64> =
            points.iter().map(|point| point.level - level - pace * (point.at - at)).collect();
        let beside: f64 = beside.iter().map(|side| side * side).sum();
        let by_points = (beside / (count - 2.0)).sqrt();
        let mut steps: Vec<f64> = points.windows(2).map(|pair| pair[1].level - pair[0].level).collect();
        let middle = median(&mut steps);
        for step in &mut steps {
            *step = (*step - middle).abs();
        }
        // Of normal noise; steps spread by the root of two.
        let by_steps = median(&mut steps) * 1.4826 / 2.0_f64.sqrt();
        let last = points[points.len() - 1].at;
        Some(Self {
            pace,
            error: by_points.max(by_steps) / squares.sqrt(),
            end: level + pace * (last - at),
            rise: pace * (last - points[0].at),
            spread: by_steps,
            beside,
        })
    }

    /// Whether the points rise along the line: clearly, in each quarter, and neither in one step nor in a few.
    pub(crate) fn is_steady(&self, points: &[Point], strictness: Strictness) -> bool {
        if self.pace <= 0.0 || self.pace < strictness.errors * self.error {
            return false;
        }
        // One that falls into the middle of a cell is seen in two.
        let step = points.windows(3).map(|three| three[2].level - three[0].level).fold(0.0, f64::max);
        if step > strictness.step * self.rise + 2.5 * self.spread {
            return false;
        }
        if self.beside > strictness.line * beside_a_step(points) {
            return false;
        }
        // The difference of two quarters' means has this standard error.
        let error = self.spread * (8.0 / points.len() as f64).sqrt();
        quarters(points).windows(2).all(|pair| {
            let share = self.pace * (pair[1].at - pair[0].at);
            let rise = pair[1].level - pair[0].level;
            rise >= strictness.least * share - 2.0 * error && rise <= strictness.most * share + 2.0 * error
        })
    }
}

/// What a steady rise must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strictness {
    /// The pace is so many times its error.
    pub(crate) errors: f64,
    /// The largest step from one point to the next, as a part of the whole rise.
    pub(crate) step: f64,
    /// What is beside the line, as a part of what is beside the best single step.
    pub(crate) line: f64,
    /// The rise from one quarter to the next, as a part of what the line says.
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// The means of the window's quarters.
fn quarters(points: &[Point]) -> [Point; 4] {
    let cut = |quarter: usize| quarter * points.len() / 4;
    [0, 1, 2, 3].map(|quarter| {
        let part = &points[cut(quarter)..cut(quarter + 1)];
        let count = part.len() as f64;
        Point {
            at: part.iter().map(|point| point.at).sum::<f64>() / count,
            level: part.iter().map(|point| point.level).sum::<f64>() / count,
        }
    })
}

/// The sum of squares of what is beside the best two levels, one after the other.
fn beside_a_step(points: &[Point]) -> f64 {
    let beside = |part: &[Point]| {
        let mean = part.iter().map(|point| point.level).sum::<f64>() / part.len() as f64;
        part.iter().map(|point| (point.level - mean).powi(2)).sum::<f64>()
    };
    (1..points.len()).map(|at| beside(&points[..at]) + beside(&points[at..])).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Strictness = Strictness { errors: 5.0, step: 0.28, line: 0.6, least: 0.5, most: 1.9 };

    fn is_steady(level: impl Fn(f64) -> f64) -> bool {
        let points: Vec<_> =
            (0..16).map(f64::from).map(|at| Point { at: 10.0 * at, level: level(at) }).collect();
        Line::through(&points).is_some_and(|line| line.is_steady(&points, STRICT))
    }

    #[test]
    fn a_ramp_is_steady_and_what_is_none_is_not() {
        assert!(is_steady(|at| 0.5 + 0.01 * at));
        assert!(is_steady(|at| 0.5 + 0.01 * at + 0.005 * (at * 7.0).sin()), "under noise");
        assert!(is_steady(|at| 0.5 + 0.0006 * (at + 3.0).powf(1.6)), "faster and faster");
        assert!(!is_steady(|_| 0.5));
        assert!(!is_steady(|at| 0.5 - 0.01 * at));
        assert!(!is_steady(|at| if at < 5.0 { 0.5 } else { 0.02 * at }), "one that began late");
        assert!(!is_steady(|at| 0.5 + 0.02 * at.min(9.0)), "one that has ended");
        for at in 1..15 {
            let at = f64::from(at) + 0.5;
            assert!(!is_steady(|now| if now < at { 0.5 } else { 0.9 }), "a step at {at}");
            assert!(!is_steady(|now| 0.5 + 0.1 * (now - at).clamp(0.0, 4.0)), "a slope at {at}");
        }
        assert!(!is_steady(|at| 0.5 + 0.1 * (at / 5.0).floor()), "three steps");
    }

    #[test]
    fn the_pace_is_that_of_the_points() {
        let points: Vec<_> =
            (0..16).map(f64::from).map(|at| Point { at: 10.0 * at, level: 0.2 + 0.001 * at }).collect();
        let line = Line::through(&points).unwrap();
        assert!((line.pace - 0.0001).abs() < 1e-12 && (line.end - 0.215).abs() < 1e-12 && line.error < 1e-12);
        assert!(Line::through(&points[..6]).is_none(), "too few");
    }
}

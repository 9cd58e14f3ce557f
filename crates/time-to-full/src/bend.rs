//! A level, a rise of some length, and the level it ends at: one that goes on, or a step.

use crate::point::Point;

/// What fits the points best of all rises that begin and end at two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bend {
    /// When it begins, in seconds.
    pub(crate) from: f64,
    /// The level before it.
    pub(crate) base: f64,
    /// By how much it rises.
    pub(crate) size: f64,
    /// The sum of squares of what is beside it.
    pub(crate) beside: f64,
    /// How much of the rise's form there is in the points: the size's variance is that of a point, divided by this.
    squares: f64,
}

/// The shortest rise that can be told from a step, in seconds.
const SHORTEST: f64 = 90.0;

/// A step may take so many seconds.
const STEPS: [f64; 2] = [1.0, 50.0];

impl Bend {
    /// The size's standard error, where a point varies by so much.
    pub(crate) fn error(&self, variance: f64) -> f64 {
        (variance / self.squares).sqrt()
    }
}

/// Points, and what no rise at all leaves beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bends<'points> {
    points: &'points [Point],
    mean: f64,
    /// The sum of squares around the mean.
    pub(crate) around: f64,
}

impl<'points> Bends<'points> {
    /// Of these points, of which there is one at least.
    pub(crate) fn of(points: &'points [Point]) -> Self {
        let mean = points.iter().map(|point| point.level).sum::<f64>() / points.len() as f64;
        Self { points, mean, around: points.iter().map(|point| (point.level - mean).powi(2)).sum() }
    }

    /// The best rise that began after a moment and goes on to the last point.
    pub(crate) fn still_rising(&self, earliest: f64) -> Option<Bend> {
        let last = self.points.last()?.at;
        let longer = |length: &f64| Some(length + 10.0 * (length / 120.0).ceil());
        let froms = std::iter::successors(Some(SHORTEST), longer).map(|length| last - length);
        let rises = froms.take_while(|from| *from >= earliest).filter_map(|from| self.bend(from, last));
        rises.filter(|bend| bend.size > 0.0).min_by(least_beside)
    }

    /// The best step.
    pub(crate) fn step(&self) -> Option<Bend> {
        let (first, last) = (self.points.first()?.at, self.points.last()?.at);
        let froms =
            std::iter::successors(Some(first), |from| Some(from + 10.0)).take_while(|from| *from < last);
        froms.flat_map(|from| STEPS.map(|takes| self.bend(from, from + takes))).flatten().min_by(least_beside)
    }

    /// By least squares. `None` where the points say nothing of it.
    fn bend(&self, from: f64, to: f64) -> Option<Bend> {
        let count = self.points.len() as f64;
        let (mut sum, mut squares, mut products) = (0.0, 0.0, 0.0);
        for point in self.points.iter().rev().take_while(|point| point.at > from) {
            let share = ((point.at - from) / (to - from)).min(1.0);
            sum += share;
            squares += share * share;
            products += share * (point.level - self.mean);
        }
        let squares = squares - sum * sum / count;
        (squares > 0.0).then(|| {
            let size = products / squares;
            let base = self.mean - size * sum / count;
            Bend { from, base, size, beside: self.around - size * products, squares }
        })
    }
}

fn least_beside(one: &Bend, other: &Bend) -> std::cmp::Ordering {
    one.beside.total_cmp(&other.beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(level: impl Fn(f64) -> f64) -> Vec<Point> {
        (0..120).map(|cell| 10.0 * f64::from(cell)).map(|at| Point { at, level: level(at) }).collect()
    }

    #[test]
    fn a_rise_that_goes_on_has_its_beginning_and_its_size() {
        let points = points(|at| 0.3 + 0.001 * (at - 1000.0_f64).max(0.0));
        let bend = Bends::of(&points).still_rising(0.0).unwrap();
        assert!((bend.from - 1000.0).abs() < 1e-9 && (bend.base - 0.3).abs() < 1e-9, "{bend:?}");
        assert!((bend.size - 0.19).abs() < 1e-9 && bend.beside < 1e-9, "{bend:?}");
        assert!(Bends::of(&points).step().unwrap().beside > 0.01);
        assert!(Bends::of(&points).around > 0.1);
    }

    #[test]
    fn a_step_is_told_from_it_whether_it_takes_a_moment_or_most_of_a_minute() {
        for takes in [1.0, 30.0, 50.0] {
            for since in [30.0, 100.0, 300.0] {
                let from = 1190.0 - since;
                let points = points(|at| 0.3 + 0.2 * ((at - from) / takes).clamp(0.0, 1.0));
                let (rise, step) =
                    (Bends::of(&points).still_rising(0.0).unwrap(), Bends::of(&points).step().unwrap());
                assert!(step.beside < 0.3 * rise.beside, "{takes} s, {since} s ago: {step:?} {rise:?}");
            }
        }
    }

    #[test]
    fn the_size_s_error_is_that_of_a_step_between_two_means() {
        let points = points(|at| if at < 595.0 { 0.0 } else { 0.1 });
        let step = Bends::of(&points).bend(594.0, 595.0).unwrap();
        assert!((step.error(0.01) - (0.01 / 60.0 + 0.01 / 60.0_f64).sqrt()).abs() < 1e-9);
    }
}

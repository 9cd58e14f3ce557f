//! How much a level swings by itself.

use crate::point::Point;

/// The variance of a level that swings by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unrest {
    /// Of one point beside the next.
    pub(crate) point: f64,
    /// Of one point, had means of many the spread that they have. Where the points swing one by one it is the same; where they swing
    /// together, as with a load that comes and goes, means of many swing nearly as much as single ones, and this is larger.
    pub(crate) lasting: f64,
}

/// Means of so many points are held against the means of as many that follow.
const LENGTHS: [usize; 6] = [1, 2, 4, 8, 16, 24];

/// The least variance that is believed: of three ten-thousandths of the whole.
const LEAST: f64 = 0.0003 * 0.0003;

/// So few differences say nothing.
const FEWEST: usize = 5;

impl Unrest {
    /// Of these points; `None` where they are too few. A few steps among them do not count.
    pub(crate) fn of(points: &[Point]) -> Option<Self> {
        let mut sums = vec![0.0];
        sums.extend(points.iter().scan(0.0, |sum, point| {
            *sum += point.level;
            Some(*sum)
        }));
        let mut variances = LENGTHS.iter().map_while(|length| variance(&sums, *length));
        let point = variances.next()?.max(LEAST);
        Some(Self { point, lasting: variances.fold(point, f64::max) })
    }
}

/// Of a point, by the means of so many.
fn variance(sums: &[f64], length: usize) -> Option<f64> {
    /// So many tenths of the differences are no larger than the one that counts, and that one is so many standard deviations.
    const TENTHS: usize = 7;
    const DEVIATIONS: f64 = 1.0364;
    let pairs = sums.windows(2 * length + 1).step_by((length / 4).max(1));
    let mut differences: Vec<f64> =
        pairs.map(|pair| (pair[2 * length] - 2.0 * pair[length] + pair[0]).abs() / length as f64).collect();
    if differences.len() < FEWEST {
        return None;
    }
    let place = differences.len() * TENTHS / 10;
    let (_, difference, _) = differences.select_nth_unstable_by(place, f64::total_cmp);
    Some(length as f64 * (*difference / DEVIATIONS).powi(2) / 2.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// So many numbers that swing by one standard deviation, each by itself; the same for the same seed.
    pub(crate) fn swings(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1_u32 << 24)
        };
        std::iter::from_fn(move || Some((0..12).map(|_| uniform()).sum::<f64>() - 6.0))
    }

    fn unrest(levels: impl Iterator<Item = f64>) -> Unrest {
        let points: Vec<_> =
            levels.take(240).enumerate().map(|(at, level)| Point { at: at as f64, level }).collect();
        Unrest::of(&points).unwrap()
    }

    #[test]
    fn what_swings_one_by_one_lasts_no_longer() {
        for seed in 1..20 {
            let Unrest { point, lasting } = unrest(swings(seed).map(|swing| 0.02 * swing));
            assert!((0.015..0.026).contains(&point.sqrt()), "{point}");
            assert!(lasting < 4.0 * point, "{lasting}, {point}");
        }
    }

    #[test]
    fn a_load_that_comes_and_goes_lasts() {
        for seed in 1..20 {
            let load = swings(seed).scan(0.0, |load, swing| {
                *load = 0.95 * *load + 0.01 * swing;
                Some(*load)
            });
            let Unrest { point, lasting } = unrest(load);
            assert!(lasting > 8.0 * point, "{lasting}, {point}");
        }
    }

    #[test]
    fn a_step_does_not_count_and_few_points_say_nothing() {
        assert_eq!(
            unrest((0..240).map(|at| if at < 120 { 0.1 } else { 0.9 })),
            Unrest { point: LEAST, lasting: LEAST }
        );
        assert_eq!(Unrest::of(&[Point { at: 0.0, level: 0.5 }; 5]), None);
    }
}

//! A level at a moment.

/// A level at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// In seconds, by any clock that only runs forward.
    pub(crate) at: f64,
    /// A share of the whole.
    pub(crate) level: f64,
}

/// The middle one of these values, of which there is one at least.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// The mean of these values but for the lowest and the highest fifth, of which there is one at least: nearly as calm as the mean, and
/// nearly as deaf to a few that are far off as the middle one.
pub(crate) fn middle_mean(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let left_out = values.len() / 5;
    let kept = &values[left_out..values.len() - left_out];
    kept.iter().sum::<f64>() / kept.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_that_are_far_off_do_not_move_the_middle() {
        assert!((middle_mean(&mut [0.5]) - 0.5).abs() < 1e-12);
        assert!((middle_mean(&mut [0.2, 0.4]) - 0.3).abs() < 1e-12);
        let mut values = [0.4, 0.6, 0.4, 0.6, 0.4, 0.6, 0.4, 0.6, 9.0, -9.0];
        assert!((middle_mean(&mut values) - 0.5).abs() < 1e-12);
    }
}

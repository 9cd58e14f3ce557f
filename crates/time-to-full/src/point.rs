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

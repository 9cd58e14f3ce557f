//! The newest cells of one length. A cell is the mean of what fell into it.

use std::collections::VecDeque;

use crate::point::Point;

/// Cells of a window.
pub(crate) const CELLS: usize = 16;

/// The newest cells of one length.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// A cell's length in seconds.
    pub(crate) cell: f64,
    filling: Filling,
    points: VecDeque<Point>,
}

/// The cell that is not complete yet.
#[derive(Clone, Copy, Debug, Default)]
struct Filling {
    number: f64,
    count: f64,
    at: f64,
    level: f64,
}

impl Scale {
    pub(crate) fn of(cell: f64) -> Self {
        Self { cell, filling: Filling::default(), points: VecDeque::with_capacity(CELLS) }
    }

    /// Takes a point in. Returns the cell that it ends.
    pub(crate) fn add(&mut self, point: Point) -> Option<Point> {
        let number = (point.at / self.cell).floor();
        let ended = (number > self.filling.number && self.filling.count > 0.0).then(|| self.end());
        self.filling.number = number;
        self.filling.count += 1.0;
        self.filling.at += point.at;
        self.filling.level += point.level;
        ended
    }

    fn end(&mut self) -> Point {
        let Filling { count, at, level, .. } = std::mem::take(&mut self.filling);
        let point = Point { at: at / count, level: level / count };
        if self.points.len() == CELLS {
            self.points.pop_front();
        }
        self.points.push_back(point);
        point
    }

    /// The points of the window of so many cells that ends with the newest cell; `None` where too much of it is missing.
    pub(crate) fn window(&self, cells: usize) -> Option<Vec<Point>> {
        /// Readings may be rarer than the cells are long: at this scale, two of three cells must have one.
        const LEAST: f64 = 0.6;
        let last = self.points.back()?;
        let first = last.at - (cells as f64 - 0.5) * self.cell;
        let points: Vec<Point> = self.points.iter().filter(|point| point.at > first).copied().collect();
        let span = last.at - points.first()?.at;
        let is_covered =
            points.len() as f64 >= LEAST * cells as f64 && span >= (cells as f64 - 3.0) * self.cell;
        is_covered.then_some(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window of 16 cells of ten seconds after readings at these seconds.
    fn window(readings: impl Iterator<Item = u32>) -> Option<Vec<Point>> {
        let mut scale = Scale::of(10.0);
        for at in readings.map(f64::from) {
            scale.add(Point { at, level: at });
        }
        scale.window(CELLS)
    }

    #[test]
    fn a_cell_is_the_mean_of_what_fell_into_it() {
        let points = window(0..200).unwrap();
        assert_eq!(points.len(), CELLS);
        assert_eq!(points[15], Point { at: 184.5, level: 184.5 });
    }

    #[test]
    fn a_window_needs_two_of_three_cells_and_most_of_its_length() {
        assert!(window((0..400).filter(|at| at % 15 == 0)).is_some());
        assert!(window((0..400).filter(|at| at % 30 == 0)).is_none(), "readings are too rare");
        assert!(window(0..100).is_none(), "it is too short");
        assert!(window((0..400).filter(|at| !(250..340).contains(at))).is_none(), "a gap");
        assert!(window(0..0).is_none());
    }
}

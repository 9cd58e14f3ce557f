//! A rise that has just begun, held against the level before it.
//!
//! The windows of `watch` must lie within a rise, and know nothing of the level before. In noise they need twice as large a rise as one
//! that is held against how the level was, and how much it swung, for half an hour.

use std::collections::VecDeque;

use crate::bend::{Bend, Bends};
use crate::point::Point;
use crate::returned::Returned;
use crate::unrest::Unrest;

/// The newest points of a series, and whether it has begun to rise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Onset {
    points: VecDeque<Point>,
    returned: Returned,
    /// How many points in a row were such that it is told.
    sure: u32,
    /// Seconds until full, of a rise that has begun.
    seconds: Option<f64>,
}

/// Points that are kept: an hour and more.
const KEPT: usize = 420;

/// Points at which a rise is looked for, and seconds that they may span where some are missing.
const WINDOW: usize = 180;
const SPAN: f64 = 3300.0;

/// A rise that began longer ago is left to the windows of `watch`, in seconds.
const LONGEST: f64 = 600.0;

/// For so many seconds a series must have been watched.
const WATCHED: f64 = 1800.0;

/// It is told no further ahead than so many seconds.
const HORIZON: f64 = 3000.0;

/// It has taken this part of the room, and of the whole: a list of processes is seconds old, and while a model is loaded beside others what
/// counts is off by hundredths.
const TAKEN: f64 = 0.05;
const LEAST: f64 = 0.025;

/// It explains so many standard deviations more than no rise does, squared.
const CLEAR: f64 = 36.0;

/// It explains so many times a point's variance more than the best step does; where it began more than so many seconds ago, there is time to be surer.
const NO_STEP: f64 = 3.0;
const SURELY_NO_STEP: f64 = 6.0;
const LONG: f64 = 330.0;

/// What is beside it and no noise, as a part of what is beside the best step.
const BESIDE: f64 = 0.25;

/// What is beside a rise may be noise up to so many times a point's variance: that is known from few points.
const NOISE: f64 = 1.5;

/// So many points in a row must say so.
const SURE: u32 = 2;

/// Where the level's swings last, more is asked than their size says, from this ratio of standard deviations on: what swings slowly can look like anything.
const LASTING: f64 = 2.0;

impl Onset {
    /// Takes in the mean of a cell of a series that has been watched for `age` seconds and is full at `ceiling`.
    pub(crate) fn add(&mut self, point: Point, age: f64, ceiling: f64) {
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        self.points.push_back(point);
        let recent = recent(&self.points);
        self.returned.level(point.at, recent);
        let seconds = if age < WATCHED { None } else { self.look(recent, ceiling) };
        self.sure = if seconds.is_some() { self.sure + 1 } else { 0 };
        self.seconds = seconds.filter(|_| self.sure >= SURE);
    }

    /// Seconds until it is full, where a rise has just begun.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.seconds
    }

    /// Whether the newest points look more like a step than like a rise that goes on.
    pub(crate) fn is_rather_a_step(&mut self) -> bool {
        let Some(window) = window(self.points.make_contiguous()) else { return false };
        let bends = Bends::of(window);
        let (rise, step) = (bends.still_rising(window[0].at), bends.step());
        // What is beside the rise is noise, of this variance.
        let variance = |rise: &Bend| rise.beside / window.len() as f64;
        rise.zip(step).is_some_and(|(rise, step)| step.beside - rise.beside < NO_STEP * variance(&rise))
    }

    fn look(&mut self, recent: f64, ceiling: f64) -> Option<f64> {
        let all = self.points.make_contiguous();
        let window = window(all)?;
        let last = window[window.len() - 1].at;
        let bends = Bends::of(window);
        let rise = bends.still_rising(last - LONGEST).filter(|rise| recent > rise.base)?;
        let (pace, end) = (rise.size / (last - rise.from), rise.base + rise.size);
        let room = (ceiling - end).max(0.0);
        if rise.size < LEAST.max(TAKEN * (room + rise.size)) || room > HORIZON * pace {
            return None;
        }
        let unrest = Unrest::of(before(all, rise.from))?;
        let explained = bends.around - rise.beside;
        let lasting = (unrest.lasting / unrest.point).sqrt() / LASTING;
        let variance = unrest.lasting * lasting.max(1.0).powi(2);
        if explained < CLEAR * variance {
            return None;
        }
        let is_known = self.returned.has_like(rise.size, end);
        self.returned.rise(rise.size, end);
        let step = bends.step()?;
        let excess = |bend: Bend| (bend.beside - NOISE * window.len() as f64 * variance).max(0.0);
        let no_step = if last - rise.from > LONG { SURELY_NO_STEP } else { NO_STEP } * variance;
        let is_rise =
            step.beside - rise.beside >= no_step && excess(rise) <= BESIDE * excess(step).max(no_step);
        let surely = pace * (1.0 - rise.error(variance) / rise.size);
        (is_rise && !is_known && room <= HORIZON * surely).then_some(room / pace)
    }
}

/// The mean level of the last minute: a single point may be low by chance.
fn recent(points: &VecDeque<Point>) -> f64 {
    const NEWEST: usize = 6;
    let newest = points.iter().rev().take(NEWEST);
    newest.clone().map(|point| point.level).sum::<f64>() / newest.count() as f64
}

/// The newest points; `None` where they are too few, or too many are missing.
fn window(points: &[Point]) -> Option<&[Point]> {
    const FEWEST: usize = 120;
    let window = &points[points.len().saturating_sub(WINDOW)..];
    let is_whole = window.len() >= FEWEST && window[window.len() - 1].at - window[0].at <= SPAN;
    is_whole.then_some(window)
}

/// The points before a rise, but for those of its last minute, which may be part of it.
fn before(points: &[Point], from: f64) -> &[Point] {
    &points[..points.partition_point(|point| point.at < from - 60.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unrest::tests::swings;

    /// When something is told, in seconds since the hour at which something happens, of a level that swings by so much from cell to cell.
    fn told(swing: f64, seed: u64, level: impl Fn(f64) -> f64) -> Option<f64> {
        let mut onset = Onset::default();
        let cells = (0..480).map(|cell| 10.0 * f64::from(cell));
        cells.zip(swings(seed)).find_map(|(at, by)| {
            onset.add(Point { at, level: level(at - 3600.0) + swing * by }, at, 1.0);
            onset.seconds().map(|_| at - 3600.0)
        })
    }

    #[test]
    fn a_fast_ramp_in_much_noise_is_told_within_five_minutes() {
        for seed in 1..20 {
            let at = told(0.02, seed, |at| 0.4 + 0.6 * (at / 1500.0).max(0.0));
            assert!(at.is_some_and(|at| (0.0..280.0).contains(&at)), "seed {seed}: {at:?}");
        }
    }

    #[test]
    fn noise_alone_and_steps_are_not_told() {
        for seed in 1..8 {
            assert_eq!(told(0.03, seed, |_| 0.9), None, "seed {seed}");
            for step in [0.02, 0.1, 0.5] {
                assert_eq!(
                    told(0.01, seed, |at| if at < 0.0 { 0.4 } else { 0.4 + step }),
                    None,
                    "seed {seed}"
                );
                let slow = told(0.01, seed, |at| 0.4 + step * (at / 45.0).clamp(0.0, 1.0));
                assert_eq!(slow, None, "seed {seed}, a step of {step} that takes 45 s");
            }
        }
    }

    #[test]
    fn a_load_that_comes_and_goes_is_not_told() {
        for seed in 1..10 {
            let mut onset = Onset::default();
            let mut load = 0.0;
            for (cell, swing) in (0..1000).zip(swings(seed)) {
                load = 0.97 * load + 0.007 * swing;
                let at = 10.0 * f64::from(cell);
                onset.add(Point { at, level: 0.85 + load }, at, 1.0);
                assert_eq!(onset.seconds(), None, "seed {seed}, at {at}");
            }
        }
    }

    #[test]
    fn a_rise_that_is_far_from_full_is_not_told() {
        assert_eq!(told(0.001, 1, |at| 0.1 + (at / 7200.0).max(0.0)), None);
        assert!(told(0.001, 1, |at| 0.1 + (at / 3000.0).max(0.0)).is_some());
    }

    #[test]
    fn what_rose_so_and_came_back_is_known() {
        let saw = |at: f64| if at < -1800.0 { 0.4 } else { 0.4 + 0.3 * (at / 900.0).rem_euclid(1.0) };
        let mut onset = Onset::default();
        let tells = |at: f64| {
            onset.add(Point { at, level: saw(at - 3600.0) }, at, 1.0);
            onset.seconds().map(|_| at - 3600.0)
        };
        let told: Vec<f64> = (0..1000).map(|cell| 10.0 * f64::from(cell)).filter_map(tells).collect();
        assert!(told.iter().any(|at| *at < -900.0), "the first rise is a leak for all that anybody knows");
        assert!(told.iter().all(|at| *at < -900.0), "{told:?}");
    }
}

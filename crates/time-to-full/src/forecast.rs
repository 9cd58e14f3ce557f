//! Readings → seconds until full.

use crate::onset::Onset;
use crate::point::{Point, middle_mean};
use crate::watch::Watch;

/// A level and the room above it, as shares of the whole. Their sum need not be 1: part of the whole may be held back, or not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// What is used of that which counts.
    pub used: f64,
    /// What is left until nothing more can be had.
    pub room: f64,
}

/// One series, and when it will be full.
#[derive(Clone, Debug)]
pub struct TimeToFull {
    cell: Cell,
    watches: Vec<Watch>,
    onset: Onset,
    /// When the first reading was made.
    began: Option<f64>,
    told: Option<Told>,
}

/// The readings of the present cell of the shortest length.
#[derive(Clone, Debug, Default)]
struct Cell {
    number: f64,
    at: Vec<f64>,
    used: Vec<f64>,
    ceiling: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: f64,
    seconds: f64,
}

/// The shortest cell's length in seconds. Each further scale's is twice as long.
const CELL: f64 = 10.0;

/// More readings than a cell keeps: those beyond are left out.
const MOST_READINGS: usize = 100;

/// What is told is not shown for longer than so many seconds without another reading.
const LASTS: f64 = 90.0;

/// A rise goes on while no shorter window's pace is clearly below this part of it.
const STILL: f64 = 0.35;

/// The windows of so many scales are short enough to take a step for a rise.
const SHORT: usize = 3;

/// A longer window is calmer by this much at least: the pace of what only comes and goes falls by the root of two or more with each scale.
const CALMER: f64 = 0.45;

impl Default for TimeToFull {
    fn default() -> Self {
        Self {
            cell: Cell::default(),
            watches: Watch::all(CELL),
            onset: Onset::default(),
            began: None,
            told: None,
        }
    }
}

impl TimeToFull {
    /// Takes in a reading made at so many seconds, by a clock that only runs forward. One that is no number is left out.
    pub fn add(&mut self, at: f64, level: Level) {
        if !(level.used.is_finite() && level.room.is_finite() && at.is_finite()) {
            return;
        }
        let number = (at / CELL).floor();
        if number > self.cell.number && !self.cell.at.is_empty() {
            self.end_cell();
        }
        self.began.get_or_insert(at);
        self.cell.number = number;
        if self.cell.at.len() < MOST_READINGS {
            self.cell.at.push(at);
            self.cell.used.push(level.used);
            self.cell.ceiling.push(level.used + level.room);
        }
    }

    /// Seconds until it is full at the present pace; `None` while it does not rise steadily, or would not be full within the time that
    /// can be told from so short a rise.
    pub fn seconds(&self, at: f64) -> Option<f64> {
        self.told.filter(|told| at - told.at <= LASTS).map(|told| told.seconds)
    }

    fn end_cell(&mut self) {
        let Cell { at, mut used, mut ceiling, .. } = std::mem::take(&mut self.cell);
        let point = Point { at: at.iter().sum::<f64>() / at.len() as f64, level: middle_mean(&mut used) };
        let age = point.at - self.began.unwrap_or(point.at);
        let mut restless = 0.0;
        for watch in &mut self.watches {
            restless = watch.restless().max(CALMER * restless);
            watch.add(point, age, restless);
        }
        let ceiling = middle_mean(&mut ceiling);
        self.onset.add(point, age, ceiling);
        self.told = self.judge(ceiling).map(|seconds| Told { at: point.at, seconds });
    }

    /// By the shortest window that can tell: of a rise that gets faster or slower it has the newest pace.
    fn judge(&mut self, ceiling: f64) -> Option<f64> {
        let told = self.watches.iter().enumerate().find_map(|(place, watch)| {
            watch.rises().find_map(|(line, horizon)| {
                let shorter = self.watches[..place].iter().flat_map(Watch::lines);
                let has_ended =
                    shorter.into_iter().any(|other| other.pace + 3.0 * other.error < STILL * line.pace);
                let room = (ceiling - line.end).max(0.0);
                let is_near = room <= horizon * (line.pace - line.error);
                (is_near && !has_ended).then_some((place, room / line.pace))
            })
        });
        match told {
            Some((place, _)) if place < SHORT && self.onset.is_rather_a_step() => None,
            Some((_, seconds)) => Some(seconds),
            None => self.onset.seconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, by second, of a level read every second.
    fn told(seconds: u32, used: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
        let mut series = TimeToFull::default();
        let reading = |at: f64| {
            series.add(at, Level { used: used(at), room: 1.0 - used(at) });
            series.seconds(at)
        };
        (0..seconds).map(f64::from).map(reading).collect()
    }

    /// At 0.4 for an hour, then full within so many minutes.
    fn ramp(minutes: f64) -> impl Fn(f64) -> f64 {
        move |at| (0.4 + 0.6 * (at - 3600.0).max(0.0) / (60.0 * minutes)).min(1.0)
    }

    #[test]
    fn a_ramp_is_told_soon_with_the_time_that_is_left() {
        for minutes in [10.0, 30.0, 44.0] {
            let told = told(3600 + 600, ramp(minutes));
            let first = told.iter().position(Option::is_some).unwrap();
            assert!((3600..3600 + 240).contains(&first), "{minutes} min: at {first}");
            let (at, left) = (3600 + 500, 60.0 * minutes - 500.0);
            assert!(
                (told[at].unwrap() - left).abs() < 20.0,
                "{minutes} min: {:?} s left of {left}",
                told[at]
            );
        }
    }

    #[test]
    fn the_longer_a_rise_lasts_the_further_ahead_it_is_told() {
        for (whole_minutes, ahead) in [(60, 45.0), (240, 120.0), (1440, 600.0)] {
            let minutes = f64::from(whole_minutes);
            let told = told(3600 + 60 * whole_minutes, ramp(minutes));
            let first = told.iter().position(Option::is_some).unwrap();
            let left = minutes - (first as f64 - 3600.0) / 60.0;
            assert!(left >= ahead, "{minutes} min: told {left} min ahead");
        }
    }

    #[test]
    fn nothing_is_told_of_what_does_not_rise_or_has_ended() {
        assert!(told(7200, |_| 0.9).iter().all(Option::is_none));
        assert!(told(7200, |at| 0.9 - 0.3 * at / 7200.0).iter().all(Option::is_none));
        assert!(told(7200, |at| if at < 3600.0 { 0.5 } else { 0.95 }).iter().all(Option::is_none));
        let ended = told(7200, |at| ramp(30.0)(at.min(4200.0)));
        assert!(ended[4200].is_some());
        assert!(ended[4320..].iter().all(Option::is_none));
    }

    /// A level that swings by two or three hundredths of the whole, drawn anew every five seconds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of two hours")]
    fn in_noise(seed: u64, by: f64, level: impl Fn(f64) -> f64) -> impl Fn(f64) -> f64 {
        let drawn: Vec<f64> = crate::unrest::tests::swings(seed).take(2000).collect();
        move |at| (level(at) + by * drawn[(at / 5.0) as usize]).clamp(0.0, 1.0)
    }

    #[test]
    fn a_ramp_in_much_noise_is_told_within_five_minutes_too() {
        for seed in 1..5 {
            for (minutes, by) in [(15.0, 0.03), (30.0, 0.02)] {
                let told = told(3600 + 300, in_noise(seed, by, ramp(minutes)));
                let first = told.iter().position(Option::is_some);
                assert!(first.is_some_and(|first| first >= 3600), "seed {seed}, {minutes} min: {first:?}");
            }
        }
    }

    #[test]
    fn a_step_in_noise_is_no_ramp() {
        for seed in 1..10 {
            let step = |at: f64| 0.9 + 0.055 * ((at - 3600.0) / 40.0).clamp(0.0, 1.0);
            let told = told(3600 + 900, in_noise(seed, 0.02, step));
            assert!(
                told.iter().all(Option::is_none),
                "seed {seed}: {:?}",
                told.iter().position(Option::is_some)
            );
        }
    }

    #[test]
    fn a_series_that_has_just_begun_tells_nothing() {
        let told = told(2400, |at| 0.2 + at / 4000.0);
        let first = told.iter().position(Option::is_some).unwrap();
        assert!((1800..2100).contains(&first), "at {first}");
    }

    #[test]
    fn what_was_told_ends_with_the_readings() {
        let (mut series, used) = (TimeToFull::default(), ramp(30.0));
        for at in (0..4000).map(f64::from) {
            series.add(at, Level { used: used(at), room: 1.0 - used(at) });
        }
        assert!(series.seconds(4070.0).is_some());
        assert_eq!(series.seconds(4080.0), None);
    }

    #[test]
    fn readings_that_are_no_numbers_or_too_many_change_nothing() {
        let (mut series, used) = (TimeToFull::default(), ramp(30.0));
        for at in (0..40_000).map(|tenth| f64::from(tenth) / 10.0) {
            series.add(at, Level { used: used(at), room: 1.0 - used(at) });
            series.add(at, Level { used: f64::NAN, room: 0.1 });
            series.add(f64::INFINITY, Level { used: 0.1, room: 0.1 });
            assert!(series.cell.at.len() <= MOST_READINGS);
        }
        assert!(series.seconds(4000.0).is_some());
    }
}

//! A quantity between 0 and 1 as a function of time, with its integral.
//!
//! Counters (energy, busy time, bytes) must agree with the gauges they accumulate, so every shape has a closed
//! integral instead of a running sum: a restarted process continues exactly where the last one was.

use std::f64::consts::TAU;
use std::time::Duration;

use serde::Deserialize;

use crate::duration::{duration, optional_duration};

/// A shape over time; all values are ratios.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "RawCurve")]
pub(crate) enum Curve {
    /// Always the same.
    Constant(f64),
    /// A sine between two levels.
    Wave(Wave),
    /// Level, straight climb, level, and optionally back.
    Ramp(Ramp),
}

/// A sine: starts in the middle, rising.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wave {
    low: f64,
    high: f64,
    #[serde(deserialize_with = "duration")]
    period: Duration,
}

/// `from` until `start`, straight to `to` in `over`; with `hold`, back to `from` in `fall` after holding that long.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ramp {
    from: f64,
    to: f64,
    #[serde(default, deserialize_with = "duration")]
    start: Duration,
    #[serde(deserialize_with = "duration")]
    over: Duration,
    #[serde(default, deserialize_with = "optional_duration")]
    hold: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    fall: Duration,
}

/// As written in the file: exactly one key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCurve {
    constant: Option<f64>,
    wave: Option<Wave>,
    ramp: Option<Ramp>,
}

impl TryFrom<RawCurve> for Curve {
    type Error = String;

    fn try_from(raw: RawCurve) -> Result<Self, Self::Error> {
        let curve = match raw {
            RawCurve { constant: Some(level), wave: None, ramp: None } => Self::Constant(level),
            RawCurve { constant: None, wave: Some(wave), ramp: None } => Self::Wave(wave),
            RawCurve { constant: None, wave: None, ramp: Some(ramp) } => Self::Ramp(ramp),
            _ => return Err("expected exactly one of `constant`, `wave`, `ramp`".to_owned()),
        };
        let (levels, lengths) = match &curve {
            Self::Constant(level) => (vec![*level], vec![]),
            Self::Wave(wave) => (vec![wave.low, wave.high], vec![wave.period]),
            Self::Ramp(ramp) => (vec![ramp.from, ramp.to], vec![ramp.over]),
        };
        if let Some(level) = levels.iter().find(|level| !(0.0..=1.0).contains(*level)) {
            return Err(format!("`{level}` is outside 0 to 1 (hint: levels are ratios: 0.85 is 85 %)"));
        }
        if lengths.iter().any(Duration::is_zero) {
            return Err("`period` and `over` must be longer than zero".to_owned());
        }
        Ok(curve)
    }
}

impl Curve {
    /// The level at `t` seconds after the origin. `shift` moves a wave by a part of its period, so that several
    /// GPUs with one description do not move in step.
    pub(crate) fn at(&self, t: f64, shift: f64) -> f64 {
        match self {
            Self::Constant(level) => *level,
            Self::Wave(wave) => {
                let angle = TAU * (t / wave.period.as_secs_f64() + shift);
                f64::midpoint(wave.low, wave.high) + (wave.high - wave.low) / 2.0 * libm::sin(angle)
            }
            Self::Ramp(ramp) => ramp.at(t),
        }
    }

    /// The integral of the level from the origin to `t`, in seconds.
    pub(crate) fn integral(&self, t: f64, shift: f64) -> f64 {
        match self {
            Self::Constant(level) => level * t,
            Self::Wave(wave) => {
                let period = wave.period.as_secs_f64();
                let waves = (libm::cos(TAU * shift) - libm::cos(TAU * (t / period + shift))) * period / TAU;
                f64::midpoint(wave.low, wave.high) * t + (wave.high - wave.low) / 2.0 * waves
            }
            Self::Ramp(ramp) => {
                let corners = ramp.corners();
                let mut area = 0.0;
                let mut from = 0.0;
                for corner in corners.into_iter().filter(|corner| *corner < t).chain([t]) {
                    area += f64::midpoint(ramp.at(from), ramp.at(corner)) * (corner - from);
                    from = corner;
                }
                area
            }
        }
    }
}

impl Ramp {
    /// Where the slope changes; without `hold` the last two never come.
    fn corners(&self) -> [f64; 4] {
        let climb = self.start.as_secs_f64();
        let top = climb + self.over.as_secs_f64();
        let leave = self.hold.map_or(f64::INFINITY, |hold| top + hold.as_secs_f64());
        // A fall is never vertical: a millisecond keeps the shape a function.
        [climb, top, leave, leave + self.fall.as_secs_f64().max(0.001)]
    }

    fn at(&self, t: f64) -> f64 {
        let [climb, top, leave, back] = self.corners();
        let reached = if t <= climb || t >= back {
            0.0
        } else if t < top {
            (t - climb) / (top - climb)
        } else if t <= leave {
            1.0
        } else {
            (back - t) / (back - leave)
        };
        self.from + (self.to - self.from) * reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Curve {
        let minute = Duration::from_mins(1);
        Curve::Ramp(Ramp {
            from: 0.5,
            to: 1.0,
            start: minute,
            over: minute,
            hold: Some(minute),
            fall: minute,
        })
    }

    #[test]
    fn a_ramp_climbs_holds_and_returns() {
        for (t, level) in
            [(0.0, 0.5), (60.0, 0.5), (90.0, 0.75), (120.0, 1.0), (180.0, 1.0), (210.0, 0.75), (240.0, 0.5)]
        {
            assert!((ramp().at(t, 0.0) - level).abs() < 1e-9, "at {t}: {}", ramp().at(t, 0.0));
        }
    }

    #[test]
    fn integrals_agree_with_a_fine_sum() {
        let wave = Curve::Wave(Wave { low: 0.2, high: 0.9, period: Duration::from_secs(40) });
        for (curve, shift) in [(Curve::Constant(0.3), 0.0), (wave, 0.25), (ramp(), 0.0)] {
            let step = 0.01;
            let sum: f64 = (0..30_000).map(|i| curve.at((f64::from(i) + 0.5) * step, shift) * step).sum();
            let integral = curve.integral(300.0, shift);
            assert!((sum - integral).abs() < 0.01, "{curve:?}: {sum} against {integral}");
        }
    }
}

//! Quantities of GPU readings in base units, with constructors that name the source's unit.
//!
//! Owns their conversion; host collectors convert in their own tables (`host/sysfs.rs`). A reading that makes no sense (a share above one, a number that is none) is `None` here, so that
//! it can't be published. The bounds are far beyond any card: they tell a number from garbage, not a good reading from a bad one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::family::Number;

/// A size or an amount of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Bytes(pub(crate) u64);

impl From<Bytes> for Number {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes.0)
    }
}

/// Declares a quantity kept as `f64` in its base unit.
macro_rules! real {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) f64);

        impl From<$name> for Number {
            fn from(quantity: $name) -> Self {
                Self::Real(quantity.0)
            }
        }
    };
}

real!(
    /// A length of time.
    Seconds
);
real!(
    /// A temperature.
    Celsius
);
real!(
    /// Power at a moment.
    Watts
);
real!(
    /// Energy since some origin.
    Joules
);
real!(
    /// A clock rate.
    Hertz
);
real!(
    /// A share, 0 to 1.
    Ratio
);

real!(
    /// An amount of data in a second.
    BytesPerSecond
);

/// How long no driver has been loaded.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);

/// Milliwatts that no board draws: ten kilowatts.
const MOST_MILLIWATTS: u32 = 10_000_000;

/// Megahertz that no clock has; also below 65,535, which is two bytes with all bits set.
const MOST_MEGAHERTZ: u32 = 50_000;

impl Seconds {
    /// From nanoseconds since the driver was loaded, as NVML's clock event counters are.
    pub(crate) fn from_nanoseconds(nanoseconds: u64) -> Option<Self> {
        (u128::from(nanoseconds) < CENTURY.as_nanos()).then(|| Self(nanoseconds as f64 / 1e9))
    }
}

impl Celsius {
    /// From whole degrees, at most 200.
    pub(crate) fn from_degrees(degrees: u32) -> Option<Self> {
        (degrees <= 200).then(|| Self(f64::from(degrees)))
    }

    /// From whole degrees that may be below zero, as a distance may: at most 200 either way.
    pub(crate) fn from_signed_degrees(degrees: i32) -> Option<Self> {
        (-200..=200).contains(&degrees).then(|| Self(f64::from(degrees)))
    }
}

impl Watts {
    /// From milliwatts, at most ten million.
    pub(crate) fn from_milliwatts(milliwatts: u32) -> Option<Self> {
        (milliwatts <= MOST_MILLIWATTS).then(|| Self(f64::from(milliwatts) / 1e3))
    }
}

impl Joules {
    /// From millijoules since the driver was loaded: less than the most power gives in a century.
    pub(crate) fn from_millijoules(millijoules: u64) -> Option<Self> {
        let is_possible = millijoules / u64::from(MOST_MILLIWATTS) < CENTURY.as_secs();
        is_possible.then(|| Self(millijoules as f64 / 1e3))
    }
}

impl Hertz {
    /// From megahertz, at most 50,000.
    pub(crate) fn from_megahertz(megahertz: u32) -> Option<Self> {
        (megahertz <= MOST_MEGAHERTZ).then(|| Self(f64::from(megahertz) * 1e6))
    }
}

/// Megabytes a second that no link carries: a hundred terabytes.
const MOST_MEGABYTES: u64 = 100_000_000;

impl BytesPerSecond {
    /// From millions of bytes a second, at most a hundred million, as a link's capacity is.
    pub(crate) fn from_megabytes(megabytes: u64) -> Option<Self> {
        (megabytes <= MOST_MEGABYTES).then_some(Self(megabytes as f64 * 1e6))
    }

    /// From mebibytes a second, at most a hundred million.
    pub(crate) fn from_mebibytes(mebibytes: f64) -> Option<Self> {
        (0.0..=1e8).contains(&mebibytes).then_some(Self(mebibytes * 1_048_576.0))
    }
}

impl Ratio {
    /// From a percentage. Values above 100 occur in the field and mean nothing: `None`.
    pub(crate) fn from_percent(percent: u32) -> Option<Self> {
        (percent <= 100).then(|| Self(f64::from(percent) / 100.0))
    }

    /// From a percentage that was measured: up to 101, what is above 100 being the measurement's error.
    pub(crate) fn from_measured_percent(percent: f64) -> Option<Self> {
        (0.0..=101.0).contains(&percent).then(|| Self((percent / 100.0).min(1.0)))
    }

    /// From a percentage of a maximum that may be exceeded, as a fan's speed is; at most 200.
    pub(crate) fn from_percent_of_nominal(percent: u32) -> Option<Self> {
        (percent <= 200).then(|| Self(f64::from(percent) / 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_readings_are_absent() {
        assert_eq!(Ratio::from_percent(100), Some(Ratio(1.0)));
        assert_eq!(Ratio::from_percent(101), None);
        assert_eq!(Celsius::from_degrees(87), Some(Celsius(87.0)));
        assert_eq!(Celsius::from_degrees(201), None);
        assert_eq!(Celsius::from_degrees(u32::MAX), None);
        assert_eq!(Celsius::from_signed_degrees(-8), Some(Celsius(-8.0)));
        assert_eq!(Celsius::from_signed_degrees(-201), None);
        assert_eq!(Celsius::from_signed_degrees(i32::MAX), None);
        assert_eq!(Ratio::from_percent_of_nominal(120), Some(Ratio(1.2)));
        assert_eq!(Ratio::from_percent_of_nominal(255), None);
        assert_eq!(Ratio::from_measured_percent(41.5), Some(Ratio(0.415)));
        assert_eq!(Ratio::from_measured_percent(100.4), Some(Ratio(1.0)));
        for garbage in [-0.1, 101.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::from_measured_percent(garbage), None);
        }
        assert_eq!(BytesPerSecond::from_mebibytes(1.5), Some(BytesPerSecond(1_572_864.0)));
        assert_eq!(BytesPerSecond::from_mebibytes(f64::MAX), None);
        assert_eq!(Watts::from_milliwatts(2_700_000), Some(Watts(2700.0)));
        assert_eq!(Watts::from_milliwatts(u32::MAX), None);
        assert_eq!(Hertz::from_megahertz(15_001), Some(Hertz(15.001e9)));
        for garbage in [u32::from(u16::MAX), u32::MAX] {
            assert_eq!(Hertz::from_megahertz(garbage), None);
        }
        assert_eq!(Joules::from_millijoules(7_000_000_000_000), Some(Joules(7e9)));
        assert_eq!(Joules::from_millijoules(u64::MAX), None);
        assert_eq!(Seconds::from_nanoseconds(5_000_000_000), Some(Seconds(5.0)));
        assert_eq!(Seconds::from_nanoseconds(u64::MAX), None);
    }
}

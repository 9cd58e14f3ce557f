//! Quantities of GPU readings in base units, with constructors that name the source's unit.
//!
//! Owns their conversion; host collectors convert in their own tables (`host/sysfs.rs`). A reading that makes no sense (a share above one, a number that is none) is `None` here, so that
//! it can't be published.

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

impl Seconds {
    /// From nanoseconds, as NVML's clock event counters are.
    pub(crate) fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds as f64 / 1e9)
    }
}

impl Celsius {
    /// From whole degrees. Above 200 is a driver's way of saying nothing: `None`.
    pub(crate) fn from_degrees(degrees: u32) -> Option<Self> {
        (degrees <= 200).then(|| Self(f64::from(degrees)))
    }
}

impl Watts {
    /// From milliwatts.
    pub(crate) fn from_milliwatts(milliwatts: u32) -> Self {
        Self(f64::from(milliwatts) / 1e3)
    }
}

impl Joules {
    /// From millijoules.
    pub(crate) fn from_millijoules(millijoules: u64) -> Self {
        Self(millijoules as f64 / 1e3)
    }
}

impl Hertz {
    /// From megahertz.
    pub(crate) fn from_megahertz(megahertz: u32) -> Self {
        Self(f64::from(megahertz) * 1e6)
    }
}

impl Ratio {
    /// From a percentage. Values above 100 occur in the field and mean nothing: `None`.
    pub(crate) fn from_percent(percent: u32) -> Option<Self> {
        (percent <= 100).then(|| Self(f64::from(percent) / 100.0))
    }

    /// From a percentage of a maximum that may be exceeded, as a fan's speed is.
    pub(crate) fn from_percent_of_nominal(percent: u32) -> Self {
        Self(f64::from(percent) / 100.0)
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
        assert_eq!(Celsius::from_degrees(u32::MAX), None);
    }
}

//! What a number of the kernel's means: the family it becomes, and in which unit it is written.

use crate::family::{Family, Kind, Number, Text};

/// What a number means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meaning {
    /// The name of the family.
    pub(crate) family: Text,
    /// The family's help.
    pub(crate) help: Text,
    /// What the family is.
    pub(crate) kind: Kind,
    /// From the file's unit to the family's.
    pub(crate) scale: Scale,
}

/// How a number in a file's unit becomes one in base units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// It is shown as it is written.
    AsWritten,
    /// One unit of the file is so many base units.
    Times(f64),
    /// So many units of the file are one base unit. Dividing keeps `45.07` what multiplying by a millionth makes
    /// `45.069999999999997`.
    Parts(f64),
    /// One unit of the file is so many whole base units: counters stay exact.
    Each(u64),
}

impl Scale {
    /// The number in base units.
    pub(crate) fn of(self, number: Number) -> Number {
        let real = match number {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
        };
        match (self, number) {
            (Self::AsWritten, number) => number,
            (Self::Times(factor), _) => Number::Real(real * factor),
            (Self::Parts(parts), _) => Number::Real(real / parts),
            (Self::Each(factor), Number::Whole(whole)) => {
                whole.checked_mul(factor).map_or(Number::Real(real * factor as f64), Number::Whole)
            }
            (Self::Each(factor), Number::Real(_)) => Number::Real(real * factor as f64),
        }
    }
}

impl Meaning {
    /// A number that goes up and down, as it is written.
    pub(crate) fn gauge(family: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self { family: family.into(), help: help.into(), kind: Kind::Gauge, scale: Scale::AsWritten }
    }

    /// A number that only grows, as it is written.
    pub(crate) fn counter(family: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self { kind: Kind::Counter, ..Self::gauge(family, help) }
    }

    /// A number whose source does not say what it does, as it is written.
    pub(crate) fn unknown(family: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self { kind: Kind::Unknown, ..Self::gauge(family, help) }
    }

    /// The same in another unit.
    pub(crate) fn scaled(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }

    /// The empty family.
    pub(crate) fn empty(&self) -> Family {
        Family { name: self.family.clone(), help: self.help.clone(), kind: self.kind, samples: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_base_units_and_counters_stay_exact() {
        let check = |scale: Scale, number: Number, expected: Number| {
            assert_eq!(scale.of(number), expected, "{scale:?} of {number:?}");
        };
        check(Scale::AsWritten, Number::Whole(u64::MAX), Number::Whole(u64::MAX));
        check(Scale::Times(1e3), Number::Whole(1_700), Number::Real(1_700_000.0));
        check(Scale::Parts(1e6), Number::Whole(45_070_000), Number::Real(45.07));
        check(Scale::Parts(1e3), Number::Real(-1_500.0), Number::Real(-1.5));
        check(Scale::Each(4), Number::Whole(1 << 60), Number::Whole(1 << 62));
        check(Scale::Each(4), Number::Whole(1 << 63), Number::Real(4.0 * 2_f64.powi(63)));
        check(Scale::Each(4), Number::Real(-1.0), Number::Real(-4.0));
    }
}

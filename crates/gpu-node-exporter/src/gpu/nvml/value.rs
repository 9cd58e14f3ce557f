//! A number as the driver answers it, with its type.

use std::fmt::{self, Debug};

/// A number of one of NVML's types (`nvmlValueType_t`).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Real(f64),
    Short(u16),
    Int(u32),
    Long(u64),
    SignedInt(i32),
    SignedLong(i64),
}

impl Value {
    /// As a whole number. One with all bits set is `NVML_VALUE_NOT_AVAILABLE` (nvml.h).
    pub(crate) fn whole(self) -> Option<u64> {
        match self {
            Self::Short(value) => (value != u16::MAX).then(|| u64::from(value)),
            Self::Int(value) => (value != u32::MAX).then(|| u64::from(value)),
            Self::Long(value) => (value != u64::MAX).then_some(value),
            Self::SignedInt(value) => u64::try_from(value).ok(),
            Self::SignedLong(value) => u64::try_from(value).ok(),
            Self::Real(_) => None,
        }
    }

    /// As a count of 64 bits. A number of another type is another field's, which has this number on the driver at hand.
    pub(crate) fn long(self) -> Option<u64> {
        match self {
            Self::Long(_) => self.whole(),
            _ => None,
        }
    }

    /// As a whole number that may be below zero.
    pub(crate) fn signed(self) -> Option<i64> {
        match self {
            Self::SignedInt(value) => Some(value.into()),
            Self::SignedLong(value) => Some(value),
            // Drivers before R550 have no other type for a field's number of 32 bits.
            Self::Int(value) => Some(value.cast_signed().into()),
            Self::Short(_) | Self::Long(_) | Self::Real(_) => None,
        }
    }
}

/// Yes or no, which nvml.h writes as 1 and 0. Anything else is neither.
pub(crate) fn flag(number: impl Into<u64>) -> Option<bool> {
    match number.into() {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A count; one with all bits set is `NVML_VALUE_NOT_AVAILABLE` (nvml.h).
pub(crate) fn count(number: u64) -> Option<u64> {
    (number != u64::MAX).then_some(number)
}

/// The number alone, for logs.
impl Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(value) => value.fmt(out),
            Self::Short(value) => value.fmt(out),
            Self::Int(value) => value.fmt(out),
            Self::Long(value) => value.fmt(out),
            Self::SignedInt(value) => value.fmt(out),
            Self::SignedLong(value) => value.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_by_its_type() {
        let all_ones = u64::from(u32::MAX);
        for (value, whole, long, signed) in [
            (Value::Int(7), Some(7), None, Some(7)),
            (Value::Int(u32::MAX), None, None, Some(-1)),
            (Value::Short(7), Some(7), None, None),
            (Value::Short(u16::MAX), None, None, None),
            (Value::Long(all_ones), Some(all_ones), Some(all_ones), None),
            (Value::Long(u64::MAX), None, None, None),
            (Value::SignedInt(-8), None, None, Some(-8)),
            (Value::SignedInt(8), Some(8), None, Some(8)),
            (Value::SignedLong(7), Some(7), None, Some(7)),
            (Value::SignedLong(-1), None, None, Some(-1)),
            (Value::Real(0.5), None, None, None),
        ] {
            assert_eq!((value.whole(), value.long(), value.signed()), (whole, long, signed), "{value:?}");
        }
    }
}

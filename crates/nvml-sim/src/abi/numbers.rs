//! Answers made of numbers, and what they are when a scenario sets them.

use nvml_wrapper_sys::bindings as nvml;

/// An answer that has a number in each place.
pub(super) trait Numbers {
    /// The answer with this number in each place, cut to the place's size: with all bits set in `u64`, each place has all bits set.
    fn all(number: u64) -> Self;
}

impl Numbers for u64 {
    fn all(number: u64) -> Self {
        number
    }
}

impl Numbers for u32 {
    fn all(number: u64) -> Self {
        let [a, b, c, d, ..] = number.to_le_bytes();
        Self::from_le_bytes([a, b, c, d])
    }
}

impl Numbers for i32 {
    fn all(number: u64) -> Self {
        u32::all(number).cast_signed()
    }
}

impl<A: Numbers, B: Numbers> Numbers for (A, B) {
    fn all(number: u64) -> Self {
        (A::all(number), B::all(number))
    }
}

impl<T: Numbers, const N: usize> Numbers for [T; N] {
    fn all(number: u64) -> Self {
        std::array::from_fn(|_| T::all(number))
    }
}

impl Numbers for nvml::nvmlUtilization_t {
    fn all(number: u64) -> Self {
        Self { gpu: u32::all(number), memory: u32::all(number) }
    }
}

impl Numbers for nvml::nvmlMemory_t {
    fn all(number: u64) -> Self {
        Self { total: number, free: number, used: number }
    }
}

impl Numbers for nvml::nvmlMemory_v2_t {
    fn all(number: u64) -> Self {
        Self { version: u32::all(number), total: number, reserved: number, free: number, used: number }
    }
}

impl Numbers for nvml::nvmlEccSramErrorStatus_t {
    fn all(number: u64) -> Self {
        Self {
            version: u32::all(number),
            aggregateUncParity: number,
            aggregateUncSecDed: number,
            aggregateCor: number,
            volatileUncParity: number,
            volatileUncSecDed: number,
            volatileCor: number,
            aggregateUncBucketL2: number,
            aggregateUncBucketSm: number,
            aggregateUncBucketPcie: number,
            aggregateUncBucketMcu: number,
            aggregateUncBucketOther: number,
            bThresholdExceeded: u32::all(number),
        }
    }
}

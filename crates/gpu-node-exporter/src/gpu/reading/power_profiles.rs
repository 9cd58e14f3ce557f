//! Workload power profiles: what a GPU's power is tuned for (Blackwell and later).

use std::borrow::Cow;

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::raw::{self, WorkloadPowerProfiles};
use crate::gpu::nvml::{Ask, Cached};
use crate::gpu::subject::{Shown, Subject};

readings! {
    /// The profiles of one GPU, a bit each.
    struct PowerProfiles {
        available: u64,
        requested: u64,
        enforced: u64,
    }
}

/// Their names by number (`nvmlPowerProfileType_t` of nvml.h 13.3).
const NAMES: [&str; 15] = [
    "max_p",
    "max_q",
    "compute",
    "memory_bound",
    "network",
    "balanced",
    "llm_inference",
    "llm_training",
    "rbm",
    "dcpcie",
    "hmma_sparse",
    "hmma_dense",
    "sync_balanced",
    "hpc",
    "mig",
];

impl Subject for PowerProfiles {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let profiles =
                ask.quantity("workload power profiles", raw::workload_power_profiles, PowerProfiles::of);
            profiles.unwrap_or_default()
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let family = |name: &'static str, help: &'static str, of: fn(&Self) -> Option<u64>| {
            let mut family = Family::gauge(name, help);
            for gpu in gpus {
                let (Some(available), Some(mask)) = (gpu.reading.available, of(gpu.reading)) else {
                    continue;
                };
                for number in (0..u64::BITS).filter(|number| is_set(available, *number)) {
                    family.push(gpu.labels.and([("profile", name_of(number))]), is_set(mask, number));
                }
            }
            family
        };
        vec![
            family(
                "gpu_workload_power_profile",
                "Whether this workload power profile is in force; all that the GPU has are listed.",
                |profiles| profiles.enforced,
            ),
            family(
                "gpu_workload_power_profile_requested",
                "Whether this workload power profile was asked for; another may go before it.",
                |profiles| profiles.requested,
            ),
        ]
    }
}

impl PowerProfiles {
    /// `None` where there are more profiles than nvml.h has room for names.
    fn of(profiles: WorkloadPowerProfiles) -> Option<Self> {
        Some(Self {
            available: Some(low_half(profiles.available)?),
            requested: Some(low_half(profiles.requested)?),
            enforced: Some(low_half(profiles.enforced)?),
        })
    }
}

/// The first 64 bits, if no other is set.
fn low_half([low, high, rest @ ..]: [u32; 8]) -> Option<u64> {
    rest.iter().all(|bits| *bits == 0).then(|| u64::from(low) | u64::from(high) << 32)
}

fn is_set(mask: u64, bit: u32) -> bool {
    mask >> bit & 1 == 1
}

/// A profile that is newer than this program has its number for a name.
fn name_of(number: u32) -> Cow<'static, str> {
    let name = NAMES.get(number as usize).copied();
    name.map_or_else(|| Cow::Owned(number.to_string()), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_bits() {
        let mask = |bits: u64| {
            let mut mask = [0; 8];
            mask[0] = u32::try_from(bits & 0xFFFF_FFFF).expect("32 bits");
            mask[1] = u32::try_from(bits >> 32).expect("32 bits");
            mask
        };
        let profiles = WorkloadPowerProfiles {
            available: mask(1 << 40 | 0x7FFF),
            requested: mask(0x41),
            enforced: mask(0x40),
        };
        let read = PowerProfiles::of(profiles).expect("possible");
        assert_eq!(read.enforced, Some(0x40));
        assert_eq!((name_of(6), name_of(40)), ("llm_inference".into(), "40".into()));
        let all = WorkloadPowerProfiles { available: [u32::MAX; 8], ..profiles };
        assert_eq!(PowerProfiles::of(all), None);
    }
}

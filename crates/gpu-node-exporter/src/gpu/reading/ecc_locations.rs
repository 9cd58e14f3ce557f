//! Memory errors by the memory that they were found in. A card counts in some of these places: since Ampere in DRAM and SRAM.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{EccCounter, MemoryError, MemoryLocation};
use crate::gpu::nvml::{Ask, Cached, count};
use crate::gpu::subject::{Shown, Subject};

readings! {
    /// The errors of one kind of memory.
    struct LocationErrors {
        corrected_volatile: u64,
        uncorrected_volatile: u64,
        corrected_aggregate: u64,
        uncorrected_aggregate: u64,
    }
}

/// The errors of one GPU, in the order of [`LOCATIONS`].
pub(crate) type EccLocations = Vec<LocationErrors>;

/// The places, and what they are called (`nvmlMemoryLocation_t`).
const LOCATIONS: [(&str, MemoryLocation); 8] = [
    ("l1_cache", MemoryLocation::L1Cache),
    ("l2_cache", MemoryLocation::L2Cache),
    ("dram", MemoryLocation::Device),
    ("register_file", MemoryLocation::RegisterFile),
    ("texture_memory", MemoryLocation::Texture),
    ("shared_memory", MemoryLocation::Shared),
    ("cbu", MemoryLocation::Cbu),
    ("sram", MemoryLocation::SRAM),
];

impl Subject for EccLocations {
    type Kept = Cached<Self>;
    type Sums = ();

    /// By `nvmlDeviceGetMemoryErrorCounter`.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let mut read = |(place, location): (&str, MemoryLocation)| {
                let mut errors = |kind: MemoryError, scope: EccCounter, when| {
                    let name = format!("{kind:?} ECC errors in {place}{when}");
                    ask.quantity(&name, |device| device.memory_error_counter(kind, scope, location), count)
                };
                LocationErrors {
                    corrected_volatile: errors(MemoryError::Corrected, EccCounter::Volatile, ""),
                    uncorrected_volatile: errors(MemoryError::Uncorrected, EccCounter::Volatile, ""),
                    corrected_aggregate: errors(MemoryError::Corrected, EccCounter::Aggregate, " ever"),
                    uncorrected_aggregate: errors(MemoryError::Uncorrected, EccCounter::Aggregate, " ever"),
                }
            };
            LOCATIONS.map(&mut read).into()
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut errors = Family::counter(
            "gpu_ecc_location_errors_total",
            "ECC errors by the memory they were found in; `gpu_ecc_errors_total` has the sum of all.",
        );
        for gpu in gpus {
            for (found, (location, _)) in gpu.reading.iter().zip(LOCATIONS) {
                for (kind, scope, count) in [
                    ("corrected", "volatile", found.corrected_volatile),
                    ("uncorrected", "volatile", found.uncorrected_volatile),
                    ("corrected", "aggregate", found.corrected_aggregate),
                    ("uncorrected", "aggregate", found.uncorrected_aggregate),
                ] {
                    if let Some(count) = count {
                        let more = [("kind", kind), ("scope", scope), ("location", location)];
                        errors.push(gpu.labels.and(more), count);
                    }
                }
            }
        }
        vec![errors]
    }
}

//! Memory errors by the memory that they were found in. A card counts in some of these places: since Ampere in DRAM and SRAM.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{EccCounter, MemoryError, MemoryLocation};
use crate::gpu::nvml::{Ask, Cached, Device, NvmlError, count};
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

/// The places: what a label calls them, the reading's name for people, and nvml.h's (`nvmlMemoryLocation_t`).
const LOCATIONS: [(&str, &str, MemoryLocation); 8] = [
    ("l1_cache", "ECC errors in the L1 cache", MemoryLocation::L1Cache),
    ("l2_cache", "ECC errors in the L2 cache", MemoryLocation::L2Cache),
    ("dram", "ECC errors in DRAM", MemoryLocation::Device),
    ("register_file", "ECC errors in the register file", MemoryLocation::RegisterFile),
    ("texture_memory", "ECC errors in texture memory", MemoryLocation::Texture),
    ("shared_memory", "ECC errors in shared memory", MemoryLocation::Shared),
    ("cbu", "ECC errors in the CBU", MemoryLocation::Cbu),
    ("sram", "ECC errors in SRAM", MemoryLocation::SRAM),
];

/// Corrected and uncorrected errors since the driver was loaded, and the same over the life of the board.
type Counts = [Option<u64>; 4];

impl Subject for EccLocations {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let possible = |counts: Counts| {
                let is_possible = counts.iter().flatten().all(|number| count(*number).is_some());
                is_possible.then_some(counts)
            };
            let mut read = |(_, name, location): (&str, &str, MemoryLocation)| {
                let counts = ask.quantity(name, |device| counts(device, location), possible);
                let [corrected_volatile, uncorrected_volatile, corrected_aggregate, uncorrected_aggregate] =
                    counts.unwrap_or_default();
                LocationErrors {
                    corrected_volatile,
                    uncorrected_volatile,
                    corrected_aggregate,
                    uncorrected_aggregate,
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
            for (found, (location, ..)) in gpu.reading.iter().zip(LOCATIONS) {
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

/// By `nvmlDeviceGetMemoryErrorCounter`. A place may have errors of one kind alone; refused is one that has none.
fn counts(device: &Device<'_>, location: MemoryLocation) -> Result<Counts, NvmlError> {
    let mut counts = Counts::default();
    let mut refused = NvmlError::NotSupported;
    let scopes = [EccCounter::Volatile, EccCounter::Aggregate];
    let each = scopes
        .into_iter()
        .flat_map(|scope| [MemoryError::Corrected, MemoryError::Uncorrected].map(|kind| (kind, scope)));
    for (count, (kind, scope)) in counts.iter_mut().zip(each) {
        match device.memory_error_counter(kind, scope, location) {
            Ok(number) => *count = Some(number),
            Err(error @ (NvmlError::NotSupported | NvmlError::InvalidArg)) => refused = error,
            Err(error) => return Err(error),
        }
    }
    if counts.iter().any(Option::is_some) { Ok(counts) } else { Err(refused) }
}

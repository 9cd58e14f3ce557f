//! Memory errors of a GPU as a whole, found by error-correcting codes (ECC). Leaves out in which memory: that is `ecc_locations`'.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{EccCounter, MemoryError};
use crate::gpu::nvml::{Ask, Cached, count};
use crate::gpu::subject::{Shown, Subject};

readings! {
    /// The errors of one GPU, in all its memories.
    struct Ecc {
        corrected_volatile: u64,
        uncorrected_volatile: u64,
        corrected_aggregate: u64,
        uncorrected_aggregate: u64,
    }
}

impl Subject for Ecc {
    type Kept = Cached<Self>;
    type Sums = ();

    /// By `nvmlDeviceGetTotalEccErrors`.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let mut errors =
                |name, kind, scope| ask.quantity(name, |device| device.total_ecc_errors(kind, scope), count);
            Self {
                corrected_volatile: errors(
                    "corrected ECC errors",
                    MemoryError::Corrected,
                    EccCounter::Volatile,
                ),
                uncorrected_volatile: errors(
                    "uncorrected ECC errors",
                    MemoryError::Uncorrected,
                    EccCounter::Volatile,
                ),
                corrected_aggregate: errors(
                    "corrected ECC errors ever",
                    MemoryError::Corrected,
                    EccCounter::Aggregate,
                ),
                uncorrected_aggregate: errors(
                    "uncorrected ECC errors ever",
                    MemoryError::Uncorrected,
                    EccCounter::Aggregate,
                ),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut errors = Family::counter(
            "gpu_ecc_errors_total",
            "ECC errors: since the driver was loaded (volatile) or over the life of the board (aggregate).",
        );
        for gpu in gpus {
            let Ecc { corrected_volatile, uncorrected_volatile, corrected_aggregate, uncorrected_aggregate } =
                *gpu.reading;
            for (kind, scope, count) in [
                ("corrected", "volatile", corrected_volatile),
                ("uncorrected", "volatile", uncorrected_volatile),
                ("corrected", "aggregate", corrected_aggregate),
                ("uncorrected", "aggregate", uncorrected_aggregate),
            ] {
                if let Some(count) = count {
                    errors.push(gpu.labels.and([("kind", kind), ("scope", scope)]), count);
                }
            }
        }
        vec![errors]
    }
}

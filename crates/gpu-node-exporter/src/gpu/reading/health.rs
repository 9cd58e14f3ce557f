//! What of a GPU is broken or wears out: memory errors and what was done about them, and what the driver asks for.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{EccCounter, MemoryError, RetirementCause};
use crate::gpu::nvml::{Ask, Cached, Field, field_id, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The health of one GPU.
    struct Health {
        ecc_corrected_volatile: u64,
        ecc_uncorrected_volatile: u64,
        ecc_corrected_aggregate: u64,
        ecc_uncorrected_aggregate: u64,
        remaps_correctable: u64,
        remaps_uncorrectable: u64,
        remap_pending: bool,
        remap_failed: bool,
        retired_single_bit: u32,
        retired_double_bit: u32,
        /// 0 none, 1 reset, 2 reboot, 3 drain, 4 drain and reset.
        recovery_action: u32,
    }
}

/// More than any board retires: that is 64 (NVIDIA, Dynamic Page Retirement).
const MOST_PAGES: u32 = 4096;

impl Subject for Health {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, read)
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut ecc = Family::counter(
            "gpu_ecc_errors_total",
            "ECC errors: since the driver was loaded (volatile) or over the life of the board (aggregate).",
        );
        for gpu in gpus {
            let health = gpu.reading;
            for (kind, scope, count) in [
                ("corrected", "volatile", health.ecc_corrected_volatile),
                ("uncorrected", "volatile", health.ecc_uncorrected_volatile),
                ("corrected", "aggregate", health.ecc_corrected_aggregate),
                ("uncorrected", "aggregate", health.ecc_uncorrected_aggregate),
            ] {
                if let Some(count) = count {
                    ecc.push(gpu.labels.and([("kind", kind), ("scope", scope)]), count);
                }
            }
        }
        vec![
            ecc,
            each_by(
                Family::counter("gpu_row_remaps_total", "Memory rows replaced by spare ones."),
                "cause",
                gpus,
                |gpu| {
                    [
                        ("correctable", gpu.reading.remaps_correctable),
                        ("uncorrectable", gpu.reading.remaps_uncorrectable),
                    ]
                },
            ),
            each(
                Family::gauge("gpu_row_remap_pending", "Whether a row remap waits for a reset."),
                gpus,
                |gpu| gpu.reading.remap_pending,
            ),
            each(
                Family::gauge(
                    "gpu_row_remap_failed",
                    "Whether a row remap has failed: the board is to be replaced.",
                ),
                gpus,
                |gpu| gpu.reading.remap_failed,
            ),
            each_by(
                Family::gauge("gpu_retired_pages", "Memory pages taken out of use, before Ampere."),
                "cause",
                gpus,
                |gpu| {
                    [
                        ("single_bit", gpu.reading.retired_single_bit),
                        ("double_bit", gpu.reading.retired_double_bit),
                    ]
                },
            ),
            each(
                Family::gauge(
                    "gpu_recovery_action",
                    "What the driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 drain and reset.",
                ),
                gpus,
                |gpu| gpu.reading.recovery_action,
            ),
        ]
    }
}

/// Yes or no.
fn flag(number: u64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// An action, with room for those to come.
fn action_of(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|action| *action < 16)
}

fn read(ask: &mut Ask<'_>) -> Health {
    // All bits set is `NVML_VALUE_NOT_AVAILABLE` (nvml.h).
    let possible = |count| (count != u64::MAX).then_some(count);
    let mut ecc =
        |name, kind, counter| ask.quantity(name, |device| device.total_ecc_errors(kind, counter), possible);
    let ecc_corrected_volatile = ecc("corrected ECC errors", MemoryError::Corrected, EccCounter::Volatile);
    let ecc_uncorrected_volatile =
        ecc("uncorrected ECC errors", MemoryError::Uncorrected, EccCounter::Volatile);
    let ecc_corrected_aggregate =
        ecc("corrected ECC errors ever", MemoryError::Corrected, EccCounter::Aggregate);
    let ecc_uncorrected_aggregate =
        ecc("uncorrected ECC errors ever", MemoryError::Uncorrected, EccCounter::Aggregate);
    let (pending, failed, action) = ("row remap pending", "row remap failed", "recovery action");
    let [correctable, uncorrectable, is_pending, has_failed, recovery_action] = ask.fields(
        "row remaps and recovery action",
        [
            Field::new("correctable row remaps", field_id::NVML_FI_DEV_REMAPPED_COR),
            Field::new("uncorrectable row remaps", field_id::NVML_FI_DEV_REMAPPED_UNC),
            Field::new(pending, field_id::NVML_FI_DEV_REMAPPED_PENDING),
            Field::new(failed, field_id::NVML_FI_DEV_REMAPPED_FAILURE),
            Field::new(action, field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION),
        ],
    );
    let is_pending = is_pending.and_then(|number| ask.meaning(pending, number, flag));
    let has_failed = has_failed.and_then(|number| ask.meaning(failed, number, flag));
    let recovery_action = recovery_action.and_then(|number| ask.meaning(action, number, action_of));
    let possible = |pages| (pages <= MOST_PAGES).then_some(pages);
    let mut pages = |name, cause| ask.quantity(name, |device| raw::retired_pages(device, &cause), possible);
    Health {
        ecc_corrected_volatile,
        ecc_uncorrected_volatile,
        ecc_corrected_aggregate,
        ecc_uncorrected_aggregate,
        remaps_correctable: correctable,
        remaps_uncorrectable: uncorrectable,
        remap_pending: is_pending,
        remap_failed: has_failed,
        retired_single_bit: pages("retired pages (single bit)", RetirementCause::MultipleSingleBitEccErrors),
        retired_double_bit: pages("retired pages (double bit)", RetirementCause::DoubleBitEccError),
        recovery_action,
    }
}

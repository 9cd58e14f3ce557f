//! Rows of memory that were replaced by spare ones, and how many spare ones are left. Since Ampere; older cards retire pages.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Field, field_id, flag, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The remapped rows of one GPU.
    struct RemappedRows {
        correctable: u64,
        uncorrectable: u64,
        /// Remaps that are no longer in use.
        inactive_correctable: u64,
        inactive_uncorrectable: u64,
        pending: bool,
        failed: bool,
        /// Banks of memory by what they have left of their spare rows: all of them.
        banks_max: u32,
        banks_high: u32,
        banks_partial: u32,
        banks_low: u32,
        banks_none: u32,
    }
}

/// Fields of nvml.h 13.2 that `nvml-wrapper-sys` does not name yet.
const NVML_FI_DEV_REMAPPED_ROWS_COR_INACTIVE: u32 = 301;
const NVML_FI_DEV_REMAPPED_ROWS_UNC_INACTIVE: u32 = 302;

/// More banks than any card has: a B200 has some thousand.
const MOST_BANKS: u32 = 1 << 20;

/// The reading's name.
const HISTOGRAM: &str = "row remapper histogram";

impl Subject for RemappedRows {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, read)
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::counter("gpu_row_remaps_total", "Memory rows replaced by spare ones."),
                "cause",
                gpus,
                |gpu| {
                    [("correctable", gpu.reading.correctable), ("uncorrectable", gpu.reading.uncorrectable)]
                },
            ),
            each_by(
                Family::gauge("gpu_row_remaps_inactive", "Row remaps that are no longer in use."),
                "cause",
                gpus,
                |gpu| {
                    let RemappedRows { inactive_correctable, inactive_uncorrectable, .. } = *gpu.reading;
                    [("correctable", inactive_correctable), ("uncorrectable", inactive_uncorrectable)]
                },
            ),
            each(
                Family::gauge("gpu_row_remap_pending", "Whether a row remap waits for a reset."),
                gpus,
                |gpu| gpu.reading.pending,
            ),
            each(
                Family::gauge(
                    "gpu_row_remap_failed",
                    "Whether a row remap has failed: the board is to be replaced.",
                ),
                gpus,
                |gpu| gpu.reading.failed,
            ),
            each_by(
                Family::gauge(
                    "gpu_row_remap_banks",
                    "Banks of memory by how many of their spare rows are left: all (max), or none, where the next remap fails.",
                ),
                "availability",
                gpus,
                |gpu| {
                    let rows = gpu.reading;
                    [
                        ("max", rows.banks_max),
                        ("high", rows.banks_high),
                        ("partial", rows.banks_partial),
                        ("low", rows.banks_low),
                        ("none", rows.banks_none),
                    ]
                },
            ),
        ]
    }
}

fn read(ask: &mut Ask<'_>) -> RemappedRows {
    let (pending, failed) = ("row remap pending", "row remap failed");
    let [correctable, uncorrectable, is_pending, has_failed, inactive_correctable, inactive_uncorrectable] =
        ask.fields(
            "row remaps",
            [
                Field::new("correctable row remaps", field_id::NVML_FI_DEV_REMAPPED_COR),
                Field::new("uncorrectable row remaps", field_id::NVML_FI_DEV_REMAPPED_UNC),
                Field::new(pending, field_id::NVML_FI_DEV_REMAPPED_PENDING),
                Field::new(failed, field_id::NVML_FI_DEV_REMAPPED_FAILURE),
                Field::new("inactive correctable row remaps", NVML_FI_DEV_REMAPPED_ROWS_COR_INACTIVE),
                Field::new("inactive uncorrectable row remaps", NVML_FI_DEV_REMAPPED_ROWS_UNC_INACTIVE),
            ],
        );
    let is_pending = is_pending.and_then(|number| ask.meaning(pending, number, flag));
    let has_failed = has_failed.and_then(|number| ask.meaning(failed, number, flag));
    let possible = |banks: [u32; 5]| banks.iter().all(|count| *count <= MOST_BANKS).then_some(banks);
    let banks = ask.quantity(HISTOGRAM, raw::row_remapper_histogram, possible);
    let [banks_max, banks_high, banks_partial, banks_low, banks_none] =
        banks.map_or([None; 5], |banks| banks.map(Some));
    RemappedRows {
        correctable,
        uncorrectable,
        inactive_correctable,
        inactive_uncorrectable,
        pending: is_pending,
        failed: has_failed,
        banks_max,
        banks_high,
        banks_partial,
        banks_low,
        banks_none,
    }
}

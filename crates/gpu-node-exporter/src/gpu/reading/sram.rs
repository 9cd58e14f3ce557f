//! Errors of the on-chip memories (SRAM) by what found them, in which part of the chip, and whether they are too many.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, count, flag, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The SRAM errors of one GPU.
    struct Sram {
        corrected_volatile: u64,
        corrected_aggregate: u64,
        /// Found by a parity bit.
        parity_volatile: u64,
        parity_aggregate: u64,
        /// Found by a code that corrects single bits and detects double ones (SEC-DED).
        sec_ded_volatile: u64,
        sec_ded_aggregate: u64,
        /// Uncorrected ones over the life of the board, by part.
        l2: u64,
        sm: u64,
        pcie: u64,
        microcontroller: u64,
        other: u64,
        /// The vendor's field diagnostics would ask for a replacement.
        threshold_exceeded: bool,
    }
}

/// The reading's name.
const STATUS: &str = "SRAM errors";

impl Subject for Sram {
    type Kept = Cached<Self>;
    type Sums = ();

    /// By `nvmlDeviceGetSramEccErrorStatus`, which drivers have since R550.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let Some(status) = ask.ask(STATUS, raw::sram_errors) else { return Self::default() };
            let mut errors = |number| ask.meaning(STATUS, number, count);
            let counts = Self {
                corrected_volatile: errors(status.volatileCor),
                corrected_aggregate: errors(status.aggregateCor),
                parity_volatile: errors(status.volatileUncParity),
                parity_aggregate: errors(status.aggregateUncParity),
                sec_ded_volatile: errors(status.volatileUncSecDed),
                sec_ded_aggregate: errors(status.aggregateUncSecDed),
                l2: errors(status.aggregateUncBucketL2),
                sm: errors(status.aggregateUncBucketSm),
                pcie: errors(status.aggregateUncBucketPcie),
                microcontroller: errors(status.aggregateUncBucketMcu),
                other: errors(status.aggregateUncBucketOther),
                threshold_exceeded: None,
            };
            let threshold_exceeded = ask.meaning("SRAM error threshold", status.bThresholdExceeded, flag);
            Self { threshold_exceeded, ..counts }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut errors = Family::counter(
            "gpu_ecc_sram_errors_total",
            "SRAM errors by kind: corrected, or not and found by parity or by SEC-DED; since the driver was loaded (volatile) or over the life of the board (aggregate).",
        );
        for gpu in gpus {
            let sram = gpu.reading;
            for (kind, scope, count) in [
                ("corrected", "volatile", sram.corrected_volatile),
                ("uncorrected_parity", "volatile", sram.parity_volatile),
                ("uncorrected_sec_ded", "volatile", sram.sec_ded_volatile),
                ("corrected", "aggregate", sram.corrected_aggregate),
                ("uncorrected_parity", "aggregate", sram.parity_aggregate),
                ("uncorrected_sec_ded", "aggregate", sram.sec_ded_aggregate),
            ] {
                if let Some(count) = count {
                    errors.push(gpu.labels.and([("kind", kind), ("scope", scope)]), count);
                }
            }
        }
        vec![
            errors,
            each_by(
                Family::counter(
                    "gpu_ecc_sram_uncorrected_errors_total",
                    "Uncorrected SRAM errors over the life of the board, by the part of the chip.",
                ),
                "unit",
                gpus,
                |gpu| {
                    let Sram { l2, sm, pcie, microcontroller, other, .. } = *gpu.reading;
                    [
                        ("l2", l2),
                        ("sm", sm),
                        ("pcie", pcie),
                        ("microcontroller", microcontroller),
                        ("other", other),
                    ]
                },
            ),
            each(
                Family::gauge(
                    "gpu_ecc_sram_threshold_exceeded",
                    "Whether there were so many uncorrected SRAM errors that the vendor's field diagnostics fail: the board is to be replaced.",
                ),
                gpus,
                |gpu| gpu.reading.threshold_exceeded,
            ),
        ]
    }
}

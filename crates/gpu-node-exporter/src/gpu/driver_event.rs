//! Events that the driver reports of a GPU beside its XIDs (nvml.h, `nvmlEventType…`).
//!
//! Those are here that say what counters do not, or say it at once. Left out are single-bit ECC errors, which `gpu_ecc_errors_total` counts and a
//! bad card has by the thousand; changes of clocks and of the performance state, which under load come many times a second and whose
//! present state is shown; and changes between mains and battery.

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum EventKind {
    /// An uncorrectable ECC error.
    EccDoubleBit,
    /// So many corrected ECC errors that the driver takes it for a failing part.
    EccSingleBitStorm,
    /// Memory was taken out of use.
    DramRetirement,
    /// Memory should have been taken out of use and could not be.
    DramRetirementFailure,
    /// Data that was lost to an error was read, and whoever read it was ended.
    PoisonNonfatal,
    /// The same, and the GPU cannot go on.
    PoisonFatal,
    /// The GPU takes no work any more.
    Unavailable,
    /// The driver asks for another action than before: `gpu_recovery_action` says which.
    RecoveryAction,
    /// GPU instances came or went, or MIG mode was turned on or off.
    MigConfigChange,
}

impl EventKind {
    /// All, and the words for them.
    pub(crate) const LABELS: [(&str, Self); 9] = [
        ("ecc_double_bit", Self::EccDoubleBit),
        ("ecc_single_bit_storm", Self::EccSingleBitStorm),
        ("dram_retirement", Self::DramRetirement),
        ("dram_retirement_failure", Self::DramRetirementFailure),
        ("poison_nonfatal", Self::PoisonNonfatal),
        ("poison_fatal", Self::PoisonFatal),
        ("unavailable", Self::Unavailable),
        ("recovery_action", Self::RecoveryAction),
        ("mig_config_change", Self::MigConfigChange),
    ];

    /// As a label's value.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize].0
    }
}

/// One event of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DriverEvent {
    pub(crate) uuid: String,
    pub(crate) kind: EventKind,
}

/// What a GPU's driver would report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) uuid: String,
    pub(crate) kinds: Vec<EventKind>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_label() {
        for (label, kind) in EventKind::LABELS {
            assert_eq!(kind.label(), label);
        }
    }
}

//! How a GPU is set up: modes that an administrator sets, and those that wait for a reset.

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::ComputeMode as NvmlComputeMode;
use crate::gpu::nvml::{Ask, Cached, Device, flag, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The modes of one GPU. Whether MIG mode is on is `load`'s.
    struct Modes {
        /// The driver stays loaded while nobody uses the GPU.
        persistence: bool,
        ecc: bool,
        /// From the next reset on.
        ecc_pending: bool,
        mig_pending: bool,
        compute: ComputeMode,
        addressing: AddressingMode,
        /// The driver keeps figures of processes after their end.
        accounting: bool,
    }
}

/// Who may use the GPU for computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ComputeMode {
    Default,
    ExclusiveThread,
    Prohibited,
    ExclusiveProcess,
}

/// How the GPU shares addresses with the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AddressingMode {
    None,
    /// Heterogeneous memory management.
    Hmm,
    /// Address translation services.
    Ats,
}

const COMPUTE_MODES: [(&str, ComputeMode); 4] = [
    ("default", ComputeMode::Default),
    ("exclusive_thread", ComputeMode::ExclusiveThread),
    ("prohibited", ComputeMode::Prohibited),
    ("exclusive_process", ComputeMode::ExclusiveProcess),
];

const ADDRESSING_MODES: [(&str, AddressingMode); 3] =
    [("none", AddressingMode::None), ("hmm", AddressingMode::Hmm), ("ats", AddressingMode::Ats)];

impl Subject for Modes {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let ecc = ask.ask("ECC mode", Device::is_ecc_enabled);
            let compute = ask.ask("compute mode", Device::compute_mode).map(|mode| match mode {
                NvmlComputeMode::Default => ComputeMode::Default,
                NvmlComputeMode::ExclusiveThread => ComputeMode::ExclusiveThread,
                NvmlComputeMode::Prohibited => ComputeMode::Prohibited,
                NvmlComputeMode::ExclusiveProcess => ComputeMode::ExclusiveProcess,
            });
            let addressing_mode = |number| match number {
                0 => Some(AddressingMode::None),
                1 => Some(AddressingMode::Hmm),
                2 => Some(AddressingMode::Ats),
                _ => None,
            };
            Self {
                persistence: ask.ask("persistence mode", Device::is_in_persistent_mode),
                ecc: ecc.as_ref().map(|mode| mode.currently_enabled),
                ecc_pending: ecc.as_ref().map(|mode| mode.pending_enabled),
                mig_pending: ask.quantity(
                    "MIG mode after a reset",
                    |device| Ok(device.mig_mode()?.pending),
                    flag,
                ),
                compute,
                addressing: ask.quantity("addressing mode", raw::addressing_mode, addressing_mode),
                accounting: accounting_mode(ask),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mode = |name: &'static str, help: &'static str, of: fn(&Self) -> Option<bool>| {
            each(Family::gauge(name, help), gpus, |gpu| of(gpu.reading))
        };
        vec![
            mode(
                "gpu_persistence_mode",
                "Whether the driver keeps the GPU ready while nobody uses it; else each use begins with seconds of loading.",
                |modes| modes.persistence,
            ),
            mode("gpu_ecc_enabled", "Whether memory errors are found and corrected (ECC).", |modes| {
                modes.ecc
            }),
            mode("gpu_ecc_pending_enabled", "The same after the next reset.", |modes| modes.ecc_pending),
            mode("gpu_mig_pending_enabled", "Whether MIG mode is on after the next reset.", |modes| {
                modes.mig_pending
            }),
            each_by(
                Family::gauge(
                    "gpu_compute_mode",
                    "Who may use the GPU for computing: 1 for the present mode.",
                ),
                "mode",
                gpus,
                |gpu| COMPUTE_MODES.map(|(name, mode)| (name, gpu.reading.compute.map(|now| now == mode))),
            ),
            each_by(
                Family::gauge(
                    "gpu_addressing_mode",
                    "How the GPU shares addresses with the CPU: 1 for the present mode.",
                ),
                "mode",
                gpus,
                |gpu| {
                    ADDRESSING_MODES.map(|(name, mode)| (name, gpu.reading.addressing.map(|now| now == mode)))
                },
            ),
            mode(
                "gpu_accounting_enabled",
                "Whether the driver keeps figures of processes after their end (accounting mode).",
                |modes| modes.accounting,
            ),
        ]
    }
}

/// Whether the driver keeps figures of processes. Also `accounting`'s question.
pub(super) fn accounting_mode(ask: &mut Ask<'_>) -> Option<bool> {
    ask.ask("accounting mode", Device::is_accounting_enabled)
}

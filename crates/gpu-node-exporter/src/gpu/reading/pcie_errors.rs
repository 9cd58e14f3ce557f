//! What went wrong on the PCIe link to the host, by kind.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Field, field_id};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The errors of one GPU's link, since the driver was loaded.
    struct PcieErrors {
        correctable: u64,
        non_fatal: u64,
        fatal: u64,
        receiver: u64,
        bad_tlp: u64,
        bad_dllp: u64,
        lcrc: u64,
        lane: u64,
        nak_sent: u64,
        nak_received: u64,
        unsupported_request: u64,
        /// From the working state (L0) to recovery.
        recoveries: u64,
        replay_rollovers: u64,
    }
}

/// The fields, in the order in which they are taken.
const FIELDS: [(&str, u32); 13] = [
    ("PCIe correctable errors", field_id::NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS),
    ("PCIe non-fatal errors", field_id::NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR),
    ("PCIe fatal errors", field_id::NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR),
    ("PCIe receiver errors", field_id::NVML_FI_DEV_PCIE_COUNT_RECEIVER_ERROR),
    ("PCIe bad TLPs", field_id::NVML_FI_DEV_PCIE_COUNT_BAD_TLP),
    ("PCIe bad DLLPs", field_id::NVML_FI_DEV_PCIE_COUNT_BAD_DLLP),
    ("PCIe LCRC errors", field_id::NVML_FI_DEV_PCIE_COUNT_LCRC_ERROR),
    ("PCIe lane errors", field_id::NVML_FI_DEV_PCIE_COUNT_LANE_ERROR),
    ("PCIe NAKs sent", field_id::NVML_FI_DEV_PCIE_COUNT_NAKS_SENT),
    ("PCIe NAKs received", field_id::NVML_FI_DEV_PCIE_COUNT_NAKS_RECEIVED),
    ("PCIe unsupported requests", field_id::NVML_FI_DEV_PCIE_COUNT_UNSUPPORTED_REQ),
    ("PCIe recoveries", field_id::NVML_FI_DEV_PCIE_L0_TO_RECOVERY_COUNTER),
    ("PCIe replay rollovers", field_id::NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER),
];

impl Subject for PcieErrors {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let [
                correctable,
                non_fatal,
                fatal,
                receiver,
                bad_tlp,
                bad_dllp,
                lcrc,
                lane,
                nak_sent,
                nak_received,
                unsupported_request,
                recoveries,
                replay_rollovers,
            ] = ask.fields("PCIe errors", FIELDS.map(|(name, id)| Field::new(name, id)));
            Self {
                correctable,
                non_fatal,
                fatal,
                receiver,
                bad_tlp,
                bad_dllp,
                lcrc,
                lane,
                nak_sent,
                nak_received,
                unsupported_request,
                recoveries,
                replay_rollovers,
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::counter(
                    "gpu_pcie_errors_total",
                    "Errors of the PCIe link by kind, since the driver was loaded; one may count under several.",
                ),
                "kind",
                gpus,
                |gpu| {
                    let errors = gpu.reading;
                    [
                        ("correctable", errors.correctable),
                        ("non_fatal", errors.non_fatal),
                        ("fatal", errors.fatal),
                        ("receiver", errors.receiver),
                        ("bad_tlp", errors.bad_tlp),
                        ("bad_dllp", errors.bad_dllp),
                        ("lcrc", errors.lcrc),
                        ("lane", errors.lane),
                        ("nak_sent", errors.nak_sent),
                        ("nak_received", errors.nak_received),
                        ("unsupported_request", errors.unsupported_request),
                    ]
                },
            ),
            each(
                Family::counter(
                    "gpu_pcie_recoveries_total",
                    "Times the PCIe link left its working state (L0) for recovery, since the driver was loaded.",
                ),
                gpus,
                |gpu| gpu.reading.recoveries,
            ),
            each(
                Family::counter(
                    "gpu_pcie_replay_rollovers_total",
                    "Times the counter of PCIe packets sent again in a row ran over, since the driver was loaded.",
                ),
                gpus,
                |gpu| gpu.reading.replay_rollovers,
            ),
        ]
    }
}

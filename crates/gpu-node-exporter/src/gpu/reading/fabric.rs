//! The fabric of NVLink switches: whether the GPU is registered with it, and how well it is connected.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::raw::{self, FabricInfo};
use crate::gpu::nvml::{Ask, Cached};
use crate::gpu::subject::{Shown, Subject, each, each_by, known};

readings! {
    /// One GPU in its fabric. All is unknown for a card that belongs to none.
    struct Fabric {
        state: State,
        /// The registration ended well.
        registered: bool,
        cluster_uuid: String,
        clique_id: u32,
        health: Health,
        degraded_bandwidth: bool,
        route_recovery: bool,
        route_unhealthy: bool,
        access_timeout_recovery: bool,
        /// `NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_…`: 1 is a correct one.
        configuration: u32,
        partition_assigned: bool,
    }
}

/// How far the registration has come (`NVML_GPU_FABRIC_STATE_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    NotStarted,
    InProgress,
    Completed,
}

/// The driver's own verdict (`NVML_GPU_FABRIC_HEALTH_SUMMARY_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Health {
    Healthy,
    Unhealthy,
    LimitedCapacity,
}

const STATES: [(&str, State); 3] =
    [("not_started", State::NotStarted), ("in_progress", State::InProgress), ("completed", State::Completed)];

const HEALTHS: [(&str, Health); 3] = [
    ("healthy", Health::Healthy),
    ("unhealthy", Health::Unhealthy),
    ("limited_capacity", Health::LimitedCapacity),
];

/// What is wrong with a configuration, by its number from 2 on.
const INCORRECT: [&str; 7] = [
    "incorrect_system_guid",
    "incorrect_chassis_serial",
    "no_partition",
    "insufficient_nvlinks",
    "incompatible_firmware",
    "invalid_location",
    "gpu_state_invalid",
];

/// The number of a correct configuration.
const CORRECT: u32 = 1;

/// The reading's name.
const READING: &str = "fabric";

impl Subject for Fabric {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| ask.quantity(READING, raw::fabric_info, Fabric::of).unwrap_or_default())
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut info = Family::info("gpu_fabric_info", "The NVLink fabric that a GPU is registered with.");
        for gpu in gpus.iter().filter(|gpu| gpu.reading.registered == Some(true)) {
            let clique = gpu.reading.clique_id.map(|clique| clique.to_string());
            let more =
                [("cluster_uuid", gpu.reading.cluster_uuid.as_deref()), ("clique_id", clique.as_deref())];
            info.push(gpu.labels.and(known(more)), 1_u64);
        }
        vec![
            each_by(
                Family::gauge(
                    "gpu_fabric_state",
                    "How far the GPU's registration with the NVLink fabric has come: 1 for the present state.",
                ),
                "state",
                gpus,
                |gpu| STATES.map(|(name, state)| (name, gpu.reading.state.map(|now| now == state))),
            ),
            each(
                Family::gauge(
                    "gpu_fabric_registered",
                    "Whether the GPU is registered with the NVLink fabric; 0 also for one whose registration failed.",
                ),
                gpus,
                |gpu| gpu.reading.registered,
            ),
            each_by(
                Family::gauge(
                    "gpu_fabric_health",
                    "The driver's verdict on the GPU's connection to the NVLink fabric: 1 for the present one.",
                ),
                "health",
                gpus,
                |gpu| HEALTHS.map(|(name, health)| (name, gpu.reading.health.map(|now| now == health))),
            ),
            each_by(
                Family::gauge(
                    "gpu_fabric_problem",
                    "What is wrong with the GPU's connection to the NVLink fabric.",
                ),
                "problem",
                gpus,
                |gpu| {
                    let Fabric {
                        degraded_bandwidth,
                        route_recovery,
                        route_unhealthy,
                        access_timeout_recovery,
                        ..
                    } = *gpu.reading;
                    [
                        ("degraded_bandwidth", degraded_bandwidth),
                        ("route_recovery", route_recovery),
                        ("route_unhealthy", route_unhealthy),
                        ("access_timeout_recovery", access_timeout_recovery),
                    ]
                },
            ),
            each_by(
                Family::gauge(
                    "gpu_fabric_incorrect_configuration",
                    "Whether the GPU cannot join the NVLink fabric for this reason.",
                ),
                "reason",
                gpus,
                |gpu| {
                    let mut number = CORRECT;
                    INCORRECT.map(|reason| {
                        number += 1;
                        (reason, gpu.reading.configuration.map(|found| found == number))
                    })
                },
            ),
            each(
                Family::gauge(
                    "gpu_fabric_partition_assigned",
                    "Whether the GPU is assigned to a partition of the NVLink fabric.",
                ),
                gpus,
                |gpu| gpu.reading.partition_assigned,
            ),
            info,
        ]
    }
}

impl Fabric {
    /// `None` where a part is no number of nvml.h's.
    fn of(info: FabricInfo) -> Option<Self> {
        let state = match info.state {
            // A card that belongs to none.
            0 => return Some(Self::default()),
            1 => State::NotStarted,
            2 => State::InProgress,
            3 => State::Completed,
            _ => return None,
        };
        let health = match info.health_summary {
            None | Some(0) => None,
            Some(1) => Some(Health::Healthy),
            Some(2) => Some(Health::Unhealthy),
            Some(3) => Some(Health::LimitedCapacity),
            Some(_) => return None,
        };
        let mask = info.health_mask.unwrap_or(0);
        // Each of two bits: 0 is not supported, 1 true, 2 false, and 3 is nothing.
        let two_bits = |shift: u32| mask >> shift & 0x3;
        if [0, 2, 4, 6, 12].into_iter().any(|shift| two_bits(shift) == 3) {
            return None;
        }
        let is_so = |shift| match two_bits(shift) {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        };
        // A reason that is newer than this program is told by none of those it knows.
        let configuration = mask >> 8 & 0xf;
        let is_registered = state == State::Completed && info.status == 0;
        Some(Self {
            state: Some(state),
            registered: Some(is_registered),
            cluster_uuid: is_registered.then(|| uuid(info.cluster_uuid)),
            clique_id: is_registered.then_some(info.clique_id),
            health,
            degraded_bandwidth: is_so(0),
            route_recovery: is_so(2),
            route_unhealthy: is_so(4),
            access_timeout_recovery: is_so(6),
            configuration: (configuration != 0).then_some(configuration),
            partition_assigned: is_so(12),
        })
    }
}

/// In the usual form of five groups.
fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(state: u8, status: u32, health_mask: Option<u32>, health_summary: Option<u8>) -> FabricInfo {
        FabricInfo { cluster_uuid: [0xab; 16], status, clique_id: 7, state, health_mask, health_summary }
    }

    #[test]
    fn a_registration_is_what_the_header_says() {
        let fabric = |info| Fabric::of(info).expect("possible");
        assert_eq!(fabric(info(0, 0, Some(0), Some(0))), Fabric::default(), "no fabric");
        let well = fabric(info(3, 0, Some(0x21aa), Some(1)));
        assert_eq!(well.registered, Some(true));
        assert_eq!(well.cluster_uuid.as_deref(), Some("abababab-abab-abab-abab-abababababab"));
        assert_eq!((well.clique_id, well.health), (Some(7), Some(Health::Healthy)));
        let problems = |fabric: &Fabric| {
            [
                fabric.degraded_bandwidth,
                fabric.route_recovery,
                fabric.route_unhealthy,
                fabric.access_timeout_recovery,
                fabric.partition_assigned,
            ]
        };
        assert_eq!(problems(&well), [Some(false); 5]);
        assert_eq!(well.configuration, Some(CORRECT));
        let ill = fabric(info(3, 0, Some(0x1591), Some(2)));
        assert_eq!(problems(&ill), [Some(true), None, Some(true), Some(false), Some(true)]);
        assert_eq!((ill.configuration, ill.health), (Some(5), Some(Health::Unhealthy)));
        let failed = fabric(info(3, 999, None, None));
        assert_eq!((failed.registered, failed.cluster_uuid, failed.health), (Some(false), None, None));
        assert_eq!(fabric(info(2, 0, None, None)).registered, Some(false), "not yet");
    }

    #[test]
    fn numbers_that_the_header_does_not_have_are_none() {
        for (state, summary) in [(4, 1), (255, 1), (3, 4), (3, 255)] {
            assert_eq!(Fabric::of(info(state, 0, Some(0), Some(summary))), None, "{state} {summary}");
        }
        assert_eq!(Fabric::of(info(3, 0, Some(u32::MAX), Some(1))), None);
    }
}

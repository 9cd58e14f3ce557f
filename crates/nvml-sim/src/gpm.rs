//! Performance counters of a simulated GPU (GPM): pure arithmetic, as `machine`'s.

use nvml_wrapper_sys::bindings as nvml;

use crate::machine::{Code, Gpu, NOT_SUPPORTED};
use crate::mig::Instance;

/// A reading of the counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Seconds from the scenario's origin.
    t: f64,
    /// Seconds of activity by then.
    busy: f64,
    /// The share that the counted part has of the whole GPU's work: of a MIG instance its slices.
    share: f64,
    /// How many links of NVLink there are.
    links: u32,
}

/// The counters are refreshed so often; a second reading sooner says nothing.
const REFRESH: f64 = 0.1;

/// Bytes that a busy GPU moves in a second, by direction.
const PCIE_TRANSMIT: f64 = 2e9;
const PCIE_RECEIVE: f64 = 6e9;
const NVLINK_TRANSMIT: f64 = 8e9;
const NVLINK_RECEIVE: f64 = 7e9;

/// Cycles of all SMs in a second.
const SM_CYCLES: f64 = 132.0 * 1.98e9;

const MIB: f64 = 1_048_576.0;

impl Reading {
    /// The counters of the whole GPU.
    pub(crate) fn of(gpu: Gpu<'_>) -> Result<Self, Code> {
        if !is_supported(gpu) || gpu.group.mig {
            return Err(NOT_SUPPORTED);
        }
        Ok(Self { t: gpu.t, busy: gpu.busy(gpu.t), share: 1.0, links: gpu.card().nvlinks })
    }

    /// The counters of a GPU instance.
    pub(crate) fn of_instance(instance: Instance<'_>) -> Result<Self, Code> {
        let gpu = instance.gpu;
        if !is_supported(gpu) {
            return Err(NOT_SUPPORTED);
        }
        Ok(Self { t: gpu.t, busy: gpu.busy(gpu.t), share: instance.share(), links: 0 })
    }

    /// A metric of the time between two readings, by its number in nvml.h.
    pub(crate) fn metric(id: u32, before: Self, after: Self) -> Result<f64, Code> {
        let seconds = after.t - before.t;
        // Some microseconds early are on time.
        let activity =
            if seconds < REFRESH - 0.005 { f64::NAN } else { (after.busy - before.busy) / seconds };
        // An SM of Hopper's has a clock of some GHz; there are 132.
        let cycles = |share: f64| Ok(after.busy * share * SM_CYCLES);
        let percent = |share: f64| Ok(activity * share * 100.0);
        let traffic = |bytes: f64| Ok(activity * bytes * after.share / MIB);
        match id {
            1 => percent(1.0),
            2 => percent(0.9),
            3 => percent(0.4),
            4 => percent(0.1),
            5 | 7 => percent(0.5),
            10 => percent(0.45),
            13 => percent(0.05),
            20 => traffic(PCIE_TRANSMIT),
            21 => traffic(PCIE_RECEIVE),
            // FP32, and seven decoders of video.
            12 | 30..=36 => percent(0.2),
            // Other operations, seven decoders of pictures, and one engine for optical flow.
            6 | 8 | 9 | 11 | 40..=46 | 50 => percent(0.0),
            248 => Ok(after.t * SM_CYCLES),
            249 => cycles(0.9),
            250 | 252 => cycles(0.5),
            251 | 253 | 254 | 258 => cycles(0.0),
            257 => cycles(0.1),
            259 => cycles(0.2),
            260 => cycles(0.05),
            60 => traffic(NVLINK_RECEIVE * f64::from(after.links)),
            61 => traffic(NVLINK_TRANSMIT * f64::from(after.links)),
            _ => Err(NOT_SUPPORTED),
        }
    }
}

/// Whether the card has such counters: Hopper and later.
pub(crate) fn is_supported(gpu: Gpu<'_>) -> bool {
    gpu.card().data_centre && gpu.card().architecture >= nvml::NVML_DEVICE_ARCH_HOPPER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn metrics_are_of_the_time_between_two_readings() {
        let text = "description: x\ngpus: [{ model: h100-sxm, utilization: { constant: 0.5 } }, { model: l40s }, { model: h100-sxm, mig: true }]\n";
        let scenario = Scenario::parse(text, Path::new("test")).expect("a good scenario");
        let reading = |gpu, t| Reading::of(Gpu::at(&scenario, gpu, t).expect("a GPU"));
        let (before, after) = (reading(0, 1.0).expect("counters"), reading(0, 2.0).expect("counters"));
        assert_eq!(Reading::metric(2, before, after), Ok(45.0));
        assert_eq!(Reading::metric(37, before, after), Err(NOT_SUPPORTED));
        let soon = reading(0, 1.05).expect("counters");
        assert!(Reading::metric(2, before, soon).is_ok_and(f64::is_nan), "not refreshed yet");
        assert_eq!(reading(1, 1.0).err(), Some(NOT_SUPPORTED), "no counters on an L40S");
        assert_eq!(reading(2, 1.0).err(), Some(NOT_SUPPORTED), "those of the instances");
    }
}

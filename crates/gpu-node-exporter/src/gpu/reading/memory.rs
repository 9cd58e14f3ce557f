//! Frame buffer memory, and the most of it that was used.

use std::fmt::{self, Debug};

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::histogram::Histogram;
use crate::gpu::nvml::{Ask, Cached, Device, NvmlError, raw};
use crate::gpu::peak::{Peak, WINDOW_LABEL};
use crate::gpu::subject::{Said, Shown, Step, Subject, each, each_by, each_histogram};
use crate::units::Bytes;

readings! {
    /// `total` is `used` + `free` + `reserved`, where the driver reports `reserved`.
    struct Memory {
        total: Bytes,
        used: Bytes,
        free: Bytes,
        reserved: Bytes,
    }
}

/// How much of the memory was used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Use {
    peak: Peak<Bytes>,
    shares: Histogram,
}

/// Sizes as the driver says them, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    total: u64,
    used: u64,
    free: u64,
    reserved: Option<u64>,
}

/// In words, for logs.
impl Debug for Parts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, used, free, reserved } = self;
        write!(out, "total {total}, used {used}, free {free}")?;
        reserved.map_or(Ok(()), |reserved| write!(out, ", reserved {reserved}"))
    }
}

/// A petabyte, which no GPU has.
const MOST_BYTES: u64 = 1 << 50;

impl Parts {
    /// By `nvmlDeviceGetMemoryInfo_v2`.
    fn present(device: &Device<'_>) -> Result<Self, NvmlError> {
        let memory = device.memory_info()?;
        Ok(Self {
            total: memory.total,
            used: memory.used,
            free: memory.free,
            reserved: Some(memory.reserved),
        })
    }

    /// By the first version of the call, which drivers before R510 have alone.
    fn first_version(device: &Device<'_>) -> Result<Self, NvmlError> {
        let (total, used, free) = raw::memory(device)?;
        Ok(Self { total, used, free, reserved: None })
    }

    /// By the present call, or the first version where the driver lacks it.
    pub(super) fn of(device: &Device<'_>) -> Result<Self, NvmlError> {
        match Self::present(device) {
            Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => {
                Self::first_version(device)
            }
            answer => answer,
        }
    }

    /// `None` where a part is more than the whole: there is no telling which number is wrong.
    pub(super) fn memory(self) -> Option<Memory> {
        let Self { total, used, free, reserved } = self;
        let is_possible =
            total <= MOST_BYTES && [used, free, reserved.unwrap_or(0)].into_iter().all(|part| part <= total);
        is_possible.then(|| Memory {
            total: Some(Bytes(total)),
            used: Some(Bytes(used)),
            free: Some(Bytes(free)),
            reserved: reserved.map(Bytes),
        })
    }
}

/// The reading by `nvmlDeviceGetMemoryInfo_v2`.
const PRESENT_CALL: &str = "memory";

impl Subject for Memory {
    /// Whether it is the machine's.
    type Kept = Cached<bool>;
    type Sums = Use;

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        // What a driver says of it all the same is said to be wrong.
        if kept.once(ask, is_unified) {
            return Self::default();
        }
        let now = ask.ask(PRESENT_CALL, Parts::present);
        if let Some(parts) = now {
            return ask.meaning(PRESENT_CALL, parts, Parts::memory).unwrap_or_default();
        }
        // Drivers before R510 lack the second version of this call. It must not stand in for one that failed: what it
        // calls used is more.
        if !ask.lacks(PRESENT_CALL) {
            return Self::default();
        }
        let memory = ask.quantity("memory (first version)", Parts::first_version, Parts::memory);
        // As in MIG mode, where everything hangs on it.
        if memory.is_none() && ask.is_forbidden(PRESENT_CALL) {
            ask.note_forbidden(PRESENT_CALL);
        }
        memory.unwrap_or_default()
    }

    fn add_to(&self, sums: &mut Use, step: Step) {
        sums.peak.forget(step.now);
        let Some(used) = self.used else { return };
        sums.peak.add(step.now, used);
        if let Some(total) = self.total.filter(|total| total.0 > 0) {
            sums.shares.add(used.0 as f64 / total.0 as f64);
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(
                Family::gauge(
                    "gpu_memory_used_bytes",
                    "Memory allocated, without reserved memory; with it on drivers before R510, which do not tell the two apart.",
                ),
                gpus,
                |gpu| gpu.reading.used,
            ),
            each(Family::gauge("gpu_memory_free_bytes", "Memory free to allocate."), gpus, |gpu| {
                gpu.reading.free
            }),
            each_by(
                Family::gauge(
                    "gpu_memory_used_max_bytes",
                    "Most memory used in the window before the last sample, of all samples in it.",
                ),
                WINDOW_LABEL.0,
                gpus,
                |gpu| [(WINDOW_LABEL.1, gpu.sums.peak.max())],
            ),
            each_histogram(
                "gpu_memory_used_sample_ratio",
                "Memory used as a share of all of it, of all samples since the exporter started.",
                gpus,
                |sums| &sums.shares,
            ),
        ]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(
                Family::gauge("gpu_memory_total_bytes", "Memory of the GPU, reserved memory included."),
                gpus,
                |gpu| gpu.reading.total,
            ),
            each(
                Family::gauge("gpu_memory_reserved_bytes", "Memory held back by driver and firmware."),
                gpus,
                |gpu| gpu.reading.reserved,
            ),
        ]
    }

    fn is_seldom_same((now, _): Said<'_, Self>, (before, _): Said<'_, Self>) -> bool {
        (now.total, now.reserved) == (before.total, before.reserved)
    }
}

/// The chips that have a GPU beside the CPU, in whose memory it works, by compute capability: Tegra X1 to Thor, and GB10.
const SYSTEMS_ON_CHIP: [(i32, i32); 7] = [(5, 3), (6, 2), (7, 2), (8, 7), (10, 1), (11, 0), (12, 1)];

/// Whether the GPU has no memory of its own. Such a one refuses both versions of the call (nvml.h, `nvmlDeviceGetMemoryInfo`); what is
/// refused for want of a permission says nothing.
pub(super) fn is_unified(ask: &mut Ask<'_>) -> bool {
    let is_on_chip = ask
        .ask("compute capability", Device::cuda_compute_capability)
        .is_some_and(|version| SYSTEMS_ON_CHIP.contains(&(version.major, version.minor)));
    is_on_chip
        || ask
            .ask("memory of its own", |device| match (Parts::of(device), raw::memory(device)) {
                (Err(NvmlError::NotSupported), Err(NvmlError::NotSupported)) => Ok(true),
                _ => Ok(false),
            })
            .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_is_more_than_the_whole() {
        for (total, used, free, reserved, is_possible) in [
            (80, 50, 28, Some(2), true),
            (80, 50, 30, None, true),
            (0, 0, 0, None, true),
            (80, 81, 0, Some(0), false),
            (80, 0, 81, None, false),
            (80, 40, 40, Some(81), false),
            (80, u64::MAX, 0, Some(0), false),
            (u64::MAX, u64::MAX, u64::MAX, Some(u64::MAX), false),
            (u64::MAX, 50, 30, Some(0), false),
        ] {
            let parts = Parts { total, used, free, reserved };
            assert_eq!(parts.memory().is_some(), is_possible, "{parts:?}");
        }
    }
}

//! Frame buffer memory, and the most of it that was used.

mod peak;

use self::peak::{Peak, WINDOW};
use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Device, raw};
use crate::gpu::subject::{Shown, Step, Subject, each};
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

/// The reading by `nvmlDeviceGetMemoryInfo_v2`.
const PRESENT_CALL: &str = "memory";

impl Subject for Memory {
    type Kept = ();
    /// Of `used`.
    type Sums = Peak;

    fn read(ask: &mut Ask<'_>, (): &mut ()) -> Self {
        let now = ask.ask(PRESENT_CALL, Device::memory_info);
        if let Some(memory) = now {
            return Self {
                total: Some(Bytes(memory.total)),
                used: Some(Bytes(memory.used)),
                free: Some(Bytes(memory.free)),
                reserved: Some(Bytes(memory.reserved)),
            };
        }
        // Drivers before R510 lack the second version of this call. It must not stand in for one that failed: what it
        // calls used is more.
        if !ask.lacks(PRESENT_CALL) {
            return Self::default();
        }
        let first = ask.ask("memory (first version)", raw::memory);
        first.map_or_else(Self::default, |(total, used, free)| Self {
            total: Some(Bytes(total)),
            used: Some(Bytes(used)),
            free: Some(Bytes(free)),
            reserved: None,
        })
    }

    fn add_to(&self, peak: &mut Peak, step: Step) {
        if let Some(used) = self.used {
            peak.add(step.now, used);
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let window = format!("{}s", WINDOW.as_secs());
        let mut peak = Family::gauge(
            "gpu_memory_used_max_bytes",
            "Most memory used in the window before this moment, of all samples in it.",
        );
        for gpu in gpus {
            if let Some(bytes) = gpu.sums.max(gpu.now) {
                peak.push(gpu.labels.and([("window", window.as_str())]), bytes);
            }
        }
        vec![
            each(
                Family::gauge("gpu_memory_total_bytes", "Memory of the GPU, reserved memory included."),
                gpus,
                |gpu| gpu.reading.total,
            ),
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
            each(
                Family::gauge("gpu_memory_reserved_bytes", "Memory held back by driver and firmware."),
                gpus,
                |gpu| gpu.reading.reserved,
            ),
            peak,
        ]
    }
}

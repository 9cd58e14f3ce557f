//! Repairs of the chip that wait for a reset, and memory that cannot be repaired any more.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, flag, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The repairs of one GPU.
    struct Repairs {
        /// Of a memory channel.
        channel_pending: bool,
        /// Of a texture processing cluster (TPC).
        tpc_pending: bool,
        /// The board is to be replaced.
        unrepairable_memory: bool,
    }
}

impl Subject for Repairs {
    type Kept = Cached<Self>;
    type Sums = ();

    /// By `nvmlDeviceGetRepairStatus`, which drivers have since R580, and `nvmlDeviceGetUnrepairableMemoryFlag_v1`, since R590.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let pending = ask.ask("pending repairs", raw::pending_repairs);
            let mut is_pending =
                |name, part: Option<u32>| part.and_then(|number| ask.meaning(name, number, flag));
            Self {
                channel_pending: is_pending("channel repair", pending.map(|(channel, _)| channel)),
                tpc_pending: is_pending("TPC repair", pending.map(|(_, tpc)| tpc)),
                unrepairable_memory: ask.quantity("unrepairable memory", raw::unrepairable_memory, flag),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::gauge("gpu_repair_pending", "Whether a repair of this part waits for a reset."),
                "part",
                gpus,
                |gpu| [("channel", gpu.reading.channel_pending), ("tpc", gpu.reading.tpc_pending)],
            ),
            each(
                Family::gauge(
                    "gpu_unrepairable_memory",
                    "Whether memory is broken beyond repair: the board is to be replaced.",
                ),
                gpus,
                |gpu| gpu.reading.unrepairable_memory,
            ),
        ]
    }
}

//! Pages of memory that were taken out of use. Before Ampere; newer cards remap rows.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::RetirementCause;
use crate::gpu::nvml::{Ask, Cached, Device, raw};
use crate::gpu::subject::{Shown, Subject, each, each_by};

readings! {
    /// The retired pages of one GPU.
    struct RetiredPages {
        single_bit: u32,
        double_bit: u32,
        pending: bool,
    }
}

/// More than any board retires: that is 64 (NVIDIA, Dynamic Page Retirement).
const MOST_PAGES: u32 = 4096;

impl Subject for RetiredPages {
    type Kept = Cached<Self>;
    type Sums = ();

    /// By `nvmlDeviceGetRetiredPages` and `nvmlDeviceGetRetiredPagesPendingStatus`.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let possible = |pages| (pages <= MOST_PAGES).then_some(pages);
            let mut pages =
                |name, cause| ask.quantity(name, |device| raw::retired_pages(device, &cause), possible);
            let multiple = RetirementCause::MultipleSingleBitEccErrors;
            Self {
                single_bit: pages("retired pages (single bit)", multiple),
                double_bit: pages("retired pages (double bit)", RetirementCause::DoubleBitEccError),
                pending: ask.ask("pending page retirement", Device::are_pages_pending_retired),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::gauge("gpu_retired_pages", "Memory pages taken out of use, before Ampere."),
                "cause",
                gpus,
                |gpu| [("single_bit", gpu.reading.single_bit), ("double_bit", gpu.reading.double_bit)],
            ),
            each(
                Family::gauge(
                    "gpu_retired_pages_pending",
                    "Whether memory pages are taken out of use at the next reset.",
                ),
                gpus,
                |gpu| gpu.reading.pending,
            ),
        ]
    }
}

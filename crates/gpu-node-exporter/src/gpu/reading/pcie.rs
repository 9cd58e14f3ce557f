//! The PCIe link to the host.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Device, Field, field_id};
use crate::gpu::subject::{Said, Shown, Subject, each};
use crate::units::Bytes;

readings! {
    /// The PCIe link of one GPU.
    struct Pcie {
        transmitted: Bytes,
        received: Bytes,
        replays: u32,
        generation: u32,
        width: u32,
        max_generation: u32,
        max_width: u32,
    }
}

/// Of PCIe, with room for those to come: the seventh is specified.
const LAST_GENERATION: u32 = 15;

/// A link has 32 lanes at most (PCI Express base specification).
const MOST_LANES: u32 = 32;

/// Numbers up to this one.
fn up_to(most: u32) -> impl Fn(u32) -> Option<u32> {
    move |number| (number <= most).then_some(number)
}

impl Subject for Pcie {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        // Counters that grow all the time are read in each sweep: an older one would make a constant rate look like waves.
        let [transmitted, received] = ask.fields(
            "PCIe byte counters",
            [
                Field::new("PCIe bytes transmitted", field_id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES),
                Field::new("PCIe bytes received", field_id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES),
            ],
        );
        let seldom = kept.seldom(ask, |ask| Self {
            transmitted: None,
            received: None,
            replays: ask.quantity("PCIe replays", Device::pcie_replay_counter, up_to(u32::MAX - 1)),
            generation: ask.quantity(
                "PCIe generation",
                Device::current_pcie_link_gen,
                up_to(LAST_GENERATION),
            ),
            width: ask.quantity("PCIe width", Device::current_pcie_link_width, up_to(MOST_LANES)),
            max_generation: ask.quantity(
                "maximum PCIe generation",
                Device::max_pcie_link_gen,
                up_to(LAST_GENERATION),
            ),
            max_width: ask.quantity("maximum PCIe width", Device::max_pcie_link_width, up_to(MOST_LANES)),
        });
        Self { transmitted: transmitted.map(Bytes), received: received.map(Bytes), ..seldom }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(Family::counter("gpu_pcie_transmit_bytes_total", "Bytes sent over PCIe."), gpus, |gpu| {
                gpu.reading.transmitted
            }),
            each(Family::counter("gpu_pcie_receive_bytes_total", "Bytes received over PCIe."), gpus, |gpu| {
                gpu.reading.received
            }),
        ]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(
                Family::counter(
                    "gpu_pcie_replays_total",
                    "PCIe packets sent again, since the driver was loaded.",
                ),
                gpus,
                |gpu| gpu.reading.replays,
            ),
            each(
                Family::gauge(
                    "gpu_pcie_link_generation",
                    "PCIe generation of the link now; an idle GPU lowers it.",
                ),
                gpus,
                |gpu| gpu.reading.generation,
            ),
            each(Family::gauge("gpu_pcie_link_width", "PCIe lanes in use now."), gpus, |gpu| {
                gpu.reading.width
            }),
            each(
                Family::gauge("gpu_pcie_link_max_generation", "Highest PCIe generation of GPU and slot."),
                gpus,
                |gpu| gpu.reading.max_generation,
            ),
            each(Family::gauge("gpu_pcie_link_max_width", "Most PCIe lanes of GPU and slot."), gpus, |gpu| {
                gpu.reading.max_width
            }),
        ]
    }

    fn is_seldom_same((now, ()): Said<'_, Self>, (before, ()): Said<'_, Self>) -> bool {
        let Self { transmitted, received, .. } = *before;
        *before == Self { transmitted, received, ..now.clone() }
    }
}

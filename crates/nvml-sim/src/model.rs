//! What the simulated cards are: names, sizes and limits, and what each can not say.
//!
//! Figures are the vendor's data sheets' where published; the rest is plausible and only has to be consistent.

mod cards;

use serde::Deserialize;

use self::cards::{B200, GB10, GH200, H100_SXM, L40S, RTX_4090, T4};

/// A card type a scenario can name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Model {
    /// A data-centre card: ECC, row remapping, memory temperature, NVLink, GPM, MIG; no fan.
    H100Sxm,
    /// A module with a CPU, which it reaches by NVLink-C2C and whose memory it addresses.
    Gh200,
    /// A data-centre card with NVLink 5 and workload power profiles.
    B200,
    /// A data-centre card without NVLink, GPM and MIG.
    L40s,
    /// An older data-centre card: retired pages instead of remapped rows, no memory temperature, no thermal margin.
    T4,
    /// A GPU beside the CPU, in whose memory it works: no memory of its own, no power limit, no PCIe counters.
    Gb10,
    /// A consumer card: a fan; no ECC, no remapping, no memory temperature, no byte counters, no NVLink.
    Rtx4090,
}

/// The constants of one card type.
#[expect(clippy::struct_excessive_bools, reason = "each is something that a card has or has not")]
pub(crate) struct Card {
    pub(crate) name: &'static str,
    /// `nvmlBrandType_t`.
    pub(crate) brand: u32,
    /// `nvmlDeviceArchitecture_t`.
    pub(crate) architecture: u32,
    pub(crate) compute_capability: (i32, i32),
    /// PCI device id and vendor id as NVML packs them.
    pub(crate) pci_device: u32,
    pub(crate) vbios: &'static str,
    /// 0 for a GPU that works in the machine's memory.
    pub(crate) memory_total: u64,
    /// Held back by the driver and firmware; part of neither used nor free.
    pub(crate) memory_reserved: u64,
    pub(crate) idle_watts: f64,
    pub(crate) limit_watts: f64,
    pub(crate) idle_celsius: f64,
    pub(crate) busy_celsius: f64,
    pub(crate) slowdown_celsius: u32,
    pub(crate) shutdown_celsius: u32,
    pub(crate) gpu_max_celsius: u32,
    pub(crate) memory_max_celsius: Option<u32>,
    pub(crate) max_graphics_mhz: u32,
    pub(crate) max_memory_mhz: u32,
    pub(crate) max_video_mhz: u32,
    pub(crate) idle_graphics_mhz: u32,
    pub(crate) pcie_generation: u32,
    pub(crate) pcie_width: u32,
    pub(crate) fans: u32,
    /// How many the chip has, connected or not.
    pub(crate) nvlinks: u32,
    /// Links to the CPU of a module.
    pub(crate) c2c_links: u32,
    /// ECC counters, PCIe counters, recovery action: what only data-centre cards report.
    pub(crate) data_centre: bool,
    /// What is done about broken memory.
    pub(crate) repair: Repair,
    pub(crate) has_memory_temperature: bool,
    /// The margin to the thermal limits, and the limits as margins (since Ada).
    pub(crate) has_thermal_margin: bool,
    pub(crate) has_mig: bool,
}

/// How a card goes on with broken memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// It does nothing that it reports.
    None,
    /// It takes pages out of use (before Ampere).
    RetiresPages,
    /// It replaces rows by spare ones (since Ampere).
    RemapsRows,
}

impl Model {
    pub(crate) fn card(self) -> &'static Card {
        match self {
            Self::H100Sxm => &H100_SXM,
            Self::Gh200 => &GH200,
            Self::B200 => &B200,
            Self::L40s => &L40S,
            Self::T4 => &T4,
            Self::Gb10 => &GB10,
            Self::Rtx4090 => &RTX_4090,
        }
    }
}

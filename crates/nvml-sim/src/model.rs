//! What the simulated cards are: names, sizes and limits, and what each can not say.
//!
//! Figures are the vendor's data sheets' where published; the rest is plausible and only has to be consistent.

use serde::Deserialize;

/// A card type a scenario can name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Model {
    /// A data-centre card: ECC, row remapping, memory temperature, NVLink; no fan.
    H100Sxm,
    /// A consumer card: a fan; no ECC, no remapping, no memory temperature, no byte counters, no NVLink.
    Rtx4090,
}

/// The constants of one card type.
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
    /// ECC counters, row remapping, PCIe byte counters, recovery action: what only data-centre cards report.
    pub(crate) data_centre: bool,
}

impl Model {
    pub(crate) fn card(self) -> &'static Card {
        match self {
            Self::H100Sxm => &H100_SXM,
            Self::Rtx4090 => &RTX_4090,
        }
    }
}

const MIB: u64 = 1 << 20;

static H100_SXM: Card = Card {
    name: "NVIDIA H100 80GB HBM3",
    brand: nvml_wrapper_sys::bindings::nvmlBrandType_enum_NVML_BRAND_NVIDIA,
    architecture: nvml_wrapper_sys::bindings::NVML_DEVICE_ARCH_HOPPER,
    compute_capability: (9, 0),
    pci_device: 0x2330_10DE,
    vbios: "96.00.89.00.01",
    memory_total: 81_559 * MIB,
    memory_reserved: 551 * MIB,
    idle_watts: 70.0,
    limit_watts: 700.0,
    idle_celsius: 30.0,
    busy_celsius: 68.0,
    slowdown_celsius: 89,
    shutdown_celsius: 92,
    gpu_max_celsius: 87,
    memory_max_celsius: Some(95),
    max_graphics_mhz: 1980,
    max_memory_mhz: 2619,
    max_video_mhz: 1545,
    idle_graphics_mhz: 345,
    pcie_generation: 5,
    pcie_width: 16,
    fans: 0,
    nvlinks: 18,
    data_centre: true,
};

static RTX_4090: Card = Card {
    name: "NVIDIA GeForce RTX 4090",
    brand: nvml_wrapper_sys::bindings::nvmlBrandType_enum_NVML_BRAND_GEFORCE,
    architecture: nvml_wrapper_sys::bindings::NVML_DEVICE_ARCH_ADA,
    compute_capability: (8, 9),
    pci_device: 0x2684_10DE,
    vbios: "95.02.18.80.5f",
    memory_total: 24_564 * MIB,
    memory_reserved: 413 * MIB,
    idle_watts: 25.0,
    limit_watts: 450.0,
    idle_celsius: 35.0,
    busy_celsius: 72.0,
    slowdown_celsius: 90,
    shutdown_celsius: 100,
    gpu_max_celsius: 84,
    memory_max_celsius: None,
    max_graphics_mhz: 3105,
    max_memory_mhz: 10_501,
    max_video_mhz: 2415,
    idle_graphics_mhz: 210,
    pcie_generation: 4,
    pcie_width: 16,
    fans: 2,
    nvlinks: 0,
    data_centre: false,
};

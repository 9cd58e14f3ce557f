//! Who a GPU is: constant while the driver is loaded.

use crate::family::{Family, Labels};
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Device, raw};
use crate::gpu::pci;
use crate::gpu::subject::{Shown, Subject, known_labels};

use super::memory::is_unified;

readings! {
    /// What identifies a GPU, beside its UUID.
    struct Identity {
        /// As sysfs writes it: `0000:17:00.0`.
        pci_bus_id: String,
        name: String,
        brand: String,
        architecture: String,
        /// As `9.0`.
        compute_capability: String,
        serial: String,
        vbios_version: String,
        /// The number in `/dev/nvidiaN`.
        minor_number: u32,
        /// It works in the machine's memory.
        unified_memory: bool,
    }
}

/// Linux has 20 bits for the minor number of a device.
const MINOR_NUMBERS: u32 = 1 << 20;

impl Subject for Identity {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.once(ask, |ask| Self {
            pci_bus_id: ask.ask("PCI address", Device::pci_info).map(|pci| pci::sysfs_address(&pci.bus_id)),
            name: ask.ask("name", Device::name),
            brand: ask.ask("brand", Device::brand).map(|brand| format!("{brand:?}")),
            architecture: ask.quantity("architecture", raw::architecture, architecture_of),
            compute_capability: ask.quantity(
                "compute capability",
                |device| device.cuda_compute_capability().map(|version| (version.major, version.minor)),
                |(major, minor)| {
                    let is_possible = (1..100).contains(&major) && (0..100).contains(&minor);
                    is_possible.then(|| format!("{major}.{minor}"))
                },
            ),
            serial: ask.ask("serial number", Device::serial),
            vbios_version: ask.ask("VBIOS version", Device::vbios_version),
            minor_number: ask.quantity("minor number", Device::minor_number, |minor| {
                (minor < MINOR_NUMBERS).then_some(minor)
            }),
            unified_memory: is_unified(ask).then_some(true),
        })
    }

    /// None here: [`info`] shows it, for GPUs that do not answer too.
    fn families(_gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        Vec::new()
    }
}

/// The architectures by number, from 2 on (`NVML_DEVICE_ARCH_…` of nvml.h 13.3).
const ARCHITECTURES: [&str; 12] = [
    "Kepler",
    "Maxwell",
    "Pascal",
    "Volta",
    "Turing",
    "Ampere",
    "Ada",
    "Hopper",
    "Blackwell",
    "11",
    "12",
    "Rubin",
];

/// The architecture's name; one that is newer than this program has its number for a name. `None` is what the driver does not know.
fn architecture_of(number: u32) -> Option<String> {
    let name = number.checked_sub(2).and_then(|at| ARCHITECTURES.get(at as usize));
    let is_known = number != u32::MAX;
    is_known.then(|| name.map_or_else(|| number.to_string(), |name| (*name).to_owned()))
}

/// What each GPU is, by what it said when it last answered.
pub(crate) fn info<'a>(gpus: impl Iterator<Item = (Labels, &'a Identity)>) -> Family {
    let mut info = Family::info(
        "gpu_info",
        "What a GPU is; join on `uuid`. Stays for one that is lost: its serial number is wanted when it is replaced.",
    );
    for (labels, known) in gpus {
        let minor = known.minor_number.map(|minor| minor.to_string());
        let more = [
            ("name", known.name.as_deref()),
            ("pci_bus_id", known.pci_bus_id.as_deref()),
            ("brand", known.brand.as_deref()),
            ("architecture", known.architecture.as_deref()),
            ("compute_capability", known.compute_capability.as_deref()),
            ("serial", known.serial.as_deref()),
            ("vbios_version", known.vbios_version.as_deref()),
            ("minor_number", minor.as_deref()),
            ("memory", known.unified_memory.and_then(|is_unified| is_unified.then_some("unified"))),
        ];
        info.push(known_labels(&labels, more), 1_u64);
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_that_is_newer_has_its_number_for_a_name() {
        for (number, expected) in [
            (2, Some("Kepler")),
            (9, Some("Hopper")),
            (10, Some("Blackwell")),
            (13, Some("Rubin")),
            (14, Some("14")),
            (0, Some("0")),
            (u32::MAX, None),
        ] {
            assert_eq!(architecture_of(number).as_deref(), expected, "{number}");
        }
    }
}

//! Which GPUs should be here: what of their absence is a fault, and what is how this machine is.

use super::driver::{Failure, FailureReason};
use super::pci::PciGpu;
use super::settings::GpuSettings;

/// True when a failure is no trouble: no library was named, and the bus has no GPU for the NVIDIA driver to find.
pub(super) fn is_nothing_expected(settings: &GpuSettings, failure: &Failure, pci: &[PciGpu]) -> bool {
    let is_absence =
        matches!(failure.reason, FailureReason::LibraryNotLoaded | FailureReason::DriverNotLoaded);
    settings.library.is_none() && is_absence && !pci.iter().any(PciGpu::is_for_nvidia_driver)
}

/// Whether every GPU on the PCI bus should be shown by the driver of this process.
pub(super) fn expects_all_pci_gpus_here() -> bool {
    expects_all_pci_gpus(std::env::var("NVIDIA_VISIBLE_DEVICES").ok().as_deref())
}

/// A container given only some GPUs sees the others on the bus, where they are no loss. The container toolkit says
/// which were given in `NVIDIA_VISIBLE_DEVICES`; outside containers it is not set.
fn expects_all_pci_gpus(visible_devices: Option<&str>) -> bool {
    matches!(visible_devices, None | Some("all"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_machine_without_gpus_expects_nothing() {
        let settings = |library: Option<&str>| GpuSettings {
            library: library.map(PathBuf::from),
            ..GpuSettings::default()
        };
        let failure = |reason| Failure { reason, message: String::new() };
        let gpu =
            |driver: &str| PciGpu { address: "0000:17:00.0".to_owned(), driver: Some(driver.to_owned()) };
        let absent = failure(FailureReason::LibraryNotLoaded);
        for (library, failure, pci, expected) in [
            (None, &absent, vec![], true),
            (None, &absent, vec![gpu("vfio-pci")], true),
            (None, &absent, vec![gpu("nvidia")], false),
            (Some("/wrong.so"), &absent, vec![], false),
            (None, &failure(FailureReason::VersionMismatch), vec![], false),
        ] {
            assert_eq!(
                is_nothing_expected(&settings(library), failure, &pci),
                expected,
                "{library:?} {pci:?}"
            );
        }
    }

    #[test]
    fn a_container_with_some_gpus_does_not_miss_the_others() {
        for (visible, expected) in
            [(None, true), (Some("all"), true), (Some("0,1"), false), (Some("void"), false)]
        {
            assert_eq!(expects_all_pci_gpus(visible), expected, "{visible:?}");
        }
    }
}

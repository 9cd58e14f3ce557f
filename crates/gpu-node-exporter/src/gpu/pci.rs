//! NVIDIA display and 3D controllers on the PCI bus, from sysfs: what should be there, whatever the driver says.

use std::fs;
use std::io;
use std::path::Path;

/// One NVIDIA GPU as the bus sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PciGpu {
    /// As sysfs names it: `0000:17:00.0`.
    pub(crate) address: String,
    /// The kernel driver bound to it.
    pub(crate) driver: Option<String>,
}

impl PciGpu {
    /// False when another driver has it on purpose: `vfio-pci` for a virtual machine, `nouveau` on a desktop.
    pub(crate) fn is_for_nvidia_driver(&self) -> bool {
        self.driver.as_deref().is_none_or(|driver| driver == NVIDIA_DRIVER)
    }
}

/// The NVIDIA driver's name on the bus.
pub(crate) const NVIDIA_DRIVER: &str = "nvidia";

/// PCI vendor number of NVIDIA.
const NVIDIA: &str = "0x10de";

/// PCI base class of display controllers: VGA, 3D and other (PCI code and ID assignment, class 03h).
const DISPLAY_CLASS: &str = "0x03";

/// All NVIDIA GPUs under `sysfs` (usually `/sys`), in order of address. A machine without PCI has none.
pub(crate) fn gpus(sysfs: &Path) -> io::Result<Vec<PciGpu>> {
    let devices = match fs::read_dir(sysfs.join("bus/pci/devices")) {
        Ok(devices) => devices,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut gpus = Vec::new();
    for device in devices {
        let path = device?.path();
        // A device may go while it is looked at; that is not a failure of the list.
        let says = |file: &str, start: &str| {
            fs::read_to_string(path.join(file)).is_ok_and(|text| text.starts_with(start))
        };
        let Some(address) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if says("vendor", NVIDIA) && says("class", DISPLAY_CLASS) {
            let driver = fs::read_link(path.join("driver")).ok();
            let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
            gpus.push(PciGpu { address: address.to_owned(), driver: driver.map(str::to_owned) });
        }
    }
    gpus.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(gpus)
}

/// What to say of GPUs on the bus that the driver does not show.
pub(crate) fn not_shown(gpus: &[&PciGpu]) -> String {
    let addresses: Vec<_> = gpus.iter().map(|gpu| gpu.address.as_str()).collect();
    format!(
        "on the PCI bus, but not shown by the driver: {} (hint: see the kernel log for `NVRM`)",
        addresses.join(", ")
    )
}

/// NVML's `00000000:17:00.0` in sysfs' form, `0000:17:00.0`.
pub(crate) fn sysfs_address(bus_id: &str) -> String {
    let id = bus_id.to_ascii_lowercase();
    let parts =
        id.split_once(':').and_then(|(domain, rest)| Some((u32::from_str_radix(domain, 16).ok()?, rest)));
    match parts {
        Some((domain, rest)) => format!("{domain:04x}:{rest}"),
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(root: &Path, address: &str, vendor: &str, class: &str, driver: Option<&str>) {
        let folder = root.join("bus/pci/devices").join(address);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("vendor"), vendor).expect("a file");
        fs::write(folder.join("class"), class).expect("a file");
        if let Some(driver) = driver {
            std::os::unix::fs::symlink(
                Path::new("../../../bus/pci/drivers").join(driver),
                folder.join("driver"),
            )
            .expect("a link");
        }
    }

    #[test]
    fn only_nvidia_display_controllers_count() {
        let root = tempfile::tempdir().expect("a folder");
        device(root.path(), "0000:65:00.0", "0x10de\n", "0x030200\n", Some("nvidia"));
        device(root.path(), "0000:17:00.0", "0x10de\n", "0x030000\n", None);
        device(root.path(), "0000:17:00.1", "0x10de\n", "0x040300\n", Some("snd_hda_intel"));
        device(root.path(), "0000:b1:00.0", "0x10de\n", "0x030200\n", Some("vfio-pci"));
        device(root.path(), "0000:00:02.0", "0x8086\n", "0x030000\n", Some("i915"));
        let found = gpus(root.path()).expect("readable");
        let seen: Vec<_> =
            found.iter().map(|gpu| (gpu.address.as_str(), gpu.is_for_nvidia_driver())).collect();
        assert_eq!(seen, [("0000:17:00.0", true), ("0000:65:00.0", true), ("0000:b1:00.0", false)]);
        assert_eq!(gpus(&root.path().join("absent")).expect("no PCI is no failure"), []);
    }

    #[test]
    fn addresses_take_sysfs_form() {
        for (nvml, sysfs) in [
            ("00000000:17:00.0", "0000:17:00.0"),
            ("00000000:3B:00.0", "0000:3b:00.0"),
            ("00010000:3B:00.0", "10000:3b:00.0"),
            ("0000:3B:00.0", "0000:3b:00.0"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(sysfs_address(nvml), sysfs);
        }
    }
}

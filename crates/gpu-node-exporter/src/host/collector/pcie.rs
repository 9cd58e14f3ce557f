//! Links, errors and places of accelerators, NICs and NVMe controllers on the PCI bus, from `/sys/bus/pci/devices` (see the kernel's
//! `ABI/testing/sysfs-bus-pci` and `ABI/testing/sysfs-bus-pci-devices-aer_stats`).
//!
//! Owns, beyond `node_exporter`: which NUMA node and which root port each of them hangs on, what other collectors call it, how fast its link
//! is and could be, and the errors that the kernel counted (AER), at the device and at the root port that it hangs on. The label `pci_bus_id` is that of GPUs. What NVML says of a GPU's link is the GPU's side;
//! this is what the kernel says, also of a GPU that NVML has lost. Virtual functions are left out: their physical function stands for them.

mod errors;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::integer::integer;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::number_files::text;
use crate::host::pci::{Address, Identity, branch, is_unknown, transfers};
use crate::host::root::Root;
use crate::host::sysfs::read_once;
use crate::host::utf8::escaped;
use errors::{ERRORS, ErrorFamilies};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "pcie",
    help: "PCIe links, errors and NUMA nodes of accelerators, NICs and NVMe",
    reads: "/sys/bus/pci/devices",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(PcieCollector::new(root)),
};

struct PcieCollector {
    inventory: Inventory<Bus>,
    buffer: Buffer,
}

impl PcieCollector {
    fn new(root: &Root) -> Self {
        Self { inventory: Inventory::new(root.sys.join("bus/pci/devices")), buffer: Buffer::default() }
    }
}

impl Collector for PcieCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.inventory.look(Instant::now(), Bus::find) {
            Ok(devices) => devices.read(&mut self.buffer),
            Err(error) if error.is_absent() => {
                Collected::failed(Fault::no_data("pcie: there is no /sys/bus/pci/devices"))
            }
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// So many devices are shown. A machine with eight GPUs has some forty.
const MOST_DEVICES: usize = 1_024;

/// So many names of one device are shown, of each kind.
const MOST_NAMES: usize = 16;

/// The devices there are.
#[derive(Default)]
struct Bus {
    info: Vec<Labels>,
    names: Vec<Labels>,
    devices: Vec<Device>,
    /// Those that one of the devices hangs on.
    root_ports: Vec<RootPort>,
    /// What could not be found.
    faults: Vec<Fault>,
}

struct Device {
    labels: Labels,
    /// In the order of [`LINK`]; `None` where the device has no such file: it is not on PCIe.
    link: [Option<KeptFile>; LINK.len()],
    /// In the order of [`ERRORS`]; `None` for a device that does not report errors, or a kernel that does not handle them.
    errors: [Option<KeptFile>; ERRORS.len()],
}

struct RootPort {
    labels: Labels,
    /// Its own, like a device's: what it saw at its end of the link.
    errors: [Option<KeptFile>; ERRORS.len()],
    /// In the order of [`MESSAGES`]; `None` as for a device.
    messages: [Option<KeptFile>; MESSAGES.len()],
}

type Link = (&'static str, &'static str, &'static str, fn(&str) -> Option<Number>);

/// Files about the link, the families they become, and how they are read.
const LINK: [Link; 4] = [
    (
        "current_link_speed",
        "node_pci_link_transfers_per_second",
        "Transfers a second of each lane of the device's PCIe link, as it is now; many devices slow down when idle.",
        transfers,
    ),
    (
        "current_link_width",
        "node_pci_link_lanes",
        "Lanes of the device's PCIe link that are in use now.",
        integer,
    ),
    (
        "max_link_speed",
        "node_pci_link_max_transfers_per_second",
        "Most transfers a second of each lane that the device is capable of.",
        transfers,
    ),
    ("max_link_width", "node_pci_link_max_lanes", "Most lanes that the device is capable of.", integer),
];

/// Files with how many messages about errors came to a root port, and their severity.
const MESSAGES: [(&str, &str); 3] = [
    ("aer_rootport_total_err_cor", "correctable"),
    ("aer_rootport_total_err_nonfatal", "nonfatal"),
    ("aer_rootport_total_err_fatal", "fatal"),
];

impl Bus {
    fn find(items: Vec<Item>) -> Self {
        let mut found = Self::default();
        let mut roots = BTreeMap::new();
        let mut more = 0_usize;
        for Item { name, directory } in items {
            let Some(address) = Address::parse(&name) else { continue };
            let identity = match Identity::read(&directory) {
                Ok(Some(identity)) => identity,
                Ok(None) => continue,
                Err(fault) => {
                    found.faults.push(fault);
                    continue;
                }
            };
            let Some(class) = class(&identity).filter(|_| !directory.join("physfn").exists()) else {
                continue;
            };
            if found.devices.len() == MOST_DEVICES {
                more += 1;
                continue;
            }
            match found.add(address, class, &identity, &directory) {
                Ok(root) => roots
                    .extend(root.map(|root| (root.to_string(), directory.with_file_name(root.to_string())))),
                Err(fault) => found.faults.push(fault),
            }
        }
        found.root_ports =
            roots.iter().map(|(address, directory)| RootPort::find(address, directory)).collect();
        if more > 0 {
            found
                .faults
                .push(Fault::new(format!("pcie: {more} devices beyond {MOST_DEVICES} are not shown")));
        }
        found
    }

    /// Adds a device, and returns the root port that it hangs on.
    fn add(
        &mut self,
        address: Address,
        class: &str,
        identity: &Identity,
        directory: &Path,
    ) -> Result<Option<Address>, Fault> {
        let labels = Labels::new([("address", address.to_string())]);
        let names = names(directory);
        for (kind, name) in &names {
            self.names.push(labels.and([("kind", *kind), ("device", name)]));
        }
        let numa_node = numa_node(&directory.join("numa_node"))?;
        let link = std::fs::read_link(directory).unwrap_or_default();
        let root_port = branch(&link).first().copied().filter(|root| *root != address);
        let driver = std::fs::read_link(directory.join("driver")).ok();
        let driver = driver.as_deref().and_then(Path::file_name).map(|name| escaped(name.as_encoded_bytes()));
        self.info.push(labels.and([
            ("pci_bus_id", address.to_string()),
            ("class", class.to_owned()),
            ("device", names.first().map(|(_, name)| name.clone()).unwrap_or_default()),
            ("numa_node", numa_node.map(|node| node.to_string()).unwrap_or_default()),
            ("root_port", root_port.map(|root| root.to_string()).unwrap_or_default()),
            ("driver", driver.unwrap_or_default().into_owned()),
            ("vendor_id", format!("0x{:04x}", identity.vendor)),
            ("device_id", format!("0x{:04x}", identity.device)),
        ]));
        let link = LINK.map(|(name, ..)| kept(directory, name));
        self.devices.push(Device { labels, link, errors: ERRORS.map(|(name, _)| kept(directory, name)) });
        Ok(root_port)
    }

    fn read(&mut self, buffer: &mut Buffer) -> Collected {
        let mut info = Family::info(
            "node_pci_device_info",
            "Where an accelerator, NIC or NVMe controller is: devices with the same root_port share its link, those with the same numa_node a socket's memory. Join GPUs on pci_bus_id.",
        );
        let mut names = Family::info(
            "node_pci_device_name_info",
            "What other series call a PCI device in their label device.",
        );
        for (family, known) in [(&mut info, &self.info), (&mut names, &self.names)] {
            for labels in known {
                family.push(labels.clone(), 1_u64);
            }
        }
        let mut links = LINK.map(|(_, family, help, _)| Family::gauge(family, help));
        let mut errors = ErrorFamilies::new();
        let mut messages = Family::counter(
            "node_pci_root_port_error_messages_total",
            "Messages about errors that came to the root port, from itself and all devices below it, by severity.",
        );
        let mut faults = self.faults.clone();
        for device in &mut self.devices {
            for (((.., parse), file), family) in LINK.iter().zip(&mut device.link).zip(&mut links) {
                match reading(file.as_mut(), buffer, |text| {
                    if is_unknown(text) { Some(None) } else { parse(text).map(Some) }
                }) {
                    Ok(number) => {
                        if let Some(number) = number.flatten() {
                            family.push(device.labels.clone(), number);
                        }
                    }
                    Err(fault) => faults.push(fault),
                }
            }
            faults.extend(errors.add(&device.labels, &mut device.errors, buffer));
        }
        for port in &mut self.root_ports {
            faults.extend(errors.add(&port.labels, &mut port.errors, buffer));
            for ((_, severity), file) in MESSAGES.iter().zip(&mut port.messages) {
                match reading(file.as_mut(), buffer, integer) {
                    Ok(Some(count)) => messages.push(port.labels.and([("severity", severity)]), count),
                    Ok(None) => {}
                    Err(fault) => faults.push(fault),
                }
            }
        }
        let families = [info, names].into_iter().chain(links).chain(errors.into_array()).chain([messages]);
        Collected::new(families.collect(), faults)
    }
}

impl RootPort {
    fn find(address: &str, directory: &Path) -> Self {
        Self {
            labels: Labels::new([("address", address)]),
            errors: ERRORS.map(|(name, _)| kept(directory, name)),
            messages: MESSAGES.map(|(name, _)| kept(directory, name)),
        }
    }
}

/// A file of a device that has it.
fn kept(directory: &Path, file: &str) -> Option<KeptFile> {
    let path = directory.join(file);
    path.is_file().then(|| KeptFile::attribute(path))
}

/// The node whose memory is nearest; `None` where the machine has one node, or the firmware does not say: -1.
fn numa_node(path: &Path) -> Result<Option<u32>, Fault> {
    let Some(text) = read_once(path)?.filter(|text| text != "-1") else { return Ok(None) };
    let odd = || Fault::with_excerpt(format!("{}: expected a number", path.display()), excerpt(&text));
    text.parse().map(Some).map_err(|_| odd())
}

/// What a file says; `None` when there is none or the device has no answer.
fn reading<T>(
    file: Option<&mut KeptFile>,
    buffer: &mut Buffer,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(file) = file else { return Ok(None) };
    let Some(text) = text(file, buffer)? else { return Ok(None) };
    let odd = || file.fault(&format!("cannot be read: `{}`", excerpt(&text)));
    parse(&text).ok_or_else(odd).map(Some)
}

/// What it is in the words of this collector, by the PCI code and ID assignment; `None` for all other devices.
fn class(identity: &Identity) -> Option<&'static str> {
    const NVIDIA: u32 = 0x10de;
    match (identity.class >> 16, identity.class >> 8 & 0xff) {
        // Processing accelerators, 3D controllers, and display controllers that are no screen's (AMD Instinct).
        (0x12, _) | (0x03, 0x02 | 0x80) => Some("accelerator"),
        // A card with an outlet for a screen; those of other vendors are on most main boards.
        (0x03, 0x00) if identity.vendor == NVIDIA => Some("accelerator"),
        (0x02, _) | (0x0c, 0x06) => Some("network"),
        (0x01, 0x08) => Some("nvme"),
        _ => None,
    }
}

/// What the kernel's classes call the device: the name of InfiniBand before that of its network device.
fn names(directory: &Path) -> Vec<(&'static str, String)> {
    let mut names = Vec::new();
    // The driver of a virtual machine's devices has one of its own between.
    let own = std::iter::once(directory.to_owned());
    let virtio = entries(directory).into_iter().filter(|name| name.starts_with("virtio"));
    let directories: Vec<_> = own.chain(virtio.map(|name| directory.join(name))).collect();
    for kind in ["infiniband", "nvme", "net"] {
        let of_kind = directories.iter().flat_map(|directory| entries(&directory.join(kind)));
        names.extend(of_kind.take(MOST_NAMES).map(|name| (kind, name)));
    }
    names
}

/// Names of directories, in order.
fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> =
        directories.map(|entry| escaped(entry.file_name().as_encoded_bytes()).into_owned()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;

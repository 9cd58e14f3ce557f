//! All devices on the PCI bus, from `/sys/bus/pci/devices` (see the kernel's `ABI/testing/sysfs-bus-pci`), as `node_exporter` shows them.
//!
//! Owns what each device is and the state of its link. What a GPU host wants of it by default, with errors and places, is `pcie`'s. A value
//! that a device does not have is -1 or 0 here, which is the interface.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::integer::integer;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::number_files::text;
use crate::host::pci::{Address, Identity, branch, is_unknown, transfers};
use crate::host::root::Root;

mod names;

use names::Names;

static IDS_FILE: Flag = Flag::value(
    "collector.pcidevice.idsfile",
    "FILE",
    "",
    "Names of PCI devices; empty for the file of the distribution, if it has one",
);
static NAMES: Flag =
    Flag::switch("collector.pcidevice.names", false, "Show the names of devices beside their numbers");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "pcidevice",
    help: "all devices on the PCI bus",
    reads: "/sys/bus/pci/devices",
    is_default: false,
    waits_for: WaitsFor::Firmware,
    flags: &[&IDS_FILE, &NAMES],
    new: |flags, root| Box::new(PciCollector::new(flags, root)),
};

struct PciCollector {
    /// Where the names may be, when they are wanted.
    names: Option<Vec<PathBuf>>,
    inventory: Inventory<Bus>,
    buffer: Buffer,
}

/// Where distributions have the database.
const IDS_FILES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

/// The database has 1.5 MB.
const MOST_OF_IDS: usize = 16 * 1024 * 1024;

impl PciCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let files = flags
            .path_if_any(&IDS_FILE)
            .map_or_else(|| IDS_FILES.map(PathBuf::from).into(), |file| vec![file]);
        let inventory = Inventory::new(root.sys.join("bus/pci/devices"));
        Self { names: flags.is_on(&NAMES).then_some(files), inventory, buffer: Buffer::default() }
    }
}

impl Collector for PciCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let names = self.names.as_deref();
        match self.inventory.look(Instant::now(), |items| Bus::find(items, names)) {
            Ok(devices) => devices.read(&mut self.buffer),
            Err(error) if error.is_absent() => {
                Collected::failed(Fault::new("pcidevice: there is no /sys/bus/pci/devices"))
            }
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// A file of a device that holds a number, and the family it becomes.
struct Row {
    file: &'static str,
    family: &'static str,
    help: &'static str,
    parse: fn(&str) -> Option<Number>,
    /// What is shown for a device that does not know; `None` for nothing.
    unknown: Option<f64>,
}

const ROWS: [Row; 10] = [
    row(
        "max_link_speed",
        "node_pcidevice_max_link_transfers_per_second",
        "Value of maximum link's transfers per second (T/s)",
        transfers,
        Some(-1.0),
    ),
    row(
        "max_link_width",
        "node_pcidevice_max_link_width",
        "Value of maximum link's width (number of lanes)",
        integer,
        Some(-1.0),
    ),
    row(
        "current_link_speed",
        "node_pcidevice_current_link_transfers_per_second",
        "Value of current link's transfers per second (T/s)",
        transfers,
        Some(-1.0),
    ),
    row(
        "current_link_width",
        "node_pcidevice_current_link_width",
        "Value of current link's width (number of lanes)",
        integer,
        Some(-1.0),
    ),
    row(
        "d3cold_allowed",
        "node_pcidevice_d3cold_allowed",
        "Whether the PCIe device supports D3cold power state (0/1).",
        truth,
        Some(0.0),
    ),
    row(
        "sriov_drivers_autoprobe",
        "node_pcidevice_sriov_drivers_autoprobe",
        "Whether SR-IOV drivers autoprobe is enabled for the device (0/1).",
        truth,
        Some(0.0),
    ),
    row(
        "sriov_numvfs",
        "node_pcidevice_sriov_numvfs",
        "Number of Virtual Functions (VFs) currently enabled for SR-IOV.",
        integer,
        Some(0.0),
    ),
    row(
        "sriov_totalvfs",
        "node_pcidevice_sriov_totalvfs",
        "Total number of Virtual Functions (VFs) supported by the device.",
        integer,
        Some(0.0),
    ),
    row(
        "sriov_vf_total_msix",
        "node_pcidevice_sriov_vf_total_msix",
        "Total number of MSI-X vectors for Virtual Functions.",
        integer,
        Some(0.0),
    ),
    row(
        "numa_node",
        "node_pcidevice_numa_node",
        "NUMA node number for the PCI device. -1 indicates unknown or not available.",
        integer,
        None,
    ),
];

const fn row(
    file: &'static str,
    family: &'static str,
    help: &'static str,
    parse: fn(&str) -> Option<Number>,
    unknown: Option<f64>,
) -> Row {
    Row { file, family, help, parse, unknown }
}

/// 0 or 1.
fn truth(text: &str) -> Option<Number> {
    integer(text).map(|number| Number::from(number != Number::Whole(0)))
}

/// The states of power management, of which a device is in one.
const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

/// The devices there are.
#[derive(Default)]
struct Bus {
    info: Vec<Labels>,
    devices: Vec<Device>,
    /// What could not be found.
    faults: Vec<Fault>,
}

struct Device {
    labels: Labels,
    /// In the order of [`ROWS`]; `None` where the device has no such file.
    files: [Option<KeptFile>; ROWS.len()],
    power_state: Option<KeptFile>,
}

impl Bus {
    fn find(items: Vec<Item>, names: Option<&[PathBuf]>) -> Self {
        let mut found = Self::default();
        let mut identified = Vec::new();
        for item in items {
            let Some(address) = Address::parse(&item.name) else { continue };
            match Identity::read(&item.directory) {
                Ok(Some(identity)) => identified.push((address, identity, item.directory)),
                Ok(None) => {}
                Err(fault) => found.faults.push(fault),
            }
        }
        let names = names.map(|files| {
            let identities = identified.iter().map(|(_, identity, _)| *identity).collect();
            read_names(files, &identities).unwrap_or_else(|fault| {
                found.faults.push(fault);
                Names::default()
            })
        });
        for (address, identity, directory) in identified {
            let labels = location(address, "");
            found.info.push(info(&labels, &identity, &directory, names.as_ref()));
            let file = |file: &str| {
                let path = directory.join(file);
                path.is_file().then(|| KeptFile::attribute(path))
            };
            let files = ROWS.each_ref().map(|row| file(row.file));
            found.devices.push(Device { labels, files, power_state: file("power_state") });
        }
        found
    }

    fn read(&mut self, buffer: &mut Buffer) -> Collected {
        let mut families = ROWS.map(|row| Family::gauge(row.family, row.help));
        let mut states = Family::gauge(
            "node_pcidevice_power_state",
            "PCIe device power state, one of: D0, D1, D2, D3hot, D3cold, unknown or error.",
        );
        let mut info = Family::info(
            "node_pcidevice_info",
            "Non-numeric data from /sys/bus/pci/devices/<location>, value is always 1.",
        );
        let mut faults = self.faults.clone();
        for labels in &self.info {
            info.push(labels.clone(), 1_u64);
        }
        for device in &mut self.devices {
            for ((row, file), family) in ROWS.iter().zip(&mut device.files).zip(&mut families) {
                match reading(file.as_mut(), buffer, row.parse) {
                    Ok(Some(Number::Real(-1.0))) if row.unknown.is_none() => {}
                    Ok(number) => {
                        if let Some(number) = number.or(row.unknown.map(Number::Real)) {
                            family.push(device.labels.clone(), number);
                        }
                    }
                    Err(fault) => faults.push(fault),
                }
            }
            let state = device.power_state.as_mut().map(|file| text(file, buffer));
            match state.transpose() {
                Ok(Some(Some(now))) if !now.is_empty() => {
                    for state in POWER_STATES {
                        states.push(device.labels.and([("state", state)]), state == now);
                    }
                }
                Ok(_) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Collected::new(families.into_iter().chain([states, info]).collect(), faults)
    }
}

/// What a file says; `None` when there is none, or the device does not know.
fn reading(
    file: Option<&mut KeptFile>,
    buffer: &mut Buffer,
    parse: fn(&str) -> Option<Number>,
) -> Result<Option<Number>, Fault> {
    let Some(file) = file else { return Ok(None) };
    let Some(text) = text(file, buffer)?.filter(|text| !is_unknown(text)) else { return Ok(None) };
    let odd = || file.fault(&format!("expected a number or a speed, found `{}`", excerpt(&text)));
    parse(&text).ok_or_else(odd).map(Some)
}

/// The four labels of a place on the bus.
fn location(address: Address, prefix: &str) -> Labels {
    let names = ["segment", "bus", "device", "function"].map(|name| format!("{prefix}{name}"));
    Labels::new(names.into_iter().zip(address.parts()))
}

fn info(own: &Labels, identity: &Identity, directory: &Path, names: Option<&Names>) -> Labels {
    let branch = std::fs::read_link(directory).map(|link| branch(&link)).unwrap_or_default();
    let parent = branch.iter().rev().nth(1).map_or_else(
        || ["segment", "bus", "device", "function"].map(|_| "*".to_owned()),
        |parent| parent.parts(),
    );
    let parents =
        ["parent_segment", "parent_bus", "parent_device", "parent_function"].into_iter().zip(parent);
    let Identity { class, vendor, device, subsystem_vendor, subsystem_device, revision } = identity;
    let numbers = [
        ("class_id", format!("0x{class:06x}")),
        ("vendor_id", format!("0x{vendor:04x}")),
        ("device_id", format!("0x{device:04x}")),
        ("subsystem_vendor_id", format!("0x{subsystem_vendor:04x}")),
        ("subsystem_device_id", format!("0x{subsystem_device:04x}")),
        ("revision", format!("0x{revision:02x}")),
    ];
    let names = names.map(|names| names.labels(identity)).into_iter().flatten();
    own.and(parents.chain(numbers).chain(names))
}

/// From the first of the files that is there. A distribution need not have one; a file that was named has to be there.
fn read_names(files: &[PathBuf], identities: &BTreeSet<Identity>) -> Result<Names, Fault> {
    let mut buffer = Buffer::default();
    for path in files {
        match KeptFile::new(path.clone()).at_most(MOST_OF_IDS).read(&mut buffer) {
            Ok(text) => return Ok(Names::parse(text, identities)),
            Err(error) if error.is_absent() && files.len() > 1 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Names::default())
}

#[cfg(test)]
mod tests;

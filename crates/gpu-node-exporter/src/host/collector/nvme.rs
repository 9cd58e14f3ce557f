//! NVMe controllers and their namespaces, from `/sys/class/nvme`.
//!
//! Owns what a controller says of itself, and the size of its namespaces. Where the kernel joins the paths to a namespace
//! (multipath), the namespaces are not in this directory and are not shown, as in `node_exporter`.

use std::path::Path;
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::number_files::{number, text};
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "nvme",
    help: "NVMe controllers and namespaces",
    reads: "/sys/class/nvme",
    is_default: true,
    // Linux 6.8 and later ask the controller how much of a namespace is in use.
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(NvmeCollector::new(root)),
};

struct NvmeCollector {
    inventory: Inventory<Vec<Controller>>,
    buffer: Buffer,
}

impl NvmeCollector {
    fn new(root: &Root) -> Self {
        Self { inventory: Inventory::new(root.sys.join("class/nvme")), buffer: Buffer::default() }
    }
}

impl Collector for NvmeCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let find = |items: Vec<Item>| items.into_iter().map(Controller::find).collect();
        let controllers: &mut Vec<Controller> = match self.inventory.look(Instant::now(), find) {
            Ok(controllers) => controllers,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = Families::new();
        let mut faults = Vec::new();
        for controller in controllers {
            faults.extend(controller.read(&mut self.buffer, &mut families).err());
            for namespace in &mut controller.namespaces {
                faults.extend(namespace.read(&mut self.buffer, &mut families).err());
            }
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// Files of a controller, and the labels they become.
const LABELS: [(&str, &str); 5] = [
    ("firmware_rev", "firmware_revision"),
    ("model", "model"),
    ("serial", "serial"),
    ("state", "state"),
    ("cntlid", "cntlid"),
];

struct Controller {
    name: String,
    /// In the order of [`LABELS`].
    files: [KeptFile; LABELS.len()],
    namespaces: Vec<Namespace>,
}

impl Controller {
    fn find(item: Item) -> Self {
        let Item { name, directory } = item;
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut numbers: Vec<(u32, String)> = names.filter_map(|name| Some((nsid(&name)?, name))).collect();
        numbers.sort_unstable();
        let namespace = |(nsid, entry): (u32, String)| Namespace::new(&directory.join(entry), &name, nsid);
        let namespaces = numbers.into_iter().map(namespace).collect();
        Self { files: LABELS.map(|(file, _)| KeptFile::attribute(directory.join(file))), name, namespaces }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut Families) -> Result<(), Fault> {
        let mut pairs = vec![("device", self.name.clone())];
        let mut is_there = false;
        for ((_, label), file) in LABELS.iter().zip(&mut self.files) {
            let text = text(file, buffer)?;
            is_there |= text.is_some();
            pairs.push((label, text.unwrap_or_default()));
        }
        if is_there {
            families.info.push(Labels::new(pairs), 1_u64);
        }
        Ok(())
    }
}

/// `1` of `nvme0n1`. `nvme0c1n1` is a path to a namespace that several controllers have.
fn nsid(name: &str) -> Option<u32> {
    let (controller, namespace) = name.strip_prefix("nvme")?.split_once('n')?;
    controller.parse::<u32>().ok()?;
    namespace.parse().ok()
}

struct Namespace {
    labels: Labels,
    /// In blocks, as the kernel's block layer and as the device count them.
    size: KeptFile,
    used: KeptFile,
    block_size: KeptFile,
    ana_state: KeptFile,
}

impl Namespace {
    fn new(directory: &Path, controller: &str, nsid: u32) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            labels: Labels::new([("device", controller), ("nsid", &nsid.to_string())]),
            size: file("size"),
            used: file("nuse"),
            block_size: file("queue/logical_block_size"),
            ana_state: file("ana_state"),
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut Families) -> Result<(), Fault> {
        let Some(block_size) = number(&mut self.block_size, buffer)? else { return Ok(()) };
        // Only namespaces with several paths have a state of access (ANA).
        let ana_state = text(&mut self.ana_state, buffer)?.unwrap_or_else(|| "unknown".to_owned());
        families.namespace_info.push(self.labels.and([("ana_state", ana_state)]), 1_u64);
        families.block_size.push(self.labels.clone(), block_size);
        if let Some(size) = number(&mut self.size, buffer)?.and_then(|blocks| bytes(blocks, block_size)) {
            families.capacity.push(self.labels.clone(), size);
            families.size.push(self.labels.clone(), size);
        }
        if let Some(used) = number(&mut self.used, buffer)?.and_then(|blocks| bytes(blocks, block_size)) {
            families.used.push(self.labels.clone(), used);
        }
        Ok(())
    }
}

/// `node_exporter` counts both files in logical blocks. The kernel's `size` counts 512 bytes, so that a namespace with blocks of 4096
/// bytes looks eight times as large; the value is the interface here.
fn bytes(blocks: Number, block_size: Number) -> Option<Number> {
    let (Number::Whole(blocks), Number::Whole(block_size)) = (blocks, block_size) else { return None };
    Some(
        blocks.checked_mul(block_size).map_or(Number::Real(blocks as f64 * block_size as f64), Number::Whole),
    )
}

/// The collector's families, being filled device by device.
struct Families {
    info: Family,
    namespace_info: Family,
    capacity: Family,
    size: Family,
    used: Family,
    block_size: Family,
}

impl Families {
    fn new() -> Self {
        Self {
            info: Family::info(
                "node_nvme_info",
                "Non-numeric data from /sys/class/nvme/<device>, value is always 1.",
            ),
            namespace_info: Family::info(
                "node_nvme_namespace_info",
                "Information about NVMe namespaces. Value is always 1",
            ),
            capacity: Family::gauge(
                "node_nvme_namespace_capacity_bytes",
                "Capacity of the NVMe namespace in bytes. Computed as namespace_size * namespace_logical_block_size",
            ),
            size: Family::gauge(
                "node_nvme_namespace_size_bytes",
                "Size of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/size",
            ),
            used: Family::gauge(
                "node_nvme_namespace_used_bytes",
                "Used space of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/nuse",
            ),
            block_size: Family::gauge(
                "node_nvme_namespace_logical_block_size_bytes",
                "Logical block size of the NVMe namespace in bytes. Usually 4Kb. Available in /sys/class/nvme/<device>/<namespace>/queue/logical_block_size",
            ),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        vec![self.info, self.namespace_info, self.capacity, self.size, self.used, self.block_size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::on_sysfs;

    fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        on_sysfs(&ENTRY, "class/nvme/nvme0", files, &[])
    }

    const INFO: &str =
        r#"node_nvme_info{device="nvme0",firmware_revision="",model="",serial="",state="live",cntlid=""} 1"#;

    #[test]
    fn a_namespace_that_went_away_is_absent_and_sizes_stay_exact() {
        let block_size = ("nvme0n2/queue/logical_block_size", "512\n");
        let files = [
            ("state", "live\n"),
            ("nvme0n1/size", "8\n"),
            block_size,
            ("nvme0n2/size", "18014398509481985\n"),
        ];
        let (lines, faults) = read(&files);
        let labels = r#"{device="nvme0",nsid="2"}"#;
        assert_eq!(
            lines,
            [
                INFO.to_owned(),
                r#"node_nvme_namespace_info{device="nvme0",nsid="2",ana_state="unknown"} 1"#.to_owned(),
                format!("node_nvme_namespace_capacity_bytes{labels} 9223372036854776320"),
                format!("node_nvme_namespace_size_bytes{labels} 9223372036854776320"),
                format!("node_nvme_namespace_logical_block_size_bytes{labels} 512"),
            ]
        );
        assert_eq!(faults, [] as [&str; 0]);
    }

    #[test]
    fn an_odd_size_is_a_fault() {
        let (lines, faults) = read(&[
            ("state", "live\n"),
            ("nvme0n1/queue/logical_block_size", "512\n"),
            ("nvme0n1/size", "big\n"),
        ]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            faults.len() == 1 && faults[0].ends_with("nvme0n1/size: expected a number, found `big`"),
            "{faults:?}"
        );
    }

    #[test]
    fn paths_are_no_namespaces() {
        for (name, expected) in [
            ("nvme0n1", Some(1)),
            ("nvme12n34", Some(34)),
            ("nvme0c1n1", None),
            ("nvme0n1p1", None),
            ("hwmon1", None),
        ] {
            assert_eq!(nsid(name), expected, "{name}");
        }
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let (lines, faults) = read(&[]);
        assert!(lines.is_empty() && faults.len() == 1, "{lines:?} {faults:?}");
        assert!(faults[0].starts_with("nvme: there is no "), "{faults:?}");
    }
}

//! Errors of the memory that ECC corrected or not, from `/sys/devices/system/edac/mc` (see the kernel's `admin-guide/ras.rst`).
//!
//! Owns the counts of memory controllers, of their chip-select rows, and of each row's channels. A machine without a driver for its
//! memory controllers has none, which is no fault.

use std::path::Path;
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::Labels;
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, read_whole};
use crate::host::number_files::NumberFiles;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, numbered};
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "edac",
    help: "errors of the memory",
    reads: "/sys/devices/system/edac/mc",
    is_default: true,
    // The driver counts on its own; the files say what it counted.
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(EdacCollector::new(root)),
};

struct EdacCollector {
    inventory: Inventory<Result<NumberFiles, Fault>>,
    buffer: Buffer,
}

impl EdacCollector {
    fn new(root: &Root) -> Self {
        Self { inventory: Inventory::new(root.sys.join("devices/system/edac/mc")), buffer: Buffer::default() }
    }
}

impl Collector for EdacCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.inventory.look(Instant::now(), find) {
            Ok(Ok(files)) => {
                let (families, faults) = files.read(&mut self.buffer);
                Collected::new(families, faults)
            }
            Ok(Err(fault)) => Collected::failed(fault.clone()),
            Err(error) if error.is_absent() => Collected::default(),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

const CONTROLLER: [Attribute; 2] = [
    Attribute::counter("ce_count", "node_edac_correctable_errors_total", "Total correctable memory errors."),
    Attribute::counter(
        "ue_count",
        "node_edac_uncorrectable_errors_total",
        "Total uncorrectable memory errors.",
    ),
];

/// Of a row, and of no row that is known.
const ROW: [Attribute; 2] = [
    Attribute::counter(
        "ce_count",
        "node_edac_csrow_correctable_errors_total",
        "Total correctable memory errors for this csrow.",
    ),
    Attribute::counter(
        "ue_count",
        "node_edac_csrow_uncorrectable_errors_total",
        "Total uncorrectable memory errors for this csrow.",
    ),
];

/// After `chN_`.
const CHANNEL: [Attribute; 2] = [
    Attribute::counter(
        "ce_count",
        "node_edac_channel_correctable_errors_total",
        "Total correctable memory errors for this channel.",
    ),
    Attribute::counter(
        "ue_count",
        "node_edac_channel_uncorrectable_errors_total",
        "Total uncorrectable memory errors for this channel.",
    ),
];

/// The files of all controllers.
fn find(items: Vec<Item>) -> Result<NumberFiles, Fault> {
    let mut files = NumberFiles::default();
    for Item { name, directory } in items {
        let Some(controller) = name.strip_prefix("mc").filter(|number| number.parse::<u32>().is_ok()) else {
            continue;
        };
        let labels = Labels::new([("controller", controller)]);
        for attribute in &CONTROLLER {
            files.add(directory.join(attribute.file), &attribute.meaning(), &labels);
        }
        let unknown = labels.and([("csrow", "unknown")]);
        for (attribute, file) in ROW.iter().zip(["ce_noinfo_count", "ue_noinfo_count"]) {
            files.add(directory.join(file), &attribute.meaning(), &unknown);
        }
        for row in numbered(&directory, "csrow")? {
            let labels = labels.and([("csrow", row.to_string())]);
            add_row(&mut files, &directory.join(format!("csrow{row}")), &labels)?;
        }
    }
    Ok(files)
}

fn add_row(files: &mut NumberFiles, directory: &Path, labels: &Labels) -> Result<(), Fault> {
    for attribute in &ROW {
        files.add(directory.join(attribute.file), &attribute.meaning(), labels);
    }
    for channel in channels(directory)? {
        let labels =
            labels.and([("channel", channel.to_string()), ("dimm_label", dimm_label(directory, channel))]);
        for attribute in &CHANNEL {
            files.add(
                directory.join(format!("ch{channel}_{}", attribute.file)),
                &attribute.meaning(),
                &labels,
            );
        }
    }
    Ok(())
}

/// The numbers N of the files `chN_ce_count`.
fn channels(directory: &Path) -> Result<Vec<u32>, Fault> {
    let unreadable = |error| crate::host::kept_file::ReadError::new(directory, error);
    let mut channels = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("ch")?.strip_suffix("_ce_count"));
        channels.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    channels.sort_unstable();
    Ok(channels)
}

/// `mc#0csrow#0channel#0` as `mc0_csrow0_channel0`; what an administrator wrote stays.
fn dimm_label(directory: &Path, channel: u32) -> String {
    let Ok(bytes) = read_whole(&directory.join(format!("ch{channel}_dimm_label"))) else {
        return "unknown".to_owned();
    };
    escaped(&bytes).trim().replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::on_sysfs;

    fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        on_sysfs(&ENTRY, "devices/system/edac/mc", files, &[])
    }

    #[test]
    fn a_machine_without_it_has_no_fault() {
        assert_eq!(read(&[]), (vec![], vec![]));
    }

    /// Kernels without `CONFIG_EDAC_LEGACY_SYSFS` know DIMMs or ranks and no rows; there `node_exporter` shows the controller alone, too.
    #[test]
    fn a_controller_without_rows_has_its_own_counts() {
        let files = [
            ("mc0/ce_count", "3\n"),
            ("mc0/ce_noinfo_count", "1\n"),
            ("mc0/dimm0/dimm_ce_count", "2\n"),
            ("mc0/dimm0/dimm_label", "CPU_SrcID#0_MC#0\n"),
            ("mc0/rank4/dimm_ce_count", "0\n"),
            ("mc0/ue_count", "0\n"),
            ("mc0/ue_noinfo_count", "0\n"),
        ];
        let (lines, faults) = read(&files);
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(
            lines,
            [
                r#"node_edac_correctable_errors_total{controller="0"} 3"#,
                r#"node_edac_uncorrectable_errors_total{controller="0"} 0"#,
                r#"node_edac_csrow_correctable_errors_total{controller="0",csrow="unknown"} 1"#,
                r#"node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="unknown"} 0"#,
            ]
        );
    }

    #[test]
    fn what_is_not_counted_is_absent_and_odd_counts_are_told() {
        let files = [
            ("mc1/ce_count", "18446744073709551615\n"),
            ("mc1/csrow0/ce_count", "few\n"),
            ("mc1/csrow0/ch1_ce_count", "2\n"),
            ("mc1/csrow0/ch1_dimm_label", "CPU_SrcID#0_MC#1\n"),
            ("mc1/csrow0/ch10_ce_count", "3\n"),
            ("mc1/power/runtime_status", "unsupported\n"),
            ("power/runtime_status", "unsupported\n"),
        ];
        let (lines, faults) = read(&files);
        let channel = "node_edac_channel_correctable_errors_total";
        assert_eq!(
            lines,
            [
                r#"node_edac_correctable_errors_total{controller="1"} 18446744073709551615"#.to_owned(),
                format!(r#"{channel}{{controller="1",csrow="0",channel="1",dimm_label="CPU_SrcID0_MC1"}} 2"#),
                format!(r#"{channel}{{controller="1",csrow="0",channel="10",dimm_label="unknown"}} 3"#),
            ]
        );
        assert!(
            faults.len() == 1 && faults[0].ends_with("csrow0/ce_count: expected a number, found `few`"),
            "{faults:?}"
        );
    }
}

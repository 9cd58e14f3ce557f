//! What the firmware says about the machine, from `/sys/class/dmi/id` (see the SMBIOS specification, DSP0134).
//!
//! Owns the info series. It is the same until the next boot, so it is read once.

use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::read_whole;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "dmi",
    help: "maker, model and serial numbers of the machine",
    reads: "/sys/class/dmi/id",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(DmiCollector { directory: root.sys.join("class/dmi/id"), info: None }),
};

struct DmiCollector {
    directory: PathBuf,
    /// `None` until it was read without a fault.
    info: Option<Labels>,
}

impl Collector for DmiCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut faults = Vec::new();
        let info = if let Some(info) = &self.info {
            info.clone()
        } else {
            let (info, of_files) = self.read();
            faults = of_files;
            if faults.is_empty() {
                self.info = Some(info.clone());
            }
            info
        };
        let mut family = Family::info("node_dmi_info", HELP);
        if info != Labels::NONE {
            family.push(info, 1_u64);
        }
        Collected::new(vec![family], faults)
    }
}

const HELP: &str = "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, bios_version, \
    board_asset_tag, board_name, board_serial, board_vendor, board_version, chassis_asset_tag, chassis_serial, \
    chassis_vendor, chassis_version, product_family, product_name, product_serial, product_sku, product_uuid, \
    product_version, system_vendor if provided by DMI.";

/// The files; a label is called as its file, but for `sys_vendor`.
const FILES: [&str; 20] = [
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "sys_vendor",
];

impl DmiCollector {
    /// The labels of what the firmware has and this process may read: serial numbers are root's.
    fn read(&self) -> (Labels, Vec<Fault>) {
        let (mut labels, mut faults) = (Vec::new(), Vec::new());
        // Where there is no such firmware, nothing is read twenty times at each scrape.
        let files = if self.directory.is_dir() { &FILES[..] } else { &[] };
        for file in files.iter().copied() {
            let label = if file == "sys_vendor" { "system_vendor" } else { file };
            match read_whole(&self.directory.join(file)) {
                Ok(bytes) => labels.push((label, readable(bytes.trim_ascii()))),
                Err(error) if error.is_no_answer() => {}
                Err(error) if error.io().kind() == std::io::ErrorKind::PermissionDenied => {}
                Err(error) => faults.push(error.into()),
            }
        }
        if labels.is_empty() && faults.is_empty() {
            faults.push(Fault::no_data(format!("dmi: there is nothing in {}", self.directory.display())));
        }
        (Labels::new(labels), faults)
    }
}

/// Firmware is not held to UTF-8: what is not stands as one replacement character, as in `node_exporter`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() && !text.ends_with(char::REPLACEMENT_CHARACTER) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn what_the_firmware_does_not_have_is_no_label_and_it_is_read_once() {
        let sys = tempfile::tempdir().unwrap();
        let directory = sys.path().join("class/dmi/id");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("sys_vendor"), "Supermicro\n").unwrap();
        std::fs::write(directory.join("product_name"), "SYS-821GE\n").unwrap();
        // Reading a directory fails for root too.
        std::fs::create_dir(directory.join("board_name")).unwrap();
        let mut dmi = collector(&ENTRY, Path::new("/nonexistent"), sys.path(), &[]);
        let line = r#"node_dmi_info{product_name="SYS-821GE",system_vendor="Supermicro"} 1"#;
        let mut check = |faults: usize| {
            let collected = dmi.collect();
            assert_eq!(values(&collected.families), [line]);
            assert_eq!(collected.faults.len(), faults, "{:?}", collected.faults);
        };
        check(1);
        std::fs::remove_dir(directory.join("board_name")).unwrap();
        check(0);
        std::fs::write(directory.join("product_name"), "another\n").unwrap();
        check(0);
    }

    #[test]
    fn a_machine_without_dmi_is_told() {
        let none = Path::new("/nonexistent");
        let collected = collector(&ENTRY, none, none, &[]).collect();
        assert_eq!(values(&collected.families), [] as [&str; 0]);
        assert_eq!(collected.faults, [Fault::new("dmi: there is nothing in /nonexistent/class/dmi/id")]);
    }

    #[test]
    fn what_is_not_text_is_replaced() {
        assert_eq!(readable(b"\xff\xfe[\xff"), "\u{fffd}[\u{fffd}");
        assert_eq!(readable("R750 ™".as_bytes()), "R750 ™");
    }
}

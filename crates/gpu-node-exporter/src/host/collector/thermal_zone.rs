//! Temperatures and cooling, from `/sys/class/thermal` (see the kernel's `driver-api/thermal/sysfs-api.rst`).
//!
//! Owns the temperature of each zone and the state of each cooling device. A zone that does not know its temperature has none. Sensors of
//! chips are `hwmon`'s.

use std::time::Instant;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::Labels;
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, read_whole};
use crate::host::meaning::Scale;
use crate::host::number_files::NumberFiles;
use crate::host::root::Root;
use crate::host::sysfs::Attribute;
use crate::host::utf8::replaced;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "thermal_zone",
    help: "temperatures and cooling devices",
    reads: "/sys/class/thermal",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(ThermalCollector::new(root)),
};

struct ThermalCollector {
    inventory: Inventory<NumberFiles>,
    buffer: Buffer,
}

impl ThermalCollector {
    fn new(root: &Root) -> Self {
        Self { inventory: Inventory::new(root.sys.join("class/thermal")), buffer: Buffer::default() }
    }
}

impl Collector for ThermalCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.inventory.look(Instant::now(), find) {
            Ok(files) => {
                let (families, faults) = files.read(&mut self.buffer);
                Collected::new(families, faults)
            }
            // A machine without is in order.
            Err(error) if error.is_absent() => Collected::default(),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

const ZONE: [Attribute; 1] =
    [Attribute::gauge("temp", "node_thermal_zone_temp", "Zone temperature in Celsius")
        .scaled(Scale::Parts(1e3))];

const COOLING: [Attribute; 2] = [
    Attribute::gauge(
        "cur_state",
        "node_cooling_device_cur_state",
        "Current throttle state of the cooling device",
    ),
    Attribute::gauge(
        "max_state",
        "node_cooling_device_max_state",
        "Maximum throttle state of the cooling device",
    ),
];

fn find(items: Vec<Item>) -> NumberFiles {
    let mut files = NumberFiles::default();
    for Item { name, directory } in items {
        let kinds = [("thermal_zone", "zone", &ZONE[..]), ("cooling_device", "name", &COOLING[..])];
        let kind = kinds.into_iter().find_map(|(prefix, label, attributes)| {
            let number = name.strip_prefix(prefix)?;
            number.starts_with(|first: char| first.is_ascii_digit()).then_some((number, label, attributes))
        });
        let Some((number, label, attributes)) = kind else { continue };
        // Each has a type, unless it went away.
        let Ok(what) = read_whole(&directory.join("type")) else { continue };
        let labels = Labels::new([(label, number), ("type", replaced(&what).trim())]);
        for attribute in attributes {
            files.add(directory.join(attribute.file), &attribute.meaning(), &labels);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::on_sysfs;

    fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        on_sysfs(&ENTRY, "class/thermal", files, &[])
    }

    #[test]
    fn a_machine_without_it_has_no_fault() {
        assert_eq!(read(&[]), (vec![], vec![]));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let files = [
            ("thermal_zone0/type", "x86_pkg_temp\n"),
            ("thermal_zone0/temp", "-5500\n"),
            ("thermal_zone1/type", "acpitz\n"),
            ("thermal_zone2/temp", "1000\n"),
            ("cooling_device10/type", "intel_powerclamp\n"),
            ("cooling_device10/cur_state", "-1\n"),
            ("cooling_device10/max_state", "full\n"),
        ];
        let (lines, faults) = read(&files);
        assert_eq!(
            lines,
            [
                r#"node_cooling_device_cur_state{name="10",type="intel_powerclamp"} -1"#,
                r#"node_thermal_zone_temp{zone="0",type="x86_pkg_temp"} -5.5"#,
            ]
        );
        assert!(
            faults.len() == 1 && faults[0].ends_with("max_state: expected a number, found `full`"),
            "{faults:?}"
        );
    }
}

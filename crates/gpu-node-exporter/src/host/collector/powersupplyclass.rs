//! Power supplies and batteries, from `/sys/class/power_supply` (see the kernel's `ABI/testing/sysfs-class-power`).
//!
//! Owns what a supply says of itself in numbers and words. Firmware writes the words, which need not be UTF-8.

use std::time::Instant;

use regex_lite::Regex;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::meaning::{Meaning, Scale};
use crate::host::number_files::NumberFiles;
use crate::host::root::Root;
use crate::host::utf8::replaced;

static IGNORED_SUPPLIES: Flag = Flag::regex(
    "collector.powersupply.ignored-supplies",
    "^$",
    "Power supplies that powersupplyclass leaves out",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "powersupplyclass",
    help: "power supplies and batteries",
    reads: "/sys/class/power_supply",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[&IGNORED_SUPPLIES],
    new: |flags, root| Box::new(PowerSupplyCollector::new(flags, root)),
};

struct PowerSupplyCollector {
    ignored: Option<Regex>,
    inventory: Inventory<Supplies>,
    buffer: Buffer,
}

impl PowerSupplyCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let inventory = Inventory::new(root.sys.join("class/power_supply"));
        Self { ignored: flags.regex(&IGNORED_SUPPLIES), inventory, buffer: Buffer::default() }
    }
}

impl Collector for PowerSupplyCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let ignored = self.ignored.as_ref();
        match self.inventory.look(Instant::now(), |items| Supplies::find(items, ignored)) {
            Ok(supplies) => supplies.read(&mut self.buffer),
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// Millionths of a volt, ampere, watt, watt-hour or ampere-hour.
const MICRO: Scale = Scale::Parts(1e6);

/// Tenths of a degree Celsius.
const TENTHS: Scale = Scale::Parts(10.0);

/// Files that hold a number, the families they become (after `node_power_supply_`), and their units.
const NUMBERS: [(&str, &str, Scale); 49] = [
    ("authentic", "authentic", Scale::AsWritten),
    ("calibrate", "calibrate", Scale::AsWritten),
    ("capacity", "capacity", Scale::AsWritten),
    ("capacity_alert_max", "capacity_alert_max", Scale::AsWritten),
    ("capacity_alert_min", "capacity_alert_min", Scale::AsWritten),
    ("cycle_count", "cyclecount", Scale::AsWritten),
    ("online", "online", Scale::AsWritten),
    ("present", "present", Scale::AsWritten),
    ("time_to_empty_now", "time_to_empty_seconds", Scale::AsWritten),
    ("time_to_full_now", "time_to_full_seconds", Scale::AsWritten),
    ("current_boot", "current_boot", MICRO),
    ("current_max", "current_max", MICRO),
    ("current_now", "current_ampere", MICRO),
    ("energy_empty", "energy_empty", MICRO),
    ("energy_empty_design", "energy_empty_design", MICRO),
    ("energy_full", "energy_full", MICRO),
    ("energy_full_design", "energy_full_design", MICRO),
    ("energy_now", "energy_watthour", MICRO),
    ("voltage_boot", "voltage_boot", MICRO),
    ("voltage_max", "voltage_max", MICRO),
    ("voltage_max_design", "voltage_max_design", MICRO),
    ("voltage_min", "voltage_min", MICRO),
    ("voltage_min_design", "voltage_min_design", MICRO),
    ("voltage_now", "voltage_volt", MICRO),
    ("voltage_ocv", "voltage_ocv", MICRO),
    ("charge_control_limit", "charge_control_limit", MICRO),
    ("charge_control_limit_max", "charge_control_limit_max", MICRO),
    ("charge_counter", "charge_counter", MICRO),
    ("charge_empty", "charge_empty", MICRO),
    ("charge_empty_design", "charge_empty_design", MICRO),
    ("charge_full", "charge_full", MICRO),
    ("charge_full_design", "charge_full_design", MICRO),
    ("charge_now", "charge_ampere", MICRO),
    ("charge_term_current", "charge_term_current", MICRO),
    ("constant_charge_current", "constant_charge_current", MICRO),
    ("constant_charge_current_max", "constant_charge_current_max", MICRO),
    ("constant_charge_voltage", "constant_charge_voltage", MICRO),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", MICRO),
    ("precharge_current", "precharge_current", MICRO),
    ("input_current_limit", "input_current_limit", MICRO),
    ("power_now", "power_watt", MICRO),
    ("temp", "temp_celsius", TENTHS),
    ("temp_alert_max", "temp_alert_max_celsius", TENTHS),
    ("temp_alert_min", "temp_alert_min_celsius", TENTHS),
    ("temp_ambient", "temp_ambient_celsius", TENTHS),
    ("temp_ambient_max", "temp_ambient_max_celsius", TENTHS),
    ("temp_ambient_min", "temp_ambient_min_celsius", TENTHS),
    ("temp_max", "temp_max_celsius", TENTHS),
    ("temp_min", "temp_min_celsius", TENTHS),
];

/// Files that hold a word, which is the label of this name.
const WORDS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
    "scope",
];

/// The supplies there are.
#[derive(Default)]
struct Supplies {
    numbers: NumberFiles,
    supplies: Vec<Supply>,
}

struct Supply {
    labels: Labels,
    words: Vec<(&'static str, KeptFile)>,
}

impl Supplies {
    fn find(items: Vec<Item>, ignored: Option<&Regex>) -> Self {
        let mut found = Self::default();
        for Item { name, directory } in items {
            if ignored.is_some_and(|ignored| ignored.is_match(&name)) {
                continue;
            }
            let labels = Labels::new([("power_supply", &name)]);
            for (file, family, scale) in NUMBERS {
                let help = format!("{family} value of /sys/class/power_supply/<power_supply>.");
                let meaning = Meaning::gauge(format!("node_power_supply_{family}"), help).scaled(scale);
                found.numbers.add(directory.join(file), &meaning, &labels);
            }
            let there =
                WORDS.into_iter().map(|word| (word, directory.join(word))).filter(|(_, path)| path.is_file());
            let words = there.map(|(word, path)| (word, KeptFile::attribute(path))).collect();
            found.supplies.push(Supply { labels, words });
        }
        found
    }

    fn read(&mut self, buffer: &mut Buffer) -> Collected {
        let (mut families, mut faults) = self.numbers.read(buffer);
        let mut info =
            Family::info("node_power_supply_info", "info of /sys/class/power_supply/<power_supply>.");
        for supply in &mut self.supplies {
            match supply.info(buffer) {
                Ok(labels) => {
                    if let Some(labels) = labels {
                        info.push(labels, 1_u64);
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        families.push(info);
        Collected::new(families, faults)
    }
}

impl Supply {
    /// The labels of its info; `None` when it went away, since each has a type.
    fn info(&mut self, buffer: &mut Buffer) -> Result<Option<Labels>, Fault> {
        let mut pairs = Vec::new();
        for (label, file) in &mut self.words {
            match file.read_bytes(buffer) {
                Ok(bytes) => {
                    let word = replaced(bytes).trim().to_owned();
                    pairs.extend(Some((*label, word)).filter(|(_, word)| !word.is_empty()));
                }
                Err(error) if error.is_of_hardware() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((!pairs.is_empty()).then(|| self.labels.and(pairs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    fn read(files: &[(&str, &[u8])], written: &[&str]) -> (Vec<String>, Vec<String>) {
        let sys = tempfile::tempdir().unwrap();
        for (file, bytes) in files {
            let path = sys.path().join("class/power_supply").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let Collected { families, faults, .. } =
            collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), written).collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }

    const BATTERY: [(&str, &[u8]); 6] = [
        ("BAT0/type", b"Battery\n"),
        ("BAT0/model_name", b"LNV\xff\xfe\n"),
        ("BAT0/serial_number", b" \n"),
        ("BAT0/temp", b"-51\n"),
        ("BAT0/current_now", b"-1500000\n"),
        ("BAT0/capacity", b"full\n"),
    ];

    #[test]
    fn firmware_may_write_anything() {
        let (lines, faults) = read(&BATTERY, &[]);
        assert_eq!(
            lines,
            [
                r#"node_power_supply_current_ampere{power_supply="BAT0"} -1.5"#,
                r#"node_power_supply_temp_celsius{power_supply="BAT0"} -5.1"#,
                "node_power_supply_info{power_supply=\"BAT0\",model_name=\"LNV\u{fffd}\",type=\"Battery\"} 1",
            ]
        );
        assert!(
            faults.len() == 1 && faults[0].ends_with("capacity: expected a number, found `full`"),
            "{faults:?}"
        );
    }

    #[test]
    fn supplies_can_be_left_out() {
        assert_eq!(read(&BATTERY, &["--collector.powersupply.ignored-supplies=^BAT"]), (vec![], vec![]));
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let (lines, faults) = read(&[], &[]);
        assert!(lines.is_empty() && faults.len() == 1, "{lines:?} {faults:?}");
        assert!(faults[0].starts_with("powersupplyclass: there is no "), "{faults:?}");
    }
}

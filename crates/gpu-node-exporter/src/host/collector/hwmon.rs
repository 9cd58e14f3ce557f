//! Sensors of monitoring chips, from `/sys/class/hwmon` (see the kernel's `hwmon/sysfs-interface.rst`).
//!
//! Owns which chips there are and what they are called; what a file of theirs means is `sensor.rs`'s. A sensor that does not answer is absent:
//! many boards have sensors that nothing is wired to.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, read_whole};
use crate::host::number_files::NumberFiles;
use crate::host::root::Root;
use crate::host::utf8::{escaped, replaced};

mod sensor;

use sensor::{SensorFile, meaning, plain, sensor_file};

static CHIP_EXCLUDE: Flag = Flag::regex("collector.hwmon.chip-exclude", "", "Chips to leave out");
static CHIP_INCLUDE: Flag = Flag::regex("collector.hwmon.chip-include", "", "The only chips to show");
static SENSOR_EXCLUDE: Flag =
    Flag::regex("collector.hwmon.sensor-exclude", "", "Sensors to leave out, as CHIP;SENSOR");
static SENSOR_INCLUDE: Flag =
    Flag::regex("collector.hwmon.sensor-include", "", "The only sensors to show, as CHIP;SENSOR");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "hwmon",
    help: "sensors of monitoring chips",
    reads: "/sys/class/hwmon",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[&CHIP_EXCLUDE, &CHIP_INCLUDE, &SENSOR_EXCLUDE, &SENSOR_INCLUDE],
    new: |flags, root| Box::new(HwmonCollector::new(flags, root)),
};

struct HwmonCollector {
    shown: Shown,
    inventory: Inventory<Chips>,
    buffer: Buffer,
}

struct Shown {
    chips: Filter,
    /// Asked with the chip's name, a semicolon and the sensor's.
    sensors: Filter,
}

impl HwmonCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let chips = Filter::new(flags, &CHIP_EXCLUDE, &CHIP_INCLUDE);
        let sensors = Filter::new(flags, &SENSOR_EXCLUDE, &SENSOR_INCLUDE);
        let inventory = Inventory::new(root.sys.join("class/hwmon"));
        Self { shown: Shown { chips, sensors }, inventory, buffer: Buffer::default() }
    }
}

impl Collector for HwmonCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let shown = &self.shown;
        match self.inventory.look(Instant::now(), |items| Chips::find(items, shown)) {
            Ok(chips) => {
                let (mut families, faults) = chips.numbers.read(&mut self.buffer);
                families.extend([chips.names.clone(), chips.labels.clone()]);
                Collected::new(families, faults)
            }
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// The chips there are.
struct Chips {
    names: Family,
    labels: Family,
    numbers: NumberFiles,
}

/// What a chip can be called by.
struct Chip {
    directory: PathBuf,
    /// From the device it belongs to, which several chips can share.
    base: String,
    /// What the driver calls it.
    name: Option<String>,
}

impl Chips {
    fn find(items: Vec<Item>, shown: &Shown) -> Self {
        let mut chips = Self {
            names: Family::gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names"),
            labels: Family::gauge("node_hwmon_sensor_label", "Label for given chip and sensor"),
            numbers: NumberFiles::default(),
        };
        let found: Vec<Chip> = items.into_iter().filter_map(Chip::find).collect();
        for (chip, label) in found.iter().zip(labels(&found)) {
            if shown.chips.keeps(&label) {
                chips.add(chip, &label, &shown.sensors);
            }
        }
        chips
    }

    fn add(&mut self, chip: &Chip, label: &str, shown: &Filter) {
        let name = chip.name.as_deref().map(plain).filter(|name| !name.is_empty());
        if let Some(name) = name {
            self.names.push(Labels::new([("chip", label), ("chip_name", &name)]), 1_u64);
        }
        // A driver can have its files in the device's directory, as all had before Linux 3.15; those win.
        let mut sensors = Sensors::new();
        collect(&chip.directory, &mut sensors);
        collect(&chip.directory.join("device"), &mut sensors);
        for ((kind, sensor), files) in &sensors {
            if shown.keeps(&format!("{label};{sensor}")) {
                self.add_sensor(label, kind, sensor, files);
            }
        }
    }

    fn add_sensor(&mut self, chip: &str, kind: &str, sensor: &str, files: &BTreeMap<String, PathBuf>) {
        let labels = Labels::new([("chip", chip), ("sensor", sensor)]);
        let word = files.get("label").and_then(|path| read_whole(path).ok());
        let word = word.as_deref().map(|word| replaced(word).trim_matches('\n').to_owned());
        if let Some(word) = &word {
            self.labels.push(labels.and([("label", word)]), 1_u64);
        }
        let has_plain = files.contains_key("");
        for (property, path) in files {
            if sensor::WORDS.contains(&property.as_str()) {
                continue;
            }
            let Some(meaning) = meaning(kind, property, has_plain) else { continue };
            match (kind, property.as_str(), &word) {
                // Frequencies are told apart by their labels.
                ("freq", "input", Some(word)) => {
                    let labels = Labels::new([("chip", chip), ("sensor", &plain(word))]);
                    self.numbers.add(path.clone(), &meaning, &labels);
                }
                ("freq", "input", None) => {}
                _ => self.numbers.add(path.clone(), &meaning, &labels),
            }
        }
    }
}

/// The files of each sensor by property; the sensors by kind and name.
type Sensors = BTreeMap<(&'static str, String), BTreeMap<String, PathBuf>>;

fn collect(directory: &Path, sensors: &mut Sensors) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(SensorFile { kind, sensor, property }) = name.to_str().and_then(sensor_file) else {
            continue;
        };
        if entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
            sensors.entry((kind, sensor)).or_default().insert(property.to_owned(), entry.path());
        }
    }
}

impl Chip {
    /// `None` when it went away.
    fn find(item: Item) -> Option<Self> {
        let Item { directory, .. } = item;
        let real = directory.canonicalize().ok().filter(|real| real.is_dir())?;
        let name = read_whole(&directory.join("name")).ok();
        let name = name.map(|name| escaped(&name).trim().to_owned());
        let device = directory.join("device").canonicalize().ok();
        let last = |path: Option<&Path>| {
            let name = path.and_then(Path::file_name).map(|name| plain(&escaped(name.as_encoded_bytes())));
            name.filter(|name| !name.is_empty())
        };
        // The numbers of chips follow from the order in which drivers were loaded, the path of a device does not.
        let of_device =
            last(device.as_deref()).map(|device_name| match last(device.as_deref().and_then(Path::parent)) {
                Some(bus) => format!("{bus}_{device_name}"),
                None => device_name,
            });
        let of_driver = || name.as_deref().map(plain).filter(|name| !name.is_empty());
        let base = of_device.or_else(of_driver).or_else(|| last(Some(&real)))?;
        Some(Self { directory, base, name })
    }
}

/// What each chip is called in labels. Chips of one device have the driver's name too, or else their number.
fn labels(chips: &[Chip]) -> Vec<String> {
    let name = |chip: &Chip| chip.name.clone().unwrap_or_default();
    let mut of_device: HashMap<&str, usize> = HashMap::new();
    let mut of_name: HashMap<(&str, String), usize> = HashMap::new();
    for chip in chips {
        *of_device.entry(&chip.base).or_default() += 1;
        *of_name.entry((&chip.base, name(chip))).or_default() += 1;
    }
    let label = |chip: &Chip| {
        let base = &chip.base;
        if of_device[base.as_str()] == 1 {
            return base.clone();
        }
        let number = || chip.directory.file_name().map(|name| plain(&escaped(name.as_encoded_bytes())));
        let own = Some(plain(&name(chip)))
            .filter(|own| !own.is_empty() && of_name[&(base.as_str(), name(chip))] == 1);
        format!("{base}_{}", own.or_else(number).unwrap_or_default())
    };
    chips.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = sys.path().join("class/hwmon").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        sys
    }

    fn read(sys: &tempfile::TempDir, written: &[&str]) -> (Vec<String>, Vec<String>) {
        let Collected { families, faults, .. } =
            collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), written).collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }

    const FILES: [(&str, &str); 8] = [
        ("hwmon0/name", "nvme\n"),
        ("hwmon0/temp1_input", "38850\n"),
        ("hwmon0/temp1_label", "Composite\n"),
        ("hwmon0/temp2_input", "-12000\n"),
        ("hwmon0/freq1_input", "214000000\n"),
        ("hwmon0/power1_model_number", "X9\n"),
        ("hwmon0/power1_average", "none\n"),
        ("hwmon0/uevent", "\n"),
    ];

    #[test]
    fn words_are_no_faults_but_odd_numbers_are() {
        let (lines, faults) = read(&sys(&FILES), &[]);
        assert_eq!(
            lines,
            [
                r#"node_hwmon_temp_celsius{chip="nvme",sensor="temp1"} 38.85"#,
                r#"node_hwmon_temp_celsius{chip="nvme",sensor="temp2"} -12"#,
                r#"node_hwmon_chip_names{chip="nvme",chip_name="nvme"} 1"#,
                r#"node_hwmon_sensor_label{chip="nvme",sensor="temp1",label="Composite"} 1"#,
            ]
        );
        assert!(
            faults.len() == 1 && faults[0].ends_with("power1_average: expected a number, found `none`"),
            "{faults:?}"
        );
    }

    #[test]
    fn chips_and_sensors_can_be_left_out() {
        let check = |written: &[&str], expected: usize| {
            let (lines, _) = read(&sys(&FILES), written);
            assert_eq!(lines.len(), expected, "{written:?}: {lines:#?}");
        };
        check(&["--collector.hwmon.chip-exclude=^nvme$"], 0);
        check(&["--collector.hwmon.chip-include=^nvme$"], 4);
        check(&["--collector.hwmon.sensor-exclude=^nvme;temp1$"], 2);
        check(&["--collector.hwmon.sensor-include=temp2"], 2);
    }

    #[test]
    fn chips_of_one_name_are_told_apart() {
        let chip = |directory: &str, base: &str, name: Option<&str>| Chip {
            directory: directory.into(),
            base: base.to_owned(),
            name: name.map(str::to_owned),
        };
        let chips = [
            chip("hwmon0", "pci_a", Some("nvme")),
            chip("hwmon1", "platform_b", Some("asus")),
            chip("hwmon2", "platform_b", Some("asus wmi")),
            chip("hwmon3", "platform_c", Some("x")),
            chip("hwmon4", "platform_c", Some("x")),
            chip("hwmon5", "platform_c", None),
        ];
        assert_eq!(
            labels(&chips),
            [
                "pci_a",
                "platform_b_asus",
                "platform_b_asus_wmi",
                "platform_c_hwmon3",
                "platform_c_hwmon4",
                "platform_c_hwmon5"
            ]
        );
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let (lines, faults) = read(&sys(&[]), &[]);
        assert!(lines.is_empty() && faults.len() == 1, "{lines:?} {faults:?}");
        assert!(faults[0].starts_with("hwmon: there is no "), "{faults:?}");
    }
}

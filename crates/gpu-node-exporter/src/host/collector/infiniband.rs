//! InfiniBand and RoCE ports, from `/sys/class/infiniband` (see the kernel's `ABI/stable/sysfs-class-infiniband`).
//!
//! Owns state, rate and counters of each port; which counters have families of their own is `counters.rs`'s. All other files of
//! `hw_counters`, which differ from driver to driver, are one family beyond `node_exporter`'s. Reading a counter may ask the firmware.

use std::path::Path;
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::filter::Filter;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::meaning::Meaning;
use crate::host::number_files::{NumberFiles, text};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, numbered};
use crate::host::utf8::escaped;

mod counters;

use counters::{COUNTERS, HW_COUNTERS, LIFESPAN};

static DEVICE_EXCLUDE: Flag =
    Flag::regex("collector.infiniband.device-exclude", "", "InfiniBand devices to leave out");
static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.infiniband.device-include", "", "The only InfiniBand devices to show");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "infiniband",
    help: "state and counters of InfiniBand and RoCE ports",
    reads: "/sys/class/infiniband",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[&DEVICE_EXCLUDE, &DEVICE_INCLUDE],
    new: |flags, root| Box::new(InfinibandCollector::new(flags, root)),
};

struct InfinibandCollector {
    shown: Filter,
    inventory: Inventory<Hardware>,
    buffer: Buffer,
}

impl InfinibandCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let inventory = Inventory::new(root.sys.join("class/infiniband"));
        Self {
            shown: Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE),
            inventory,
            buffer: Buffer::default(),
        }
    }
}

impl Collector for InfinibandCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let shown = &self.shown;
        match self.inventory.look(Instant::now(), |items| Hardware::find(items, shown)) {
            Ok(hardware) => hardware.read(&mut self.buffer),
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// So many files of one `hw_counters` have no family of their own and are shown. Drivers have some tens.
const MOST_OTHERS: usize = 256;

/// The devices and ports there are.
#[derive(Default)]
struct Hardware {
    devices: Vec<Device>,
    ports: Vec<Port>,
    counters: NumberFiles,
    /// What could not be found.
    faults: Vec<Fault>,
}

struct Device {
    name: String,
    /// In the order of [`DEVICE_LABELS`].
    files: [KeptFile; DEVICE_LABELS.len()],
}

/// Files of a device, and the labels they become.
const DEVICE_LABELS: [(&str, &str); 3] =
    [("board_id", "board_id"), ("fw_ver", "firmware_version"), ("hca_type", "hca_type")];

struct Port {
    labels: Labels,
    state: KeptFile,
    physical_state: KeptFile,
    rate: KeptFile,
}

impl Hardware {
    fn find(items: Vec<Item>, shown: &Filter) -> Self {
        let mut hardware = Self::default();
        for Item { name, directory } in items {
            if !shown.keeps(&name) {
                continue;
            }
            let file = |(file, _): (&str, &str)| KeptFile::attribute(directory.join(file));
            hardware.devices.push(Device { name: name.clone(), files: DEVICE_LABELS.map(file) });
            hardware.add_others(&directory, &Labels::new([("device", name.as_str()), ("port", "")]));
            match numbered(&directory.join("ports"), "") {
                Ok(ports) => {
                    for port in ports {
                        let labels = Labels::new([("device", name.as_str()), ("port", &port.to_string())]);
                        hardware.add_port(&directory.join(format!("ports/{port}")), labels);
                    }
                }
                Err(fault) => hardware.faults.push(fault),
            }
        }
        hardware
    }

    fn add_port(&mut self, directory: &Path, labels: Labels) {
        for attribute in COUNTERS.iter().chain(&HW_COUNTERS).chain([&LIFESPAN]) {
            self.counters.add(directory.join(attribute.file), &attribute.meaning(), &labels);
        }
        self.add_others(directory, &labels);
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        let (state, physical_state, rate) = (file("state"), file("phys_state"), file("rate"));
        self.ports.push(Port { labels, state, physical_state, rate });
    }

    /// What `hw_counters` of a port or of a whole device has beyond the table.
    fn add_others(&mut self, directory: &Path, labels: &Labels) {
        let directory = directory.join("hw_counters");
        let has_family = |name: &str| {
            let files = HW_COUNTERS.iter().chain([&LIFESPAN]).map(|attribute: &Attribute| attribute.file);
            files.filter_map(|file| file.strip_prefix("hw_counters/")).any(|file| file == name)
        };
        let Ok(entries) = std::fs::read_dir(&directory) else { return };
        let names = entries.flatten().map(|entry| escaped(entry.file_name().as_encoded_bytes()).into_owned());
        let mut names: Vec<String> = names.filter(|name| !has_family(name)).collect();
        names.sort_unstable();
        if names.len() > MOST_OTHERS {
            let more = names.len() - MOST_OTHERS;
            self.faults.push(Fault::new(format!("{}: {more} counters are not shown", directory.display())));
            names.truncate(MOST_OTHERS);
        }
        let meaning = other_counter();
        for name in names {
            self.counters.add(directory.join(&name), &meaning, &labels.and([("counter", &name)]));
        }
    }

    fn read(&mut self, buffer: &mut Buffer) -> Collected {
        let (mut families, mut faults) = self.counters.read(buffer);
        faults.extend(self.faults.iter().cloned());
        let mut info = Family::info(
            "node_infiniband_info",
            "Non-numeric data from /sys/class/infiniband/<device>, value is always 1.",
        );
        for device in &mut self.devices {
            match device.labels(buffer) {
                Ok(Some(labels)) => info.push(labels, 1_u64),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        let mut states = STATES.map(|(name, help)| Family::gauge(name, help));
        for port in &mut self.ports {
            let files = [&mut port.state, &mut port.physical_state, &mut port.rate];
            for ((file, family), parse) in files.into_iter().zip(&mut states).zip([id, id, bytes_per_second])
            {
                match reading(file, buffer, parse) {
                    Ok(number) => {
                        if let Some(number) = number {
                            family.push(port.labels.clone(), number);
                        }
                    }
                    Err(fault) => faults.push(fault),
                }
            }
        }
        families.extend(states.into_iter().chain([info]));
        Collected::new(families, faults)
    }
}

/// The families of a port's state, its physical state and its rate.
const STATES: [(&str, &str); 3] = [
    (
        "node_infiniband_state_id",
        "State of the InfiniBand port (0: no change, 1: down, 2: init, 3: armed, 4: active, 5: act defer)",
    ),
    (
        "node_infiniband_physical_state_id",
        "Physical state of the InfiniBand port (0: no change, 1: sleep, 2: polling, 3: disable, 4: shift, 5: link up, 6: link error recover, 7: phytest)",
    ),
    ("node_infiniband_rate_bytes_per_second", "Maximum signal transfer rate"),
];

fn other_counter() -> Meaning {
    Meaning::unknown(
        "node_infiniband_hw_counter",
        "A file of hw_counters without a family of its own, of a port or (with an empty port) of the whole device; most of them only grow.",
    )
}

impl Device {
    /// The labels of its info; `None` when it went away.
    fn labels(&mut self, buffer: &mut Buffer) -> Result<Option<Labels>, Fault> {
        let mut pairs = vec![("device", self.name.clone())];
        for ((_, label), file) in DEVICE_LABELS.iter().zip(&mut self.files) {
            pairs.extend(text(file, buffer)?.map(|text| (*label, text)));
        }
        // Not every driver has each of the files, but none has no file.
        let is_there = pairs.len() > 1;
        for (_, label) in DEVICE_LABELS {
            if !pairs.iter().any(|(name, _)| *name == label) {
                pairs.push((label, String::new()));
            }
        }
        Ok(is_there.then(|| Labels::new(pairs)))
    }
}

/// What a file of a port says; `None` when it has no answer.
fn reading(
    file: &mut KeptFile,
    buffer: &mut Buffer,
    parse: fn(&str) -> Option<Number>,
) -> Result<Option<Number>, Fault> {
    let Some(text) = text(file, buffer)? else { return Ok(None) };
    let odd = || file.fault(&format!("expected a state or a rate, found `{}`", excerpt(&text)));
    parse(&text).ok_or_else(odd).map(Some)
}

/// `4: ACTIVE`.
fn id(text: &str) -> Option<Number> {
    let (id, name) = text.split_once(':')?;
    let id: u32 = id.trim().parse().ok()?;
    (!name.contains(':')).then(|| id.into())
}

/// `100 Gb/sec (4X EDR)`, in bytes a second.
fn bytes_per_second(text: &str) -> Option<Number> {
    let (gigabits, _) = text.split_once(" Gb/sec")?;
    let gigabits: f64 = gigabits.parse().ok()?;
    (gigabits.is_finite() && gigabits >= 0.0).then(|| (gigabits * 1e9 / 8.0).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    /// A device of one port with these files.
    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("class/infiniband/mlx5_0");
        let usual = [
            ("fw_ver", "28.39\n"),
            ("ports/1/state", "4: ACTIVE\n"),
            ("ports/1/rate", "400 Gb/sec (4X NDR)\n"),
        ];
        for (file, text) in usual.iter().chain(files) {
            let path = device.join(file);
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

    #[test]
    fn counters_beyond_the_table_are_one_family() {
        let files = [
            ("ports/1/counters/port_rcv_data", "5\n"),
            ("ports/1/counters/symbol_error", "N/A (no PMA)\n"),
            ("ports/1/hw_counters/out_of_buffer", "18446744073709551615\n"),
            ("ports/1/hw_counters/lifespan", "10\n"),
            ("ports/1/hw_counters/req_transport_retries_exceeded", "7\n"),
            ("hw_counters/rx_rdma", "3\n"),
        ];
        let (lines, faults) = read(&sys(&files), &[]);
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(
            lines,
            [
                r#"node_infiniband_hw_counter{device="mlx5_0",port="",counter="rx_rdma"} 3"#,
                r#"node_infiniband_hw_counter{device="mlx5_0",port="1",counter="req_transport_retries_exceeded"} 7"#,
                r#"node_infiniband_port_data_received_bytes_total{device="mlx5_0",port="1"} 20"#,
                r#"node_infiniband_out_of_buffer_drops_total{device="mlx5_0",port="1"} 18446744073709551615"#,
                r#"node_infiniband_lifespan_seconds{device="mlx5_0",port="1"} 0.01"#,
                r#"node_infiniband_state_id{device="mlx5_0",port="1"} 4"#,
                r#"node_infiniband_rate_bytes_per_second{device="mlx5_0",port="1"} 50000000000"#,
                r#"node_infiniband_info{device="mlx5_0",firmware_version="28.39",board_id="",hca_type=""} 1"#,
            ]
        );
    }

    #[test]
    fn an_odd_file_costs_itself() {
        let (lines, faults) = read(&sys(&[("ports/1/phys_state", "up\n")]), &[]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].ends_with("/ports/1/phys_state: expected a state or a rate, found `up`"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_device_can_be_left_out() {
        let nothing = (vec![], vec![]);
        assert_eq!(read(&sys(&[]), &["--collector.infiniband.device-exclude=mlx"]), nothing);
        assert_eq!(read(&sys(&[]), &["--collector.infiniband.device-include=i40"]), nothing);
    }

    #[test]
    fn counters_without_number_have_a_bound() {
        let names: Vec<String> =
            (0..MOST_OTHERS + 5).map(|number| format!("hw_counters/c{number}")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1\n")).collect();
        let (lines, faults) = read(&sys(&files), &[]);
        assert_eq!(lines.iter().filter(|line| line.contains("hw_counter{")).count(), MOST_OTHERS);
        assert!(
            faults.len() == 1 && faults[0].ends_with("hw_counters: 5 counters are not shown"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let (lines, faults) = read(&tempfile::tempdir().unwrap(), &[]);
        assert!(lines.is_empty() && faults.len() == 1, "{lines:?} {faults:?}");
        assert!(faults[0].starts_with("infiniband: there is no "), "{faults:?}");
    }

    #[test]
    fn states_and_rates() {
        assert_eq!(id("5: LinkUp"), Some(Number::Whole(5)));
        assert_eq!(bytes_per_second("2.5 Gb/sec (1X SDR)"), Some(Number::Real(312_500_000.0)));
        let odd = |parsed: Option<Number>| parsed.is_none().then(|| Fault::new("odd")).into_iter().collect();
        check_garbage(|text| odd(id(text)), &["", "5", "-1: X", "a: b", "1: 2: 3", "99999999999: X"]);
        check_garbage(|text| odd(bytes_per_second(text)), &["", "10", "x Gb/sec", "-1 Gb/sec", "inf Gb/sec"]);
    }
}

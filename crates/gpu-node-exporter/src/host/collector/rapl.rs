//! Energy that CPUs and memory used, from `/sys/class/powercap` (see the kernel's `power/powercap/powercap.rst`).
//!
//! Owns the counter of each zone. It starts again from 0 at `max_energy_range_uj`, which a rate takes for a restart, as in `node_exporter`. Only root
//! may read it since Linux 5.10 (CVE-2020-8694).

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::Labels;
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, ReadError, read_whole};
use crate::host::meaning::{Meaning, Scale};
use crate::host::number_files::NumberFiles;
use crate::host::root::Root;
use crate::host::utf8::escaped;

static ENABLE_ZONE_LABEL: Flag = Flag::switch(
    "collector.rapl.enable-zone-label",
    false,
    "Show all zones as one family, with the zone in a label",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "rapl",
    help: "energy that CPUs and memory used",
    reads: "/sys/class/powercap",
    is_default: true,
    // Each counter is a register of a CPU, which is interrupted to read it.
    waits_for: WaitsFor::Firmware,
    flags: &[&ENABLE_ZONE_LABEL],
    new: |flags, root| Box::new(EnergyCollector::new(flags, root)),
};

struct EnergyCollector {
    has_zone_label: bool,
    inventory: Inventory<Zones>,
    buffer: Buffer,
}

impl EnergyCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let inventory = Inventory::new(root.sys.join("class/powercap"));
        Self { has_zone_label: flags.is_on(&ENABLE_ZONE_LABEL), inventory, buffer: Buffer::default() }
    }
}

impl Collector for EnergyCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let has_zone_label = self.has_zone_label;
        match self.inventory.look(Instant::now(), |items| Zones::find(items, has_zone_label)) {
            Ok(zones) => {
                let (families, mut faults) = zones.files.read(&mut self.buffer);
                faults.extend(zones.fault.clone());
                Collected::new(families, faults)
            }
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// The zones there are.
#[derive(Default)]
struct Zones {
    files: NumberFiles,
    /// Why the zones are not read, which is alike for all of them.
    fault: Option<Fault>,
}

/// The files count microjoules.
const MICROJOULES: Scale = Scale::Parts(1e6);

impl Zones {
    fn find(items: Vec<Item>, has_zone_label: bool) -> Self {
        let mut zones = Self::default();
        // The next number of each name.
        let mut next: HashMap<String, u32> = HashMap::new();
        for Item { directory, .. } in items {
            // What has no name is no zone, but what zones belong to.
            let Ok(name) = read_whole(&directory.join("name")) else { continue };
            let name = escaped(&name).trim().to_owned();
            let (name, index) = numbered(&name).unwrap_or_else(|| {
                let index = next.get(&name).copied().unwrap_or_default();
                (name, index)
            });
            next.insert(name.clone(), index.saturating_add(1));
            let energy = directory.join("energy_uj");
            if let Err(error) = File::open(&energy)
                && error.kind() == ErrorKind::PermissionDenied
            {
                zones.fault = zones.fault.or_else(|| Some(ReadError::new(energy, error).into()));
                continue;
            }
            let path = escaped(directory.as_os_str().as_encoded_bytes()).into_owned();
            let labels = Labels::new([("index", &index.to_string()), ("path", &path)]);
            if has_zone_label {
                let meaning = Meaning::counter("node_rapl_joules_total", "Current RAPL value in joules");
                zones.files.add(energy, &meaning.scaled(MICROJOULES), &labels.and([("rapl_zone", &name)]));
            } else {
                let family = format!("node_rapl_{}_joules_total", part_of_name(&name));
                let meaning = Meaning::counter(family, format!("Current RAPL {name} value in joules"));
                zones.files.add(energy, &meaning.scaled(MICROJOULES), &labels);
            }
        }
        zones
    }
}

/// `package` and 0 of `package-0`.
fn numbered(name: &str) -> Option<(String, u32)> {
    let (name, number) = name.split_once('-')?;
    Some((name.to_owned(), number.parse().ok()?))
}

/// As a part of a family's name: one underscore for each run of other signs, with the underscores beside it.
fn part_of_name(name: &str) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let mut part = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|sign| !is_plain(sign)) {
        part.push_str(rest[..start].trim_end_matches('_'));
        part.push('_');
        rest = rest[start..].trim_start_matches(|sign| !is_plain(sign)).trim_start_matches('_');
    }
    part + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::on_sysfs;

    fn read(files: &[(&str, &str)], written: &[&str]) -> (Vec<String>, Vec<String>) {
        on_sysfs(&ENTRY, "class/powercap", files, written)
    }

    const ZONES: [(&str, &str); 9] = [
        ("intel-rapl/enabled", "1\n"),
        ("intel-rapl:0/name", "package-0\n"),
        ("intel-rapl:0/energy_uj", "240422366267\n"),
        ("intel-rapl:0:0/name", "dram\n"),
        ("intel-rapl:0:0/energy_uj", "1\n"),
        ("intel-rapl:1:0/name", "dram\n"),
        ("intel-rapl:1:0/energy_uj", "2\n"),
        ("psys/name", "psys-x\n"),
        ("psys/energy_uj", "many\n"),
    ];

    #[test]
    fn zones_of_one_name_are_numbered() {
        let (lines, faults) = read(&ZONES, &[]);
        assert_eq!(
            lines,
            [
                r#"node_rapl_package_joules_total{index="0",path="/class/powercap/intel-rapl:0"} 240422.366267"#,
                r#"node_rapl_dram_joules_total{index="0",path="/class/powercap/intel-rapl:0:0"} 0.000001"#,
                r#"node_rapl_dram_joules_total{index="1",path="/class/powercap/intel-rapl:1:0"} 0.000002"#,
            ]
        );
        assert_eq!(faults, ["/class/powercap/psys/energy_uj: expected a number, found `many`"]);
    }

    #[test]
    fn zones_can_be_one_family() {
        let (lines, _) = read(&ZONES[..3], &["--collector.rapl.enable-zone-label"]);
        assert_eq!(
            lines,
            [
                r#"node_rapl_joules_total{index="0",path="/class/powercap/intel-rapl:0",rapl_zone="package"} 240422.366267"#
            ]
        );
    }

    #[test]
    fn a_machine_without_it_says_so() {
        let (lines, faults) = read(&[], &[]);
        assert!(lines.is_empty() && faults.len() == 1, "{lines:?} {faults:?}");
        assert!(faults[0].starts_with("rapl: there is no "), "{faults:?}");
    }

    #[test]
    fn names_become_parts_of_names() {
        for (name, expected) in
            [("core", "core"), ("a-b", "a_b"), ("a_-.__b", "a_b"), ("-", "_"), ("é", "_"), ("a-", "a_")]
        {
            assert_eq!(part_of_name(name), expected, "{name}");
        }
    }
}

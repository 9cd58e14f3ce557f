//! Bonds of network devices, from `/sys/class/net` (see the kernel's `networking/bonding.rst`).
//!
//! Owns how many slaves each bond has and how many of them have a link.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::text;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "bonding",
    help: "slaves of bonds, and those that have a link",
    reads: "/sys/class/net/bonding_masters, /sys/class/net/*/bonding/slaves",
    is_default: true,
    waits_for: WaitsFor::NetworkLock,
    flags: &[],
    new: |_, root| Box::new(BondingCollector::new(root)),
};

struct BondingCollector {
    directory: PathBuf,
    masters: KeptFile,
    bonds: BTreeMap<String, Bond>,
    buffer: Buffer,
}

impl BondingCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("class/net");
        let masters = KeptFile::attribute(directory.join("bonding_masters"));
        Self { directory, masters, bonds: BTreeMap::new(), buffer: Buffer::default() }
    }
}

impl Collector for BondingCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let masters = match self.masters.read(&mut self.buffer) {
            Ok(text) => names(text, "bonding_masters"),
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut slaves =
            Family::gauge("node_bonding_slaves", "Number of configured slaves per bonding interface.");
        let mut active =
            Family::gauge("node_bonding_active", "Number of active slaves per bonding interface.");
        let Names { names: masters, mut faults } = masters;
        self.bonds.retain(|name, _| masters.contains(name));
        for master in masters {
            let directory = &self.directory;
            let open = |name: &String| Bond::new(&directory.join(name), name);
            let bond = self.bonds.entry(master).or_insert_with_key(open);
            match bond.read(&mut self.buffer) {
                Ok(Some(counted)) => {
                    slaves.push(bond.labels.clone(), counted.slaves);
                    active.push(bond.labels.clone(), counted.active);
                    faults.extend(counted.faults);
                }
                // The bond went away after it was listed.
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Collected::new(vec![slaves, active], faults)
    }
}

/// The names of network devices in an attribute.
struct Names {
    names: Vec<String>,
    faults: Vec<Fault>,
}

/// Names stand between spaces, as many as fit into a page; the kernel says when there are more.
fn names(text: &str, file: &str) -> Names {
    let (mut names, mut faults) = (Vec::new(), Vec::new());
    for name in text.split_ascii_whitespace() {
        if name == "++more++" {
            faults.push(Fault::new(format!("bonding: there are more devices than fit into {file}")));
        } else if name.contains('/') || name.len() > LONGEST_NAME || names.len() == MOST {
            faults.push(Fault::new(format!("bonding: expected names of network devices in {file}")));
            break;
        } else if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Names { names, faults }
}

/// `IFNAMSIZ` without its zero; a name that is not UTF-8 would be four times as long, and no device has one.
const LONGEST_NAME: usize = 15;

/// A page holds fewer names.
const MOST: usize = 4096;

/// One bond's files.
struct Bond {
    directory: PathBuf,
    labels: Labels,
    slaves: KeptFile,
    /// The file of each slave's link, by the slave's name.
    links: BTreeMap<String, KeptFile>,
}

/// The slaves of a bond.
struct Counted {
    slaves: u64,
    active: u64,
    faults: Vec<Fault>,
}

impl Bond {
    fn new(directory: &Path, name: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            labels: Labels::new([("master", name)]),
            slaves: KeptFile::attribute(directory.join("bonding/slaves")),
            links: BTreeMap::new(),
        }
    }

    /// `None` for a bond that is not there any more.
    fn read(&mut self, buffer: &mut Buffer) -> Result<Option<Counted>, Fault> {
        let Some(slaves) = text(&mut self.slaves, buffer)? else { return Ok(None) };
        let Names { names, faults } = names(&slaves, "bonding/slaves");
        self.links.retain(|name, _| names.contains(name));
        let mut counted = Counted { slaves: 0, active: 0, faults };
        for name in names {
            let directory = &self.directory;
            let open = |name: &String| KeptFile::attribute(link_file(directory, name));
            let link = self.links.entry(name).or_insert_with_key(open);
            match text(link, buffer) {
                Ok(Some(state)) => {
                    counted.slaves += 1;
                    counted.active += u64::from(state == "up");
                }
                // The slave left the bond after it was listed.
                Ok(None) => {}
                // It is a slave, whatever its link is.
                Err(fault) => {
                    counted.slaves += 1;
                    counted.faults.push(fault);
                }
            }
        }
        Ok(Some(counted))
    }
}

/// Before Linux 3.13 the links to the slaves were called `slave_*`.
fn link_file(bond: &Path, slave: &str) -> PathBuf {
    let file = |prefix: &str| bond.join(format!("{prefix}_{slave}/bonding_slave/mii_status"));
    let older = file("slave");
    if older.exists() { older } else { file("lower") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    fn shown(collector: &mut dyn Collector) -> (Vec<String>, Vec<String>) {
        let Collected { families, faults, .. } = collector.collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn slaves_come_and_go() {
        let sys = tempfile::tempdir().unwrap();
        let net = sys.path().join("class/net");
        let write = |file: &str, text: &str| {
            std::fs::create_dir_all(net.join(file).parent().unwrap()).unwrap();
            std::fs::write(net.join(file), text).unwrap();
        };
        let mut bonds = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]);
        let (lines, faults) = shown(&mut *bonds);
        assert_eq!(lines, [] as [&str; 0]);
        assert!(faults[0].starts_with("bonding: there is no /"), "{faults:?}");

        write("bonding_masters", "bond0 gone\n");
        write("bond0/bonding/slaves", "eth0 eth1 eth2\n");
        write("bond0/lower_eth0/bonding_slave/mii_status", "up\n");
        write("bond0/slave_eth1/bonding_slave/mii_status", "down\n");
        let check = |bonds: &mut dyn Collector, slaves: u32, active: u32| {
            let (lines, faults) = shown(bonds);
            let expected = [("slaves", slaves), ("active", active)]
                .map(|(name, count)| format!("node_bonding_{name}{{master=\"bond0\"}} {count}"));
            assert_eq!((lines, faults), (expected.to_vec(), vec![]));
        };
        check(&mut *bonds, 2, 1);
        write("bond0/bonding/slaves", "eth0\n");
        check(&mut *bonds, 1, 1);
        write("bond0/bonding/slaves", "\n");
        check(&mut *bonds, 0, 0);
        write("bonding_masters", "\n");
        assert_eq!(shown(&mut *bonds), (vec![], vec![]));
    }

    #[test]
    fn garbage_is_a_fault() {
        let check = |text: &str, read: &[&str], said: &[&str]| {
            let Names { names, faults } = names(text, "file");
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(names, read, "{text}");
            assert_eq!(faults, said, "{text}");
        };
        check("bond0 bond1 bond0\n", &["bond0", "bond1"], &[]);
        check("bond0 ++more++ \n", &["bond0"], &["bonding: there are more devices than fit into file"]);
        check("bond0 ../../x bond1", &["bond0"], &["bonding: expected names of network devices in file"]);
        check("a-name-of-sixteen", &[], &["bonding: expected names of network devices in file"]);
    }
}

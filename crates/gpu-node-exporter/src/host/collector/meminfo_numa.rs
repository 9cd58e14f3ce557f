//! Memory by NUMA node, from `/sys/devices/system/node/node*/meminfo` and `numastat` (see the kernel's
//! `ABI/stable/sysfs-devices-node` and `admin-guide/numastat.rst`).
//!
//! Owns one family for each line of the two files. Leaves out the whole machine's memory, which is `meminfo`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::lines;
use crate::host::named_families::NamedFamilies;
use crate::host::root::Root;
use crate::host::sysfs::numbered;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "meminfo_numa",
    help: "memory by NUMA node",
    reads: "/sys/devices/system/node",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(NumaCollector::new(root)),
};

struct NumaCollector {
    directory: PathBuf,
    nodes: BTreeMap<u32, Node>,
    buffer: Buffer,
}

impl NumaCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/node");
        Self { directory, nodes: BTreeMap::new(), buffer: Buffer::default() }
    }
}

impl Collector for NumaCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // A kernel without NUMA has no nodes, which is no fault, as in node_exporter.
        let numbers = match numbered(&self.directory, "node") {
            Ok(numbers) => numbers,
            Err(fault) => return Collected::failed(fault),
        };
        self.nodes.retain(|number, _| numbers.contains(number));
        let mut families = NamedFamilies::default();
        let mut faults = Vec::new();
        for number in numbers {
            let node = self.nodes.entry(number).or_insert_with(|| Node::new(&self.directory, number));
            faults.extend(node.read(&mut self.buffer, &mut families));
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// One node's files.
struct Node {
    labels: Labels,
    name: String,
    meminfo: KeptFile,
    numastat: KeptFile,
}

impl Node {
    fn new(directory: &Path, number: u32) -> Self {
        let name = format!("node{number}");
        let file = |file: &str| KeptFile::of_few_lines(directory.join(&name).join(file));
        Self {
            labels: Labels::new([("node", number.to_string())]),
            meminfo: file("meminfo"),
            numastat: file("numastat"),
            name,
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut NamedFamilies) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut read = |file: &mut KeptFile, name: &str, parse: fn(&str) -> Option<Field>| {
            match file.read(buffer) {
                Ok(text) => {
                    let read = lines(&format!("{}/{name}", self.name), text, parse);
                    faults.extend(read.faults);
                    faults.extend(
                        read.read.into_iter().filter_map(|field| field.add(families, &self.labels).err()),
                    );
                }
                // The node went away.
                Err(error) if error.is_no_answer() => {}
                Err(error) => faults.push(error.into()),
            }
        };
        read(&mut self.meminfo, "meminfo", meminfo_field);
        read(&mut self.numastat, "numastat", numastat_field);
        faults
    }
}

/// What one line says.
struct Field {
    /// The name without `node_memory_numa_`.
    name: String,
    is_counter: bool,
    value: u64,
}

impl Field {
    fn add(self, families: &mut NamedFamilies, labels: &Labels) -> Result<(), Fault> {
        let Self { name, is_counter, value } = self;
        let help = format!("Memory information field {name}.");
        let new = |name| if is_counter { Family::counter(name, help) } else { Family::gauge(name, help) };
        families.push(format!("node_memory_numa_{name}"), new, labels.clone(), value)
    }
}

/// `Node 0 Active(anon):     691324 kB`, in bytes; without a unit a number of pages.
fn meminfo_field(line: &str) -> Option<Field> {
    let (head, rest) = line.split_once(':')?;
    let mut head = head.split_ascii_whitespace();
    let (Some("Node"), Some(_), Some(key), None) = (head.next(), head.next(), head.next(), head.next())
    else {
        return None;
    };
    let mut words = rest.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let value = match words.next() {
        None => number,
        Some("kB") => number.checked_mul(1024)?,
        Some(_) => return None,
    };
    let name = key.replace('(', "_").replace(')', "");
    is_name(&name).then_some(Field { name, is_counter: false, value })
}

/// `numa_hit 193460335812`
fn numastat_field(line: &str) -> Option<Field> {
    let (key, value) = line.split_once(' ')?;
    let value = value.trim().parse().ok()?;
    is_name(key).then(|| Field { name: format!("{key}_total"), is_counter: true, value })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    #[test]
    fn each_node_has_its_own_lines() {
        let sys = tempfile::tempdir().unwrap();
        let node = |number, file: &str, text: &str| {
            let directory = sys.path().join(format!("devices/system/node/node{number}"));
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(file), text).unwrap();
        };
        let mut collector = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]);
        let mut shown = || {
            let Collected { families, faults, .. } = collector.collect();
            (values(&families), faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown(), (vec![], vec![]), "a kernel without NUMA");
        node(0, "meminfo", "Node 0 Active(anon):   2 kB\nNode 0 HugePages_Free:     3\n");
        node(0, "numastat", "numa_hit 18446744073709551615\n");
        node(1, "meminfo", "Node 1 Active(anon):   4 kB\nNode 1 HugePages_Free:  -1\n");
        let (lines, faults) = shown();
        assert_eq!(
            lines,
            [
                r#"node_memory_numa_Active_anon{node="0"} 2048"#,
                r#"node_memory_numa_Active_anon{node="1"} 4096"#,
                r#"node_memory_numa_HugePages_Free{node="0"} 3"#,
                r#"node_memory_numa_numa_hit_total{node="0"} 18446744073709551615"#,
            ]
        );
        assert_eq!(faults, ["node1/meminfo: cannot read line 2: `Node 1 HugePages_Free:  -1`"]);
        std::fs::remove_dir_all(sys.path().join("devices/system/node/node1")).unwrap();
        assert_eq!(shown().0.len(), 3, "a node that went away");
    }

    #[test]
    fn garbage_is_a_fault() {
        let faults = |parse: fn(&str) -> Option<Field>| move |text: &str| lines("file", text, parse).faults;
        check_garbage(
            faults(meminfo_field),
            &[
                "",
                "Node 0 MemFree 1 kB",
                "Node 0 MemFree: 1 MB",
                "Node 0 MemFree:",
                "MemFree: 1 kB",
                "Node 0 a{}: 1",
                "Node 0 MemFree: 18446744073709551615 kB",
            ],
        );
        check_garbage(
            faults(numastat_field),
            &["", "numa_hit", "numa_hit -1", "numa_hit 1 2", " 1", "a{} 1"],
        );
    }
}

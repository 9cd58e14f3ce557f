//! Counters of the network's caches by CPU, from `/proc/net/stat/*` (see `lnstat(8)`).
//!
//! Owns one family for each column of any of the files. Every column is shown as a counter, `entries` too, as in
//! `node_exporter`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, is_metric_name};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile, ReadError};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::named_families::NamedFamilies;
use crate::host::root::Root;
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "lnstat",
    help: "counters of the network's caches",
    reads: "/proc/net/stat",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(LnstatCollector::new(root)),
};

struct LnstatCollector {
    directory: PathBuf,
    files: BTreeMap<OsString, KeptFile>,
    buffer: Buffer,
}

impl LnstatCollector {
    fn new(root: &Root) -> Self {
        Self { directory: root.proc.join("net/stat"), files: BTreeMap::new(), buffer: Buffer::default() }
    }

    /// Files come with modules.
    fn find(&mut self) -> Result<(), ReadError> {
        let unreadable = |error| ReadError::new(&self.directory, error);
        let mut names = Vec::new();
        match std::fs::read_dir(&self.directory).map_err(unreadable) {
            Ok(entries) => {
                for entry in entries {
                    names.push(entry.map_err(unreadable)?.file_name());
                }
            }
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
        self.files.retain(|name, _| names.contains(name));
        for name in names {
            let path = self.directory.join(&name);
            self.files.entry(name).or_insert_with(|| KeptFile::new(path));
        }
        Ok(())
    }
}

impl Collector for LnstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        if let Err(error) = self.find() {
            return Collected::failed(error.into());
        }
        let mut families = NamedFamilies::default();
        let mut faults = Vec::new();
        for (name, file) in &mut self.files {
            let name = escaped(name.as_encoded_bytes());
            match file.read(&mut self.buffer) {
                Ok(text) => faults.extend(add(&mut families, &name, text)),
                Err(error) if error.is_no_answer() => {}
                Err(error) => faults.push(error.into()),
            }
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// Adds what one file says: a line with the columns' names, then a line for each CPU with numbers in base 16.
fn add(families: &mut NamedFamilies, file: &str, text: &str) -> Vec<Fault> {
    let head = text.lines().next().unwrap_or_default();
    let columns: Vec<_> = head.split_ascii_whitespace().collect();
    let is_name = |name: &&str| is_metric_name(name) && !name.contains(':');
    if columns.is_empty() || !columns.iter().all(is_name) {
        let what = format!("net/stat/{file}: expected the names of columns");
        return vec![Fault::with_excerpt(what, excerpt(head))];
    }
    // A line that cannot be read must not number the others anew.
    let cpu = Cell::new(0_usize);
    let Lines { read, mut faults } =
        numbered_lines(&format!("net/stat/{file}"), text.lines().enumerate().skip(1), |line| {
            Some((cpu.replace(cpu.get() + 1), counts(line, columns.len())?))
        });
    for (cpu, counts) in read {
        let labels = Labels::new([("subsystem", file), ("cpu", cpu.to_string().as_str())]);
        let new = |name| Family::counter(name, "linux network cache stats");
        let added = columns.iter().zip(counts).filter_map(|(column, count)| {
            families.push(format!("node_lnstat_{column}_total"), new, labels.clone(), count).err()
        });
        faults.extend(added);
    }
    faults
}

/// The line of one CPU: a number in base 16 for each column.
fn counts(line: &str, columns: usize) -> Option<Vec<u64>> {
    let counts = line.split_ascii_whitespace().map(|count| u64::from_str_radix(count, 16).ok());
    counts.collect::<Option<Vec<_>>>().filter(|counts| counts.len() == columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    #[test]
    fn a_file_has_a_line_for_each_cpu() {
        let proc = tempfile::tempdir().unwrap();
        let mut collector = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]);
        let mut shown = || {
            let Collected { families, faults, .. } = collector.collect();
            (values(&families), faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown(), (vec![], vec![]), "a kernel without such files");
        let directory = proc.path().join("net/stat");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(
            directory.join("arp_cache"),
            "entries  allocs\n0000000a ffffffffffffffff\n-1 2\n3 4\n",
        )
        .unwrap();
        std::fs::write(directory.join("nf_conntrack"), "entries found\n0000000b 1\n").unwrap();
        let (lines, faults) = shown();
        assert_eq!(
            lines,
            [
                r#"node_lnstat_entries_total{subsystem="arp_cache",cpu="0"} 10"#,
                r#"node_lnstat_entries_total{subsystem="arp_cache",cpu="2"} 3"#,
                r#"node_lnstat_entries_total{subsystem="nf_conntrack",cpu="0"} 11"#,
                r#"node_lnstat_allocs_total{subsystem="arp_cache",cpu="0"} 18446744073709551615"#,
                r#"node_lnstat_allocs_total{subsystem="arp_cache",cpu="2"} 4"#,
                r#"node_lnstat_found_total{subsystem="nf_conntrack",cpu="0"} 1"#,
            ]
        );
        assert_eq!(faults, ["net/stat/arp_cache: cannot read line 3: `-1 2`"]);
        std::fs::remove_file(directory.join("arp_cache")).unwrap();
        assert_eq!(shown().0.len(), 2, "a module that was taken out");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| add(&mut NamedFamilies::default(), "file", text),
            &[
                "",
                "\n",
                "a\n",
                "a b\n1\n",
                "a\n1 2\n",
                "a\nx\n",
                "a{}\n1\n",
                "a:b\n1\n",
                "a\n10000000000000000\n",
            ],
        );
    }
}

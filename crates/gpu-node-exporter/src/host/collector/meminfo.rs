//! Memory, from `/proc/meminfo` (see `proc_meminfo(5)`).
//!
//! Owns one gauge for each line of the file. Parsed by hand: procfs keeps a fixed list of fields and would lose the
//! ones newer kernels add. Leaves out the NUMA nodes' own files.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "meminfo",
    help: "memory",
    reads: "/proc/meminfo",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(MemoryCollector { file: ProcFile::of_few_lines(root, "meminfo") }),
};

struct MemoryCollector {
    file: ProcFile,
}

impl Collector for MemoryCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.file.read().map_or_else(|error| Collected::failed(error.into()), collected)
    }
}

fn collected(text: &str) -> Collected {
    let Lines { read, faults } = lines("meminfo", text, parse);
    let family = |field: Field<'_>| {
        Family::gauge(field.family(), "A field of /proc/meminfo.").with(Labels::NONE, field.value)
    };
    Collected { families: read.into_iter().map(family).collect(), faults }
}

/// One line: `Active(anon):    2068484 kB`.
struct Field<'text> {
    key: &'text str,
    /// Bytes where the line has a unit, else a number of pages.
    value: u64,
    has_unit: bool,
}

fn parse(line: &str) -> Option<Field<'_>> {
    let (key, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let (value, has_unit) = match words.next() {
        None => (number, false),
        Some("kB") => (number.checked_mul(1024)?, true),
        Some(_) => return None,
    };
    let valid_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_()".contains(&byte));
    (valid_key && !key.is_empty()).then_some(Field { key, value, has_unit })
}

impl Field<'_> {
    /// `Active(anon)` is `node_memory_Active_anon_bytes`; `HugePages_Total`, a number of pages, keeps no unit.
    fn family(&self) -> String {
        let key = self.key.replace('(', "_").replace(')', "");
        let unit = if self.has_unit { "_bytes" } else { "" };
        format!("node_memory_{key}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn names_every_line() {
        let text = "MemTotal:       3742148 kB\nActive(anon):    2068484 kB\nHugePages_Total:       0\n";
        assert_eq!(
            values(&collected(text).families),
            [
                "node_memory_MemTotal_bytes 3831959552",
                "node_memory_Active_anon_bytes 2118127616",
                "node_memory_HugePages_Total 0"
            ]
        );
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let check = |text: &str, fault: &str| {
            let collected = collected(text);
            assert_eq!(collected.families.len(), text.lines().count() - 1);
            let faults: Vec<_> = collected.faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, [fault]);
        };
        check(include_str!("../testdata/odd_lines/meminfo_blank_line"), "meminfo: cannot read line 43: ``");
        check(
            include_str!("../testdata/odd_lines/meminfo_wrapped_value"),
            "meminfo: cannot read line 30: `Committed_AS:    18446744073709551604 kB`",
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| collected(text).faults,
            &[
                "",
                "MemTotal",
                "MemTotal: x kB",
                "MemTotal: 1 MB",
                "MemTotal: 18446744073709551615 kB",
                "Mem Total: 1 kB",
                ": 1 kB",
                "\u{0}\u{1}",
            ],
        );
    }
}

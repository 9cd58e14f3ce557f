//! The kernel's own objects by kind, from `/proc/slabinfo` (see `slabinfo(5)`), which only root may read.
//!
//! Owns number and size of the objects. Leaves out how slabs are tuned, which only kernels with the old allocator know.

use std::collections::{HashMap, HashSet};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::filter::Filter;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

static SLABS_INCLUDE: Flag = Flag::regex("collector.slabinfo.slabs-include", ".*", "The only slabs to show");
static SLABS_EXCLUDE: Flag = Flag::regex("collector.slabinfo.slabs-exclude", "", "Slabs to leave out");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "slabinfo",
    help: "memory of the kernel's own objects",
    reads: "/proc/slabinfo",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[&SLABS_INCLUDE, &SLABS_EXCLUDE],
    new: |flags, root| Box::new(SlabCollector::new(flags, root)),
};

struct SlabCollector {
    file: ProcFile,
    shown: Shown,
}

impl SlabCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        // Of this pair both may be written.
        let filter = Filter { exclude: flags.regex(&SLABS_EXCLUDE), include: flags.regex(&SLABS_INCLUDE) };
        Self { file: ProcFile::new(root, "slabinfo"), shown: Shown { filter, slabs: HashMap::new() } }
    }
}

impl Collector for SlabCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map_err(Fault::from).and_then(parse) {
            Ok(Lines { read, faults }) => Collected::new(families(&read, &mut self.shown), faults),
            Err(fault) => Collected::failed(fault),
        }
    }
}

/// One line: `kmem_cache 320 320 256 32 2 : tunables …`.
#[derive(Debug)]
struct Slab<'text> {
    name: &'text str,
    /// In the order of [`COLUMNS`].
    counts: [u64; COLUMNS.len()],
}

/// The columns after the name.
const COLUMNS: [(&str, &str); 5] = [
    ("node_slabinfo_active_objects", "The number of objects that are currently active (i.e., in use)."),
    (
        "node_slabinfo_objects",
        "The total number of allocated objects (i.e., objects that are both in use and not in use).",
    ),
    ("node_slabinfo_object_size_bytes", "The size of objects in this slab, in bytes."),
    ("node_slabinfo_objects_per_slab", "The number of objects stored in each slab."),
    ("node_slabinfo_pages_per_slab", "The number of pages allocated for each slab."),
];

fn parse(text: &str) -> Result<Lines<Slab<'_>>, Fault> {
    let version = text.lines().next().unwrap_or_default();
    // The columns have been the same since Linux 2.6.10.
    if !version.starts_with("slabinfo - version: 2.") {
        return Err(Fault::with_excerpt("slabinfo: expected version 2", excerpt(version)));
    }
    let slabs = text.lines().enumerate().skip(1).filter(|(_, line)| !line.starts_with('#'));
    Ok(numbered_lines("slabinfo", slabs, parse_line))
}

fn parse_line(line: &str) -> Option<Slab<'_>> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let mut counts = [0; COLUMNS.len()];
    for count in &mut counts {
        *count = words.next()?.parse().ok()?;
    }
    Some(Slab { name, counts })
}

/// The slabs of the last reading: the expressions are asked when one is new.
struct Shown {
    filter: Filter,
    /// `None` for a slab that is left out.
    slabs: HashMap<String, Option<Labels>>,
}

impl Shown {
    fn labels(&mut self, name: &str) -> Option<Labels> {
        if let Some(known) = self.slabs.get(name) {
            return known.clone();
        }
        let labels = self.filter.keeps(name).then(|| Labels::new([("slab", name)]));
        self.slabs.insert(name.to_owned(), labels.clone());
        labels
    }
}

fn families(slabs: &[Slab<'_>], shown: &mut Shown) -> Vec<Family> {
    // Slabs come and go with modules and containers.
    if shown.slabs.len() > slabs.len() {
        let names: HashSet<&str> = slabs.iter().map(|slab| slab.name).collect();
        shown.slabs.retain(|name, _| names.contains(name.as_str()));
    }
    let mut families = COLUMNS.map(|(name, help)| Family::gauge(name, help));
    for slab in slabs {
        let Some(labels) = shown.labels(slab.name) else { continue };
        for (family, count) in families.iter_mut().zip(slab.counts) {
            family.push(labels.clone(), count);
        }
    }
    families.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    const HEAD: &str =
        "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n";
    const TAIL: &str = ": tunables 0 0 0 : slabdata 27 27 0";

    fn shown(written: &[&str]) -> Vec<String> {
        let proc = tempfile::tempdir().unwrap();
        let text = format!("{HEAD}kmem_cache 310 320 256 32 2 {TAIL}\ndentry 5 6 192 21 1 {TAIL}\n");
        std::fs::write(proc.path().join("slabinfo"), text).unwrap();
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), written).collect();
        assert_eq!(collected.faults, []);
        values(&collected.families)
    }

    #[test]
    fn names_every_column() {
        let lines = shown(&["--collector.slabinfo.slabs-include=^kmem"]);
        assert_eq!(
            lines,
            [
                r#"node_slabinfo_active_objects{slab="kmem_cache"} 310"#,
                r#"node_slabinfo_objects{slab="kmem_cache"} 320"#,
                r#"node_slabinfo_object_size_bytes{slab="kmem_cache"} 256"#,
                r#"node_slabinfo_objects_per_slab{slab="kmem_cache"} 32"#,
                r#"node_slabinfo_pages_per_slab{slab="kmem_cache"} 2"#,
            ]
        );
    }

    #[test]
    fn both_expressions_hold() {
        let check = |written: &[&str], expected: &[&str]| {
            let lines = shown(written);
            let slabs = ["kmem_cache", "dentry"]
                .into_iter()
                .filter(|slab| lines.iter().any(|line| line.contains(slab)));
            assert_eq!(slabs.collect::<Vec<_>>(), expected, "{written:?}");
        };
        check(&[], &["kmem_cache", "dentry"]);
        check(&["--collector.slabinfo.slabs-exclude=^d"], &["kmem_cache"]);
        check(&["--collector.slabinfo.slabs-include=e", "--collector.slabinfo.slabs-exclude=_"], &["dentry"]);
    }

    #[test]
    fn slabs_that_are_gone_are_forgotten() {
        let mut shown = Shown { filter: Filter::default(), slabs: HashMap::new() };
        let text = format!("{HEAD}a 1 1 1 1 1 {TAIL}\nb 1 1 1 1 1 {TAIL}\n");
        families(&parse(&text).unwrap().read, &mut shown);
        families(&parse(&format!("{HEAD}b 1 1 1 1 1 {TAIL}\n")).unwrap().read, &mut shown);
        assert_eq!(shown.slabs.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults),
            &[
                "",
                "slabinfo - version: 1.1\n",
                &format!("{HEAD}dentry\n"),
                &format!("{HEAD}dentry 5 6 192 21\n"),
                &format!("{HEAD}dentry 5 6 192 21 -1 {TAIL}\n"),
                &format!("{HEAD}\n"),
            ],
        );
    }
}

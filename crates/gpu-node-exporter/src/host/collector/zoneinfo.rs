//! The zones of memory, from `/proc/zoneinfo` (see `proc_zoneinfo(5)`).
//!
//! Owns the table of the lines that are shown: watermarks, sizes, what pages are used for, NUMA counters. Counts are of
//! pages. The kernel says what belongs to a whole node in the node's first zone. Leaves out the lists of each CPU.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "zoneinfo",
    help: "zones of memory",
    reads: "/proc/zoneinfo",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(ZoneCollector { file: ProcFile::new(root, "zoneinfo") }),
};

/// The first word of a line, the family and its help. A family that ends in `_total` is a counter.
const NUMBERS: [(&str, &str, &str); 34] = [
    ("nr_free_pages", "node_zoneinfo_nr_free_pages", "Total number of free pages in the zone"),
    ("min", "node_zoneinfo_min_pages", "Zone watermark pages_min"),
    ("low", "node_zoneinfo_low_pages", "Zone watermark pages_low"),
    ("high", "node_zoneinfo_high_pages", "Zone watermark pages_high"),
    ("scanned", "node_zoneinfo_scanned_pages", "Pages scanned since last reclaim"),
    ("spanned", "node_zoneinfo_spanned_pages", "Total pages spanned by the zone, including holes"),
    ("present", "node_zoneinfo_present_pages", "Physical pages existing within the zone"),
    ("managed", "node_zoneinfo_managed_pages", "Present pages managed by the buddy system"),
    ("nr_active_anon", "node_zoneinfo_nr_active_anon_pages", "Number of anonymous pages recently more used"),
    (
        "nr_inactive_anon",
        "node_zoneinfo_nr_inactive_anon_pages",
        "Number of anonymous pages recently less used",
    ),
    ("nr_isolated_anon", "node_zoneinfo_nr_isolated_anon_pages", "Temporary isolated pages from anon lru"),
    (
        "nr_anon_pages",
        "node_zoneinfo_nr_anon_pages",
        "Number of anonymous pages currently used by the system",
    ),
    (
        "nr_anon_transparent_hugepages",
        "node_zoneinfo_nr_anon_transparent_hugepages",
        "Number of anonymous transparent huge pages currently used by the system",
    ),
    ("nr_active_file", "node_zoneinfo_nr_active_file_pages", "Number of active pages with file-backing"),
    (
        "nr_inactive_file",
        "node_zoneinfo_nr_inactive_file_pages",
        "Number of inactive pages with file-backing",
    ),
    ("nr_isolated_file", "node_zoneinfo_nr_isolated_file_pages", "Temporary isolated pages from file lru"),
    ("nr_file_pages", "node_zoneinfo_nr_file_pages", "Number of file pages"),
    ("nr_slab_reclaimable", "node_zoneinfo_nr_slab_reclaimable_pages", "Number of reclaimable slab pages"),
    (
        "nr_slab_unreclaimable",
        "node_zoneinfo_nr_slab_unreclaimable_pages",
        "Number of unreclaimable slab pages",
    ),
    ("nr_mlock_stack", "node_zoneinfo_nr_mlock_stack_pages", "mlock()ed pages found and moved off LRU"),
    ("nr_kernel_stack", "node_zoneinfo_nr_kernel_stacks", "Number of kernel stacks"),
    ("nr_mapped", "node_zoneinfo_nr_mapped_pages", "Number of mapped pages"),
    ("nr_dirty", "node_zoneinfo_nr_dirty_pages", "Number of dirty pages"),
    ("nr_writeback", "node_zoneinfo_nr_writeback_pages", "Number of writeback pages"),
    ("nr_unevictable", "node_zoneinfo_nr_unevictable_pages", "Number of unevictable pages"),
    ("nr_shmem", "node_zoneinfo_nr_shmem_pages", "Number of shmem pages (included tmpfs/GEM pages)"),
    ("nr_dirtied", "node_zoneinfo_nr_dirtied_total", "Page dirtyings since bootup"),
    ("nr_written", "node_zoneinfo_nr_written_total", "Page writings since bootup"),
    ("numa_hit", "node_zoneinfo_numa_hit_total", "Allocated in intended node"),
    ("numa_miss", "node_zoneinfo_numa_miss_total", "Allocated in non intended node"),
    ("numa_foreign", "node_zoneinfo_numa_foreign_total", "Was intended here, hit elsewhere"),
    ("numa_interleave", "node_zoneinfo_numa_interleave_total", "Interleaver preferred this zone"),
    ("numa_local", "node_zoneinfo_numa_local_total", "Allocation from local node"),
    ("numa_other", "node_zoneinfo_numa_other_total", "Allocation from other node"),
];

struct ZoneCollector {
    file: ProcFile,
}

impl Collector for ZoneCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => collected(text),
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// What one line says.
enum Line<'text> {
    /// `Node 0, zone   Normal`: the lines after it are about this zone.
    Zone { node: &'text str, zone: &'text str },
    /// The place of a word in [`NUMBERS`], and its number.
    Number(usize, u64),
    /// `protection: (0, 2039, 31932)`: by the zone that an allocation would have preferred.
    Protection(Vec<u64>),
    /// Anything that is not shown.
    Other,
}

fn parse(line: &str) -> Option<Line<'_>> {
    if let Some(of_node) = line.strip_prefix("Node ") {
        let (node, zone) = of_node.split_once(',')?;
        let zone = zone.trim_start().strip_prefix("zone")?.trim();
        return (!zone.is_empty()).then_some(Line::Zone { node: node.trim(), zone });
    }
    let mut words = line.split_ascii_whitespace();
    let (Some(word), Some(value)) = (words.next(), words.next()) else { return Some(Line::Other) };
    if word == "protection:" {
        let list = line.split_once('(')?.1.trim_end().strip_suffix(')')?;
        return list
            .split(',')
            .map(|pages| pages.trim().parse().ok())
            .collect::<Option<_>>()
            .map(Line::Protection);
    }
    match NUMBERS.iter().position(|(known, ..)| *known == word) {
        Some(place) => value.parse().ok().map(|number| Line::Number(place, number)),
        None => Some(Line::Other),
    }
}

fn collected(text: &str) -> Collected {
    let Lines { read, mut faults } = lines("zoneinfo", text, parse);
    let mut families = NUMBERS.map(|(_, name, help)| {
        if name.ends_with("_total") { Family::counter(name, help) } else { Family::gauge(name, help) }
    });
    let mut protections: Vec<Family> = Vec::new();
    let mut zone = None;
    for line in read {
        match (line, &zone) {
            (Line::Zone { node, zone: name }, _) => {
                zone = Some(Labels::new([("node", node), ("zone", name)]));
            }
            (Line::Number(place, number), Some(labels)) => families[place].push(labels.clone(), number),
            (Line::Protection(pages), Some(labels)) => {
                for place in protections.len()..pages.len() {
                    let help = format!("Protection array {place}. field");
                    protections.push(Family::gauge(format!("node_zoneinfo_protection_{place}"), help));
                }
                for (family, pages) in protections.iter_mut().zip(pages) {
                    family.push(labels.clone(), pages);
                }
            }
            (_, _) => {}
        }
    }
    if zone.is_none() && faults.is_empty() {
        faults.push(Fault::new("zoneinfo: there is no zone in it"));
    }
    Collected::new(families.into_iter().chain(protections).collect(), faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn a_line_belongs_to_the_zone_above_it() {
        let text = "Node 0, zone      DMA\n  per-node stats\n      nr_dirtied   7\n  pages free     2949\n        high     14\n\
            \x20       protection: (0, 2039)\n  pagesets\n    cpu: 0\n              high:  3\n\
            Node 1, zone   Normal\n        high     18446744073709551615\n        protection: (1, 2, 3)\n";
        let Collected { families, faults, .. } = collected(text);
        let dma = r#"{node="0",zone="DMA"}"#;
        let normal = r#"{node="1",zone="Normal"}"#;
        assert_eq!(
            values(&families),
            [
                format!("node_zoneinfo_high_pages{dma} 14"),
                format!("node_zoneinfo_high_pages{normal} 18446744073709551615"),
                format!("node_zoneinfo_nr_dirtied_total{dma} 7"),
                format!("node_zoneinfo_protection_0{dma} 0"),
                format!("node_zoneinfo_protection_0{normal} 1"),
                format!("node_zoneinfo_protection_1{dma} 2039"),
                format!("node_zoneinfo_protection_1{normal} 2"),
                format!("node_zoneinfo_protection_2{normal} 3"),
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| collected(text).faults,
            &[
                "",
                "high 14\n",
                "Segmentation fault\n",
                "Node 0\n",
                "Node 0, zone\n",
                "Node 0, zone DMA\n high -1\n",
                "Node 0, zone DMA\n protection: (0, x)\n",
                "Node 0, zone DMA\n protection: 0, 1\n",
            ],
        );
    }
}

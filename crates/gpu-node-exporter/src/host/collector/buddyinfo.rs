//! Free memory by the size of its pieces, from `/proc/buddyinfo` (see `proc_buddyinfo(5)`).
//!
//! Owns how many pieces of each size a zone has: size N is 2^N pages.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "buddyinfo",
    help: "free memory by the size of its pieces",
    reads: "/proc/buddyinfo",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(BuddyCollector { file: ProcFile::new(root, "buddyinfo") }),
};

struct BuddyCollector {
    file: ProcFile,
}

impl Collector for BuddyCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => {
                let Lines { read, faults } = lines("buddyinfo", text, parse);
                Collected::new(vec![family(&read)], faults)
            }
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// One line: `Node 0, zone   Normal   4381   1093    185`.
struct Zone<'text> {
    node: &'text str,
    name: &'text str,
    /// By the power of two.
    blocks: Vec<u64>,
}

fn parse(line: &str) -> Option<Zone<'_>> {
    let (node, rest) = line.strip_prefix("Node ")?.split_once(',')?;
    let mut words = rest.trim_start().strip_prefix("zone ")?.split_ascii_whitespace();
    let name = words.next()?.trim_end_matches(',');
    let blocks: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    (!blocks.is_empty()).then_some(Zone { node: node.trim_start(), name, blocks })
}

fn family(zones: &[Zone<'_>]) -> Family {
    let mut family = Family::gauge("node_buddyinfo_blocks", "Count of free blocks according to size.");
    for Zone { node, name, blocks } in zones {
        for (size, count) in blocks.iter().enumerate() {
            let size = size.to_string();
            family.push(Labels::new([("node", *node), ("zone", name), ("size", size.as_str())]), *count);
        }
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn a_zone_has_a_count_for_each_size() {
        let Lines { read, faults } = lines("buddyinfo", "Node 1, zone   Normal   4381   1093 \n", parse);
        assert_eq!(
            values(&[family(&read)]),
            [
                r#"node_buddyinfo_blocks{node="1",zone="Normal",size="0"} 4381"#,
                r#"node_buddyinfo_blocks{node="1",zone="Normal",size="1"} 1093"#,
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| lines("buddyinfo", text, parse).faults,
            &[
                "",
                "\n",
                "Node 0, zone\n",
                "Node 0, zone DMA\n",
                "Node 0 zone DMA 1\n",
                "Node 0, zone DMA 1 -1\n",
                "Node 0, zone DMA 1.5\n",
            ],
        );
    }
}

//! Merging of pages that are the same (KSM), from `/sys/kernel/mm/ksm` (see the kernel's `admin-guide/mm/ksm.rst`).
//!
//! Owns what the daemon says of itself. Leaves out what it merges for each process.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::Labels;
use crate::host::entry::Entry;
use crate::host::kept_file::Buffer;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, families};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "ksmd",
    help: "merging of pages that are the same",
    reads: "/sys/kernel/mm/ksm",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(KsmCollector::new(root)),
};

static NUMBERS: [Attribute; 10] = [
    Attribute::counter(
        "full_scans",
        "node_ksmd_full_scans_total",
        "How many times all mergeable areas have been scanned.",
    ),
    Attribute::gauge(
        "general_profit",
        "node_ksmd_general_profit_bytes",
        "How effective is KSM. ksm_saved_pages * sizeof(page) - (all_rmap_items) * sizeof(rmap_item)",
    ),
    Attribute::gauge(
        "merge_across_nodes",
        "node_ksmd_merge_across_nodes",
        "Specifies if pages from different NUMA nodes can be merged.",
    ),
    Attribute::gauge("pages_shared", "node_ksmd_pages_shared", "How many shared pages are being used."),
    Attribute::gauge(
        "pages_sharing",
        "node_ksmd_pages_sharing",
        "How many more sites are sharing them i.e. how much saved.",
    ),
    Attribute::gauge(
        "pages_to_scan",
        "node_ksmd_pages_to_scan",
        "How many pages to scan before ksmd goes to sleep.",
    ),
    Attribute::gauge(
        "pages_unshared",
        "node_ksmd_pages_unshared",
        "How many pages unique but repeatedly checked for merging.",
    ),
    Attribute::gauge(
        "pages_volatile",
        "node_ksmd_pages_volatile",
        "How many pages changing too fast to be placed in a tree.",
    ),
    Attribute::gauge("run", "node_ksmd_run", "The status of ksmd. stopped = 0, running = 1"),
    Attribute::gauge(
        "sleep_millisecs",
        "node_ksmd_sleep_seconds",
        "How many seconds ksmd should sleep before next scan.",
    )
    .times(1e-3),
];

/// A kernel without KSM has none of the files, which is no fault, as in `node_exporter`.
struct KsmCollector {
    files: AttributeFiles,
    buffer: Buffer,
}

impl KsmCollector {
    fn new(root: &Root) -> Self {
        let files = AttributeFiles::new(&NUMBERS, &root.sys.join("kernel/mm/ksm"), Labels::NONE);
        Self { files, buffer: Buffer::default() }
    }
}

impl Collector for KsmCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut families = families(&NUMBERS);
        let faults = self.files.read(&mut self.buffer, &mut families);
        Collected::new(families, faults)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::testing::{collector, reading};

    fn shown(sys: &Path) -> (Vec<String>, Vec<String>) {
        reading(&mut *collector(&ENTRY, Path::new("/nonexistent"), sys, &[]))
    }

    #[test]
    fn a_loss_is_negative_and_what_a_kernel_does_not_say_is_absent() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(shown(sys.path()), (vec![], vec![]), "a kernel without KSM");
        let directory = sys.path().join("kernel/mm/ksm");
        std::fs::create_dir_all(&directory).unwrap();
        for (file, text) in [("general_profit", "-4096\n"), ("sleep_millisecs", "20\n"), ("run", "on\n")] {
            std::fs::write(directory.join(file), text).unwrap();
        }
        let (lines, faults) = shown(sys.path());
        assert_eq!(lines, ["node_ksmd_general_profit_bytes -4096", "node_ksmd_sleep_seconds 0.02"]);
        assert!(faults.len() == 1 && faults[0].contains("/run: expected a number"), "{faults:?}");
    }
}

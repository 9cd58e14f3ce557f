//! XFS file systems, from `/sys/fs/xfs/*/stats/stats` (see `admin-guide/xfs.rst` of the kernel and "Runtime Stats" in XFS's wiki).
//!
//! Owns the counters of each file system. Leaves out size and free space, which are `filesystem`'s.

use std::path::Path;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::Labels;
use crate::host::columns::{Column, Numbers, families, numbers};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::Devices;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "xfs",
    help: "operations of XFS file systems",
    reads: "/sys/fs/xfs",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(XfsCollector::new(root)),
};

static COLUMNS: [Column; 39] = [
    Column::counter(
        "extent_alloc",
        0,
        "node_xfs_extent_allocation_extents_allocated_total",
        "Number of extents allocated for a filesystem.",
    ),
    Column::counter(
        "extent_alloc",
        1,
        "node_xfs_extent_allocation_blocks_allocated_total",
        "Number of blocks allocated for a filesystem.",
    ),
    Column::counter(
        "extent_alloc",
        2,
        "node_xfs_extent_allocation_extents_freed_total",
        "Number of extents freed for a filesystem.",
    ),
    Column::counter(
        "extent_alloc",
        3,
        "node_xfs_extent_allocation_blocks_freed_total",
        "Number of blocks freed for a filesystem.",
    ),
    Column::counter(
        "abt",
        0,
        "node_xfs_allocation_btree_lookups_total",
        "Number of allocation B-tree lookups for a filesystem.",
    ),
    Column::counter(
        "abt",
        1,
        "node_xfs_allocation_btree_compares_total",
        "Number of allocation B-tree compares for a filesystem.",
    ),
    Column::counter(
        "abt",
        2,
        "node_xfs_allocation_btree_records_inserted_total",
        "Number of allocation B-tree records inserted for a filesystem.",
    ),
    Column::counter(
        "abt",
        3,
        "node_xfs_allocation_btree_records_deleted_total",
        "Number of allocation B-tree records deleted for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        0,
        "node_xfs_block_mapping_reads_total",
        "Number of block map for read operations for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        1,
        "node_xfs_block_mapping_writes_total",
        "Number of block map for write operations for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        2,
        "node_xfs_block_mapping_unmaps_total",
        "Number of block unmaps (deletes) for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        3,
        "node_xfs_block_mapping_extent_list_insertions_total",
        "Number of extent list insertions for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        4,
        "node_xfs_block_mapping_extent_list_deletions_total",
        "Number of extent list deletions for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        5,
        "node_xfs_block_mapping_extent_list_lookups_total",
        "Number of extent list lookups for a filesystem.",
    ),
    Column::counter(
        "blk_map",
        6,
        "node_xfs_block_mapping_extent_list_compares_total",
        "Number of extent list compares for a filesystem.",
    ),
    Column::counter(
        "bmbt",
        0,
        "node_xfs_block_map_btree_lookups_total",
        "Number of block map B-tree lookups for a filesystem.",
    ),
    Column::counter(
        "bmbt",
        1,
        "node_xfs_block_map_btree_compares_total",
        "Number of block map B-tree compares for a filesystem.",
    ),
    Column::counter(
        "bmbt",
        2,
        "node_xfs_block_map_btree_records_inserted_total",
        "Number of block map B-tree records inserted for a filesystem.",
    ),
    Column::counter(
        "bmbt",
        3,
        "node_xfs_block_map_btree_records_deleted_total",
        "Number of block map B-tree records deleted for a filesystem.",
    ),
    Column::counter(
        "dir",
        0,
        "node_xfs_directory_operation_lookup_total",
        "Number of file name directory lookups which miss the operating systems directory name lookup cache.",
    ),
    Column::counter(
        "dir",
        1,
        "node_xfs_directory_operation_create_total",
        "Number of times a new directory entry was created for a filesystem.",
    ),
    Column::counter(
        "dir",
        2,
        "node_xfs_directory_operation_remove_total",
        "Number of times an existing directory entry was created for a filesystem.",
    ),
    Column::counter(
        "dir",
        3,
        "node_xfs_directory_operation_getdents_total",
        "Number of times the directory getdents operation was performed for a filesystem.",
    ),
    Column::counter(
        "ig",
        0,
        "node_xfs_inode_operation_attempts_total",
        "Number of times the OS looked for an XFS inode in the inode cache.",
    ),
    Column::counter(
        "ig",
        1,
        "node_xfs_inode_operation_found_total",
        "Number of times the OS looked for and found an XFS inode in the inode cache.",
    ),
    Column::counter(
        "ig",
        2,
        "node_xfs_inode_operation_recycled_total",
        "Number of times the OS found an XFS inode in the cache, but could not use it as it was being recycled.",
    ),
    Column::counter(
        "ig",
        3,
        "node_xfs_inode_operation_missed_total",
        "Number of times the OS looked for an XFS inode in the cache, but did not find it.",
    ),
    Column::counter(
        "ig",
        4,
        "node_xfs_inode_operation_duplicates_total",
        "Number of times the OS tried to add a missing XFS inode to the inode cache, but found it had already been added by another process.",
    ),
    Column::counter(
        "ig",
        5,
        "node_xfs_inode_operation_reclaims_total",
        "Number of times the OS reclaimed an XFS inode from the inode cache to free memory for another purpose.",
    ),
    Column::counter(
        "ig",
        6,
        "node_xfs_inode_operation_attribute_changes_total",
        "Number of times the OS explicitly changed the attributes of an XFS inode.",
    ),
    Column::counter(
        "rw",
        1,
        "node_xfs_read_calls_total",
        "Number of read(2) system calls made to files in a filesystem.",
    ),
    Column::counter(
        "rw",
        0,
        "node_xfs_write_calls_total",
        "Number of write(2) system calls made to files in a filesystem.",
    ),
    Column::counter(
        "vnodes",
        0,
        "node_xfs_vnode_active_total",
        "Number of vnodes not on free lists for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        1,
        "node_xfs_vnode_allocate_total",
        "Number of times vn_alloc called for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        2,
        "node_xfs_vnode_get_total",
        "Number of times vn_get called for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        3,
        "node_xfs_vnode_hold_total",
        "Number of times vn_hold called for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        4,
        "node_xfs_vnode_release_total",
        "Number of times vn_rele called for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        5,
        "node_xfs_vnode_reclaim_total",
        "Number of times vn_reclaim called for a filesystem.",
    ),
    Column::counter(
        "vnodes",
        6,
        "node_xfs_vnode_remove_total",
        "Number of times vn_remove called for a filesystem.",
    ),
];

struct XfsCollector {
    file_systems: Devices<FileSystem>,
    buffer: Buffer,
}

/// One file system's file.
struct FileSystem {
    labels: Labels,
    /// For a fault.
    name: String,
    file: KeptFile,
}

impl XfsCollector {
    fn new(root: &Root) -> Self {
        Self { file_systems: Devices::new(root.sys.join("fs/xfs")), buffer: Buffer::default() }
    }
}

impl FileSystem {
    fn new(directory: &Path, name: &str) -> Self {
        Self {
            labels: Labels::new([("device", name)]),
            name: format!("fs/xfs/{name}/stats/stats"),
            file: KeptFile::attribute(directory.join("stats/stats")),
        }
    }
}

impl Collector for XfsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // The sums over all file systems lie beside them.
        let open = |directory: &Path, name: &str| (name != "stats").then(|| FileSystem::new(directory, name));
        let file_systems = match self.file_systems.find(open) {
            Ok(file_systems) => file_systems,
            // As in node_exporter, a machine without XFS is no failure.
            Err(error) if error.is_absent() => return Collected::default(),
            Err(error) => return Collected::failed(error.into()),
        };
        let (mut read, mut faults): (Vec<(Labels, Numbers)>, Vec<_>) = Default::default();
        for FileSystem { labels, name, file } in file_systems {
            match file.read(&mut self.buffer).map(|text| numbers(&COLUMNS, name, text)) {
                Ok((numbers, odd)) => {
                    read.push((labels.clone(), numbers));
                    faults.extend(odd);
                }
                // Beside the file systems are directories of other things, and one may be unmounted just now.
                Err(error) if error.is_no_answer() => {}
                Err(error) => faults.push(error.into()),
            }
        }
        Collected::new(families(&COLUMNS, &read), faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, reading};

    fn shown(sys: &Path) -> (Vec<String>, Vec<String>) {
        reading(&mut *collector(&ENTRY, Path::new("/nonexistent"), sys, &[]))
    }

    #[test]
    fn a_machine_without_xfs_is_no_failure() {
        assert_eq!(shown(Path::new("/nonexistent")), (vec![], vec![]));
    }

    #[test]
    fn an_odd_line_costs_its_own_series() {
        let sys = tempfile::tempdir().unwrap();
        let stats = |name: &str| sys.path().join("fs/xfs").join(name);
        for (name, text) in [("md0", "rw 7 8\nabt 1 2 3\nxstrat x\n"), ("sda1", "rw 9 10\n")] {
            std::fs::create_dir_all(stats(name).join("stats")).unwrap();
            std::fs::write(stats(name).join("stats/stats"), text).unwrap();
        }
        std::fs::create_dir_all(stats("debug")).unwrap();
        std::fs::create_dir_all(stats("stats")).unwrap();
        std::fs::write(stats("stats/stats"), "rw 16 18\n").unwrap();
        let (lines, faults) = shown(sys.path());
        assert_eq!(
            lines,
            [
                r#"node_xfs_read_calls_total{device="md0"} 8"#,
                r#"node_xfs_read_calls_total{device="sda1"} 10"#,
                r#"node_xfs_write_calls_total{device="md0"} 7"#,
                r#"node_xfs_write_calls_total{device="sda1"} 9"#,
            ]
        );
        assert_eq!(faults, ["fs/xfs/md0/stats/stats: cannot read line 2: `abt 1 2 3`"]);
    }
}

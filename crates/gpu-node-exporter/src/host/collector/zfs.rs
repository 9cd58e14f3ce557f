//! ZFS, from `/proc/spl/kstat/zfs` (see `zfs(4)` and `OpenZFS`'s `module/os/linux/spl/spl-kstat.c`).
//!
//! Owns which files there are. Which series a file becomes is `zfs/kstat.rs`'s; the files of pools are `zfs/pool.rs`'s.
//! Names come from the files: each version of ZFS has statistics of its own.

use std::path::Path;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::named_families::NamedFamilies;
use crate::host::root::Root;
use crate::host::sysfs::Devices;

mod kstat;
mod pool;

use kstat::Statistic;
use pool::Pool;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "zfs",
    help: "caches, pools and datasets of ZFS",
    reads: "/proc/spl/kstat/zfs",
    is_default: true,
    // Some of the files wait for the lock of all pools, which a pool in trouble can hold for long.
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| Box::new(ZfsCollector::new(root)),
};

/// The files about all of ZFS, with what their series begin with.
const FILES: [(&str, &str); 11] = [
    ("abdstats", "node_zfs_abd"),
    ("arcstats", "node_zfs_arc"),
    ("dbufstats", "node_zfs_dbuf"),
    ("dmu_tx", "node_zfs_dmu_tx"),
    ("dnodestats", "node_zfs_dnode"),
    ("fm", "node_zfs_fm"),
    ("vdev_cache_stats", "node_zfs_vdev_cache"),
    ("vdev_mirror_stats", "node_zfs_vdev_mirror"),
    ("xuio_stats", "node_zfs_xuio"),
    ("zfetchstats", "node_zfs_zfetch"),
    ("zil", "node_zfs_zil"),
];

struct ZfsCollector {
    /// In the order of [`FILES`].
    files: [KeptFile; FILES.len()],
    pools: Devices<Pool>,
    buffer: Buffer,
}

impl ZfsCollector {
    fn new(root: &Root) -> Self {
        let directory = root.proc.join("spl/kstat/zfs");
        Self {
            files: FILES.map(|(file, _)| KeptFile::of_few_lines(directory.join(file))),
            pools: Devices::new(directory),
            buffer: Buffer::default(),
        }
    }
}

impl Collector for ZfsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let pools = match self.pools.find(|directory: &Path, name| Some(Pool::new(directory, name))) {
            Ok(pools) => pools,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = NamedFamilies::default();
        let mut faults = Vec::new();
        for ((name, prefix), file) in FILES.into_iter().zip(&mut self.files) {
            match file.read(&mut self.buffer) {
                Ok(text) => {
                    let statistics = kstat::parse(name, text);
                    faults.extend(statistics.faults);
                    for (key, number) in statistics.read.into_iter().filter_map(Statistic::number) {
                        let series = format!("{prefix}_{}", kstat::in_a_name(key));
                        let new = |series| Family::unknown(series, format!("kstat.zfs.misc.{name}.{key}"));
                        faults.extend(families.push(series, new, Labels::NONE, number).err());
                    }
                }
                // Each version of ZFS has other files.
                Err(error) if error.is_absent() => {}
                Err(error) => faults.push(error.into()),
            }
        }
        let mut states = pool::state_family();
        for pool in pools {
            faults.extend(pool.read(&mut self.buffer, &mut families, &mut states));
        }
        let mut families = families.into_vec();
        families.push(states);
        Collected::new(families, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn an_odd_line_costs_itself() {
        let proc = tempfile::tempdir().unwrap();
        let mut zfs = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]);
        let faults = zfs.collect().faults;
        assert!(faults.len() == 1 && faults[0].is_no_data(), "{faults:?}");

        let write = |file: &str, text: &str| {
            let path = proc.path().join("spl/kstat/zfs").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let head = "6 1 0x01 91 4368 5266997922 97951858082072\nname type data\n";
        write(
            "arcstats",
            &format!("{head}hits 4 18446744073709551615\nmemory-now 3 -5\nc 4 many\nversion 7 2.3\n"),
        );
        write("zil", "1 2 3\n");
        write("tank/state", "DEGRADED\n");
        write("tank/io", "1\nnread nwritten reads\n7 8 9\n");
        write("tank/objset-0x36", &format!("{head}dataset_name 7 tank/my models\nwrites 4 3\n"));
        let Collected { families, faults, .. } = zfs.collect();
        let lines = values(&families);
        assert_eq!(
            lines[..6],
            [
                "node_zfs_arc_hits 18446744073709551615",
                "node_zfs_arc_memory_now -5",
                r#"node_zfs_zpool_nread{zpool="tank"} 7"#,
                r#"node_zfs_zpool_nwritten{zpool="tank"} 8"#,
                r#"node_zfs_zpool_reads{zpool="tank"} 9"#,
                r#"node_zfs_zpool_dataset_writes{zpool="tank",dataset="tank/my models"} 3"#,
            ]
        );
        assert_eq!(lines[7], r#"node_zfs_zpool_state{zpool="tank",state="degraded"} 1"#);
        assert_eq!(lines.len(), 13);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            ["arcstats: cannot read line 5: `c 4 many`", "zil: expected a line `name type data`"]
        );
    }
}

//! bcache: disks with a faster disk in front of them, from `/sys/fs/bcache` (see the kernel's `admin-guide/bcache.rst`).
//!
//! Owns finding the cache sets, the disks behind them and the caches in them, and their files. Which file becomes which
//! series is `bcache/series.rs`'s.

use std::path::Path;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::Devices;

mod series;

use series::{BACKING, CACHE, PRIORITY, Row, SET};

static PRIORITY_STATS: Flag = Flag::switch(
    "collector.bcache.priorityStats",
    false,
    "Show what fills the caches, which the kernel counts bucket by bucket",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "bcache",
    help: "disks with a cache in front of them",
    reads: "/sys/fs/bcache",
    is_default: true,
    // Some of the files wait for the lock of the whole cache.
    waits_for: WaitsFor::FileSystems,
    flags: &[&PRIORITY_STATS],
    new: |flags, root| Box::new(BcacheCollector::new(flags, root)),
};

struct BcacheCollector {
    priority_stats: bool,
    sets: Devices<Set>,
    buffer: Buffer,
}

impl BcacheCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            priority_stats: flags.is_on(&PRIORITY_STATS),
            sets: Devices::new(root.sys.join("fs/bcache")),
            buffer: Buffer::default(),
        }
    }
}

impl Collector for BcacheCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // A set is called by its UUID; beside the sets are files to register disks with.
        let open = |directory: &Path, name: &str| name.contains('-').then(|| Set::new(directory, name));
        let sets = match self.sets.find(open) {
            Ok(sets) => sets,
            // As in node_exporter, a machine without bcache is no failure.
            Err(error) if error.is_absent() => return Collected::default(),
            Err(error) => return Collected::failed(error.into()),
        };
        let mut tables = [&SET[..], &BACKING, &CACHE, &PRIORITY]
            .map(|table| table.iter().map(Row::family).collect::<Vec<_>>());
        let mut faults = Vec::new();
        for set in sets {
            let [of_set, of_backing, of_cache, of_priority] = &mut tables;
            faults.extend(set.own.read(&mut self.buffer, of_set));
            faults.extend(
                set.members("bdev", &mut self.buffer, |member, buffer| member.files.read(buffer, of_backing)),
            );
            let priority_stats = self.priority_stats;
            faults.extend(set.members("cache", &mut self.buffer, |member, buffer| {
                let mut faults = member.files.read(buffer, of_cache);
                if let Some(priority) = member.priority.as_mut().filter(|_| priority_stats) {
                    faults.extend(priority.read(buffer, of_priority));
                }
                faults
            }));
        }
        Collected::new(tables.into_iter().flatten().collect(), faults)
    }
}

/// One cache set.
struct Set {
    own: Files,
    /// The disks behind it, `bdev0`, and the caches in it, `cache0`.
    members: Devices<Member>,
}

/// A disk of a set.
struct Member {
    name: String,
    files: Files,
    /// Of a cache.
    priority: Option<Files>,
}

impl Set {
    fn new(directory: &Path, name: &str) -> Self {
        let labels = Labels::new([("uuid", name)]);
        Self { own: Files::new(&SET, directory, labels), members: Devices::new(directory.to_owned()) }
    }

    /// Calls `read` with each member whose name begins with `kind`.
    fn members(
        &mut self,
        kind: &str,
        buffer: &mut Buffer,
        mut read: impl FnMut(&mut Member, &mut Buffer) -> Vec<Fault>,
    ) -> Vec<Fault> {
        let labels = &self.own.labels;
        match self.members.find(|directory, name| Member::new(directory, name, labels)) {
            Ok(members) => {
                let of_kind = members.filter(|member| member.name.starts_with(kind));
                of_kind.flat_map(|member| read(member, buffer)).collect()
            }
            // The set went away after it was listed.
            Err(error) if error.is_no_answer() => Vec::new(),
            Err(error) => vec![error.into()],
        }
    }
}

impl Member {
    /// `None` for the set's other directories.
    fn new(directory: &Path, name: &str, set: &Labels) -> Option<Self> {
        let is_number = |number: &str| number.starts_with(|first: char| first.is_ascii_digit());
        let name_owned = name.to_owned();
        if name.strip_prefix("bdev").is_some_and(is_number) {
            let files = Files::new(&BACKING, directory, set.and([("backing_device", name)]));
            return Some(Self { name: name_owned, files, priority: None });
        }
        name.strip_prefix("cache").filter(|number| is_number(number))?;
        let labels = set.and([("cache_device", name)]);
        let priority = Some(Files::new(&PRIORITY, directory, labels.clone()));
        Some(Self { name: name_owned, files: Files::new(&CACHE, directory, labels), priority })
    }
}

/// The files of a table, each once, in one directory.
struct Files {
    table: &'static [Row],
    labels: Labels,
    by_name: Vec<(&'static str, KeptFile)>,
}

impl Files {
    fn new(table: &'static [Row], directory: &Path, labels: Labels) -> Self {
        let mut names: Vec<_> = table.iter().map(|row| row.file).collect();
        names.dedup();
        let by_name = names.into_iter().map(|name| (name, KeptFile::attribute(directory.join(name))));
        Self { table, labels, by_name: by_name.collect() }
    }

    /// Adds the samples to the table's families. A file that is not there costs its own; so does an odd line.
    fn read(&mut self, buffer: &mut Buffer, families: &mut [Family]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, file) in &mut self.by_name {
            let text = match file.read(buffer) {
                Ok(text) => text,
                Err(error) if error.is_no_answer() => continue,
                Err(error) => {
                    faults.push(error.into());
                    continue;
                }
            };
            let mut wrong = Vec::new();
            for (row, family) in self.table.iter().zip(&mut *families).filter(|(row, _)| row.file == *name) {
                match row.value(text) {
                    Some(Number::Whole(0)) if row.is_rare => {}
                    Some(value) => family.push(self.labels.clone(), value),
                    None if row.line.is_empty() => {
                        wrong.push(format!("expected a size, found `{}`", excerpt(text.trim())));
                    }
                    None => wrong.push(format!("expected a size after `{}`", row.line)),
                }
            }
            faults.extend(wrong.iter().map(|wrong| file.fault(wrong)));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, reading};

    fn write(sys: &Path, file: &str, text: &str) {
        let path = sys.join("fs/bcache/aa-bb").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn shown(sys: &Path, written: &[&str]) -> (Vec<String>, Vec<String>) {
        reading(&mut *collector(&ENTRY, Path::new("/nonexistent"), sys, written))
    }

    #[test]
    fn an_odd_line_costs_itself_and_what_is_not_there_is_absent() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(shown(sys.path(), &[]), (vec![], vec![]), "a machine without bcache");
        write(sys.path(), "tree_depth", "2\n");
        write(sys.path(), "congested", "very\n");
        write(
            sys.path(),
            "bdev0/writeback_rate_debug",
            "rate:\t\t4.0k/sec\nchange:\t\t-1.0k/sec\ntarget:\tx\n",
        );
        write(sys.path(), "bdev0/stats_total/cache_readaheads", "0\n");
        write(sys.path(), "bdev1/stats_total/cache_readaheads", "3\n");
        write(sys.path(), "stats_total/cache_hits", "7\n");
        let (lines, faults) = shown(sys.path(), &[]);
        assert_eq!(
            lines,
            [
                r#"node_bcache_tree_depth{uuid="aa-bb"} 2"#,
                r#"node_bcache_writeback_rate{uuid="aa-bb",backing_device="bdev0"} 4096"#,
                r#"node_bcache_writeback_change{uuid="aa-bb",backing_device="bdev0"} -1024"#,
                r#"node_bcache_cache_readaheads_total{uuid="aa-bb",backing_device="bdev1"} 3"#,
            ]
        );
        assert_eq!(faults.len(), 4, "congested, and three lines that lack a number: {faults:?}");
        assert!(faults[0].ends_with("aa-bb/congested: expected a size, found `very`"), "{faults:?}");
    }

    #[test]
    fn what_fills_the_caches_is_shown_when_asked_for() {
        let sys = tempfile::tempdir().unwrap();
        write(sys.path(), "cache0/priority_stats", "Unused:\t\t99%\nMetadata:\t0%\nAverage:\t473\n");
        write(sys.path(), "cache0/io_errors", "1\n");
        let errors = r#"node_bcache_io_errors{uuid="aa-bb",cache_device="cache0"} 1"#;
        assert_eq!(shown(sys.path(), &[]).0, [errors]);
        assert_eq!(
            shown(sys.path(), &["--collector.bcache.priorityStats"]).0,
            [
                errors,
                r#"node_bcache_priority_stats_unused_percent{uuid="aa-bb",cache_device="cache0"} 99"#,
                r#"node_bcache_priority_stats_metadata_percent{uuid="aa-bb",cache_device="cache0"} 0"#,
            ]
        );
    }
}

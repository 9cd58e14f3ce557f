//! Bcachefs file systems, from `/sys/fs/bcachefs` (see the kernel's `filesystems/bcachefs`).
//!
//! Owns what a whole file system says: its counters, errors, compression and B-trees. Its devices are
//! `bcachefs/device.rs`'s, the texts of the files `bcachefs/text.rs`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::binary_prefix;
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::Lines;
use crate::host::named_families::NamedFamilies;
use crate::host::root::Root;
use crate::host::sysfs::Devices;
use crate::host::utf8::escaped;

mod device;
mod text;

use device::{Device, DeviceFamilies};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "bcachefs",
    help: "counters, errors and devices of Bcachefs file systems",
    reads: "/sys/fs/bcachefs",
    is_default: true,
    // Some of the files are counted from the file system's own structures, under its locks.
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| Box::new(BcachefsCollector::new(root)),
};

struct BcachefsCollector {
    file_systems: Devices<FileSystem>,
    buffer: Buffer,
}

impl BcachefsCollector {
    fn new(root: &Root) -> Self {
        Self { file_systems: Devices::new(root.sys.join("fs/bcachefs")), buffer: Buffer::default() }
    }
}

impl Collector for BcachefsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let open = |directory: &Path, name: &str| Some(FileSystem::new(directory, name));
        let file_systems: Vec<_> = match self.file_systems.find(open) {
            Ok(file_systems) => file_systems.collect(),
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        if file_systems.is_empty() {
            return Collected::failed(Fault::no_data("bcachefs: no file system is mounted"));
        }
        let mut families = Families::new();
        let mut faults = Vec::new();
        for file_system in file_systems {
            faults.extend(file_system.read(&mut self.buffer, &mut families));
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// One file system's files.
struct FileSystem {
    labels: Labels,
    cache_size: KeptFile,
    compression: KeptFile,
    errors: KeptFile,
    writes: KeptFile,
    /// The directory of the counters, and each of them by name. They are the same while it is mounted.
    counters_directory: PathBuf,
    counters: BTreeMap<String, KeptFile>,
    devices: Devices<Device>,
}

impl FileSystem {
    fn new(directory: &Path, name: &str) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            labels: Labels::new([("uuid", name)]),
            cache_size: file("btree_cache_size"),
            compression: file("compression_stats"),
            errors: file("errors"),
            writes: file("btree_write_stats"),
            counters_directory: directory.join("counters"),
            counters: BTreeMap::new(),
            devices: Devices::new(directory.to_owned()),
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut Families) -> Vec<Fault> {
        let labels = self.labels.clone();
        families.info.push(labels.clone(), 1_u64);
        let mut faults = Vec::new();
        faults.extend(read_file(&mut self.cache_size, buffer, |text| {
            let size = binary_prefix::size(text).ok_or_else(|| expected_size(text))?;
            families.cache_size.push(labels.clone(), size);
            Ok(Vec::new())
        }));
        faults.extend(read_file(&mut self.compression, buffer, |text| {
            let Lines { read, faults } = text::compression(text);
            for (algorithm, [compressed, uncompressed]) in read {
                let labels = labels.and([("algorithm", algorithm)]);
                families.compressed.push(labels.clone(), compressed);
                families.uncompressed.push(labels, uncompressed);
            }
            Ok(faults)
        }));
        faults.extend(read_file(&mut self.errors, buffer, |text| {
            let Lines { read, faults } = text::errors(text);
            for (kind, count) in read {
                families.errors.push(labels.and([("error_type", kind)]), count);
            }
            Ok(faults)
        }));
        faults.extend(self.read_counters(buffer, &mut families.counters));
        faults.extend(read_file(&mut self.writes, buffer, |text| {
            let Lines { read, faults } = text::writes(text);
            for (kind, (count, size)) in read {
                let labels = labels.and([("type", kind)]);
                families.writes.push(labels.clone(), count);
                families.write_size.push(labels, size);
            }
            Ok(faults)
        }));
        match self.devices.find(|directory, name| Device::new(directory, name, &labels)) {
            Ok(devices) => {
                for device in devices {
                    faults.extend(device.read(buffer, &mut families.devices));
                }
            }
            // It was unmounted after it was listed.
            Err(error) if error.is_no_answer() => {}
            Err(error) => faults.push(error.into()),
        }
        faults
    }

    fn read_counters(&mut self, buffer: &mut Buffer, families: &mut NamedFamilies) -> Vec<Fault> {
        if self.counters.is_empty() {
            let entries = std::fs::read_dir(&self.counters_directory).into_iter().flatten().flatten();
            self.counters = entries
                .map(|entry| (entry.file_name(), KeptFile::attribute(entry.path())))
                .map(|(name, file)| (escaped(name.as_encoded_bytes()).into_owned(), file))
                .collect();
        }
        let mut faults = Vec::new();
        for (name, file) in &mut self.counters {
            faults.extend(read_file(file, buffer, |text| {
                let Some(count) = text::since_creation(text)? else { return Ok(Vec::new()) };
                let new = |series| {
                    Family::counter(series, format!("Bcachefs counter {name} since filesystem creation."))
                };
                let series = format!("node_bcachefs_{}_total", in_a_name(name));
                let refused = families.push(series, new, self.labels.clone(), count).err();
                Ok(refused.into_iter().collect())
            }));
        }
        faults
    }
}

/// Gives the text of a file to `read`, which says what is wrong with single lines, or with the whole of it. A file that the
/// kernel does not have is no fault.
fn read_file(
    file: &mut KeptFile,
    buffer: &mut Buffer,
    read: impl FnOnce(&str) -> Result<Vec<Fault>, String>,
) -> Vec<Fault> {
    let said = match file.read(buffer) {
        Ok(text) => read(text),
        Err(error) if error.is_no_answer() => Ok(Vec::new()),
        Err(error) => return vec![error.into()],
    };
    said.unwrap_or_else(|wrong| vec![file.fault(&wrong)])
}

fn expected_size(text: &str) -> String {
    format!("expected a size, found `{}`", excerpt(text.trim()))
}

/// The name of a counter as a part of a series' name.
fn in_a_name(name: &str) -> String {
    let kept = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    name.chars().map(kept).collect()
}

/// The collector's families, being filled file system by file system.
struct Families {
    info: Family,
    cache_size: Family,
    compressed: Family,
    uncompressed: Family,
    errors: Family,
    counters: NamedFamilies,
    writes: Family,
    write_size: Family,
    devices: DeviceFamilies,
}

impl Families {
    fn new() -> Self {
        Self {
            info: Family::info("node_bcachefs_info", "Filesystem information."),
            cache_size: Family::gauge(
                "node_bcachefs_btree_cache_size_bytes",
                "Btree cache memory usage in bytes.",
            ),
            compressed: Family::gauge(
                "node_bcachefs_compression_compressed_bytes",
                "Compressed size by algorithm.",
            ),
            uncompressed: Family::gauge(
                "node_bcachefs_compression_uncompressed_bytes",
                "Uncompressed size by algorithm.",
            ),
            errors: Family::counter("node_bcachefs_errors_total", "Error count by error type."),
            counters: NamedFamilies::default(),
            writes: Family::counter("node_bcachefs_btree_writes_total", "Number of btree writes by type."),
            write_size: Family::gauge(
                "node_bcachefs_btree_write_average_size_bytes",
                "Average btree write size by type.",
            ),
            devices: DeviceFamilies::new(),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        let mut families = vec![
            self.info,
            self.cache_size,
            self.compressed,
            self.uncompressed,
            self.errors,
            self.writes,
            self.write_size,
        ];
        families.extend(self.devices.into_vec());
        families.extend(self.counters.into_vec());
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn an_odd_file_costs_itself() {
        let sys = tempfile::tempdir().unwrap();
        let mut bcachefs = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]);
        for _ in 0..2 {
            let faults = bcachefs.collect().faults;
            assert!(faults.len() == 1 && faults[0].is_no_data(), "{faults:?}");
            std::fs::create_dir_all(sys.path().join("fs/bcachefs")).unwrap();
        }
        for (file, text) in [
            ("btree_cache_size", "2.00M\n"),
            ("errors", ""),
            ("counters/data-read", "since mount:   7k\nsince filesystem creation:   1.5k\n"),
            ("counters/odd", "since filesystem creation:   much\n"),
            ("counters/young", "since mount:   7\n"),
            ("compression_stats", "type compressed uncompressed\nlz4 1k 2k 3\nzstd 1k\n"),
            ("dev-3/label", "nvme\n"),
            ("dev-3/nbuckets", "8\n"),
        ] {
            let path = sys.path().join("fs/bcachefs/aa-bb").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let Collected { families, faults, .. } = bcachefs.collect();
        assert_eq!(
            values(&families),
            [
                r#"node_bcachefs_info{uuid="aa-bb"} 1"#,
                r#"node_bcachefs_btree_cache_size_bytes{uuid="aa-bb"} 2097152"#,
                r#"node_bcachefs_compression_compressed_bytes{uuid="aa-bb",algorithm="lz4"} 1024"#,
                r#"node_bcachefs_compression_uncompressed_bytes{uuid="aa-bb",algorithm="lz4"} 2048"#,
                r#"node_bcachefs_device_info{uuid="aa-bb",device="3",label="nvme",state=""} 1"#,
                r#"node_bcachefs_device_buckets{uuid="aa-bb",device="3"} 8"#,
                r#"node_bcachefs_data_read_total{uuid="aa-bb"} 1536"#,
            ]
        );
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(faults[0], "bcachefs: compression_stats: cannot read line 3: `zstd 1k`");
        assert!(faults[1].ends_with("/counters/odd: expected a size, found `much`"), "{faults:?}");
    }
}

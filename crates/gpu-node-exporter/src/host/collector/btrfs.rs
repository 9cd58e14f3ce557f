//! Btrfs file systems, from `/sys/fs/btrfs` (see the kernel's `filesystems/btrfs.rst` and `btrfs(5)`).
//!
//! Owns the space, commits and devices of each file system. `btrfs/group.rs` reads how space is given to data and metadata.
//! What only the file system itself tells about its devices (errors, unused space) is asked through a mount by
//! `btrfs/mounted.rs`, with the requests of `btrfs/ioctl.rs`; where no mount can be opened, sysfs has at least the devices'
//! sizes. As in `node_exporter`, the devices have the label `btrfs_dev_uuid` only when they were asked.

use std::path::Path;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::{Lines, lines};
use crate::host::meaning::Scale;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, Devices, families, number, read_once, text};

mod group;
mod ioctl;
mod mounted;

use group::{Group, GroupFamilies};
use ioctl::Device;
use mounted::Mounted;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "btrfs",
    help: "space, commits and devices of Btrfs file systems",
    reads: "/sys/fs/btrfs, ioctl(2) on their mounts",
    is_default: true,
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| Box::new(BtrfsCollector::new(root)),
};

static RESERVE: [Attribute; 1] = [Attribute::gauge(
    "allocation/global_rsv_size",
    "node_btrfs_global_rsv_size_bytes",
    "Size of global reserve.",
)];

struct BtrfsCollector {
    file_systems: Devices<FileSystem>,
    mounted: Mounted,
    buffer: Buffer,
}

impl BtrfsCollector {
    fn new(root: &Root) -> Self {
        Self {
            file_systems: Devices::new(root.sys.join("fs/btrfs")),
            mounted: Mounted::new(root),
            buffer: Buffer::default(),
        }
    }
}

impl Collector for BtrfsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // A file system is called by its UUID; beside them are what the kernel can do and what it debugs.
        let open =
            |directory: &Path, name: &str| name.contains('-').then(|| FileSystem::new(directory, name));
        let file_systems: Vec<_> = match self.file_systems.find(open) {
            Ok(file_systems) => file_systems.collect(),
            // As in node_exporter, a machine without Btrfs is no failure.
            Err(error) if error.is_absent() => return Collected::default(),
            Err(error) => return Collected::failed(error.into()),
        };
        if file_systems.is_empty() {
            return Collected::default();
        }
        let (mut asked, mut faults) = self.mounted.devices(&mut self.buffer);
        let mut families = Families::new();
        for file_system in file_systems {
            faults.extend(file_system.read(&mut self.buffer, &mut families));
            match asked.remove(&file_system.id) {
                Some(devices) => families.devices.push_asked(&file_system.labels, &devices),
                None => faults.extend(file_system.read_sizes(&mut self.buffer, &mut families.devices)),
            }
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// One file system's files.
struct FileSystem {
    /// Its UUID without dashes, as a mount tells it.
    id: String,
    labels: Labels,
    label: KeptFile,
    reserve: AttributeFiles,
    commits: KeptFile,
    groups: [Group; 3],
    /// By name; each with the file of its size.
    devices: Devices<(String, KeptFile)>,
}

impl FileSystem {
    fn new(directory: &Path, name: &str) -> Self {
        // It can be another UUID than the one that the file system is known by.
        let uuid = read_once(&directory.join("metadata_uuid")).ok().flatten().filter(|uuid| !uuid.is_empty());
        let labels = Labels::new([("uuid", uuid.as_deref().unwrap_or(name))]);
        let group = |kind| Group::new(&directory.join("allocation").join(kind), kind, &labels);
        Self {
            id: name.replace('-', ""),
            label: KeptFile::attribute(directory.join("label")),
            reserve: AttributeFiles::new(&RESERVE, directory, labels.clone()),
            commits: KeptFile::attribute(directory.join("commit_stats")),
            groups: ["data", "metadata", "system"].map(group),
            devices: Devices::new(directory.join("devices")),
            labels,
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut Families) -> Vec<Fault> {
        let mut faults = self.reserve.read(buffer, &mut families.reserve);
        match text(&mut self.label, buffer) {
            Ok(Some(label)) => families.info.push(self.labels.and([("label", label)]), 1_u64),
            // It was unmounted after it was listed.
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
        match self.commits.read(buffer).map(commits) {
            Ok((numbers, odd)) => {
                families.commits.push(&self.labels, numbers);
                faults.extend(odd);
            }
            // Before Linux 5.17 there is no such file; node_exporter shows 0.
            Err(error) if error.is_no_answer() => families.commits.push(&self.labels, [Some(0); 4]),
            Err(error) => faults.push(error.into()),
        }
        let devices = match self.devices.find(|directory, name| Some(size_file(directory, name))) {
            Ok(devices) => devices.count(),
            Err(error) => {
                faults.extend((!error.is_no_answer()).then(|| error.into()));
                0
            }
        };
        for group in &mut self.groups {
            faults.extend(group.read(devices, buffer, &mut families.groups));
        }
        faults
    }

    fn read_sizes(&mut self, buffer: &mut Buffer, families: &mut DeviceFamilies) -> Vec<Fault> {
        let mut faults = Vec::new();
        let Ok(devices) = self.devices.find(|directory, name| Some(size_file(directory, name))) else {
            // It was told when the devices were counted.
            return faults;
        };
        for (name, size) in devices {
            match number(size, buffer) {
                Ok(Some(sectors)) => {
                    let labels = self.labels.and([("device", name)]);
                    families.size.push(labels, SECTORS.of(sectors));
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }
}

/// "Sectors" of a block device's size are 512 bytes, whatever the disk's own sectors are.
const SECTORS: Scale = Scale::Each(512);

fn size_file(directory: &Path, name: &str) -> (String, KeptFile) {
    (name.to_owned(), KeptFile::attribute(directory.join("size")))
}

/// The lines of `commit_stats`.
const COMMITS: [&str; 4] = ["commits", "last_commit_ms", "max_commit_ms", "total_commit_ms"];

/// The numbers of the lines, in the order of [`COMMITS`], and what was wrong with the others.
fn commits(text: &str) -> ([Option<u64>; 4], Vec<Fault>) {
    let mut numbers = [None; 4];
    let Lines { read, faults } = lines("btrfs: commit_stats", text, |line| {
        let (name, number) = line.split_once(' ')?;
        Some((name, number.trim().parse().ok()?))
    });
    for (name, number) in read {
        if let Some(place) = COMMITS.iter().position(|known| *known == name) {
            numbers[place] = Some(number);
        }
    }
    (numbers, faults)
}

/// The collector's families, being filled file system by file system.
struct Families {
    info: Family,
    /// Of [`RESERVE`].
    reserve: Vec<Family>,
    commits: CommitFamilies,
    groups: GroupFamilies,
    devices: DeviceFamilies,
}

impl Families {
    fn new() -> Self {
        Self {
            info: Family::info("node_btrfs_info", "Filesystem information"),
            reserve: families(&RESERVE),
            commits: CommitFamilies::new(),
            groups: GroupFamilies::new(),
            devices: DeviceFamilies::new(),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        let mut families = vec![self.info];
        families.extend(self.reserve);
        families.extend(self.commits.0);
        families.extend(self.groups.into_vec());
        let DeviceFamilies { size, unused, errors } = self.devices;
        families.extend([size, unused, errors]);
        families
    }
}

/// In the order of [`COMMITS`].
struct CommitFamilies([Family; 4]);

impl CommitFamilies {
    fn new() -> Self {
        Self([
            Family::counter("node_btrfs_commits_total", "The total number of commits that have occurred."),
            Family::gauge(
                "node_btrfs_last_commit_seconds",
                "Duration of the most recent commit, in seconds.",
            ),
            Family::gauge("node_btrfs_max_commit_seconds", "Duration of the slowest commit, in seconds."),
            Family::counter(
                "node_btrfs_commit_seconds_total",
                "Sum of the duration of all commits, in seconds.",
            ),
        ])
    }

    fn push(&mut self, labels: &Labels, [commits, times @ ..]: [Option<u64>; 4]) {
        let [of_commits, of_times @ ..] = &mut self.0;
        if let Some(commits) = commits {
            of_commits.push(labels.clone(), commits);
        }
        for (family, milliseconds) in of_times.iter_mut().zip(times) {
            if let Some(milliseconds) = milliseconds {
                family.push(labels.clone(), milliseconds as f64 / 1e3);
            }
        }
    }
}

/// What there is to say about devices.
struct DeviceFamilies {
    size: Family,
    unused: Family,
    errors: Family,
}

impl DeviceFamilies {
    fn new() -> Self {
        Self {
            size: Family::gauge(
                "node_btrfs_device_size_bytes",
                "Size of a device that is part of the filesystem.",
            ),
            unused: Family::gauge(
                "node_btrfs_device_unused_bytes",
                "Unused bytes unused on a device that is part of the filesystem.",
            ),
            errors: Family::counter("node_btrfs_device_errors_total", "Errors reported for the device"),
        }
    }

    /// What the file system itself said.
    fn push_asked(&mut self, file_system: &Labels, devices: &[Device]) {
        for device in devices {
            let own = [("device", &*device.name), ("btrfs_dev_uuid", &*device.uuid)];
            let labels = file_system.and(own);
            self.size.push(labels.clone(), device.total_bytes);
            self.unused.push(labels, device.total_bytes.saturating_sub(device.used_bytes));
            for (kind, errors) in ioctl::ERRORS.into_iter().zip(device.errors) {
                self.errors.push(file_system.and([("type", kind)]).and(own), errors);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, reading, values};

    fn shown(sys: &Path) -> (Vec<String>, Vec<String>) {
        reading(&mut *collector(&ENTRY, Path::new("/nonexistent"), sys, &[]))
    }

    #[test]
    fn an_odd_file_costs_itself() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(shown(sys.path()), (vec![], vec![]), "a machine without Btrfs");
        for (file, text) in [
            ("label", "models\n"),
            ("commit_stats", "commits 7\nlast_commit_ms x\nnew_ms 1\ntotal_commit_ms 1500\n"),
            ("devices/sda/size", "8\n"),
            ("devices/sdb/size", "-\n"),
            ("allocation/data/bytes_reserved", "4096\n"),
        ] {
            let path = sys.path().join("fs/btrfs/aa-bb").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir(sys.path().join("fs/btrfs/features")).unwrap();
        let (lines, faults) = shown(sys.path());
        assert_eq!(
            lines,
            [
                r#"node_btrfs_info{uuid="aa-bb",label="models"} 1"#,
                r#"node_btrfs_commits_total{uuid="aa-bb"} 7"#,
                r#"node_btrfs_commit_seconds_total{uuid="aa-bb"} 1.5"#,
                r#"node_btrfs_reserved_bytes{uuid="aa-bb",block_group_type="data"} 4096"#,
                r#"node_btrfs_device_size_bytes{uuid="aa-bb",device="sda"} 4096"#,
            ]
        );
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(faults[0], "btrfs: commit_stats: cannot read line 2: `last_commit_ms x`");
        assert!(faults[1].contains("sdb/size: expected a number"), "{faults:?}");
    }

    #[test]
    fn what_the_file_system_says_of_its_devices_is_shown() {
        let device = Device {
            name: "nvme0n1".to_owned(),
            uuid: "0f".to_owned(),
            used_bytes: 3,
            total_bytes: 10,
            errors: [1, 2, 3, 4, u64::MAX],
        };
        let mut families = Families::new();
        families.devices.push_asked(&Labels::new([("uuid", "aa-bb")]), &[device]);
        let lines = values(&families.into_vec());
        let own = r#"device="nvme0n1",btrfs_dev_uuid="0f""#;
        assert_eq!(
            lines[..3],
            [
                format!(r#"node_btrfs_device_size_bytes{{uuid="aa-bb",{own}}} 10"#),
                format!(r#"node_btrfs_device_unused_bytes{{uuid="aa-bb",{own}}} 7"#),
                format!(r#"node_btrfs_device_errors_total{{uuid="aa-bb",type="write",{own}}} 1"#),
            ]
        );
        assert!(
            lines[6]
                .ends_with(r#"type="generation",device="nvme0n1",btrfs_dev_uuid="0f"} 18446744073709551615"#)
        );
    }
}

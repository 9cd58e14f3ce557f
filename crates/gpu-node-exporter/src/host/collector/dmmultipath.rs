//! Disks that are reached over several paths, from `/sys/block/dm-*` (see `multipath(8)`).
//!
//! Owns size, state and paths of each such disk of the device mapper. Leaves out its I/O, which is `diskstats`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile, ReadError};
use crate::host::meaning::Scale;
use crate::host::root::Root;
use crate::host::sysfs::{Devices, number, text};
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "dmmultipath",
    help: "disks that are reached over several paths",
    reads: "/sys/block",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(MultipathCollector::new(root)),
};

struct MultipathCollector {
    /// The directory of all disks, the paths among them.
    block: PathBuf,
    /// Those of the device mapper whose table is not known to be of another kind.
    disks: Devices<Disk>,
    buffer: Buffer,
}

impl MultipathCollector {
    fn new(root: &Root) -> Self {
        let block = root.sys.join("block");
        Self { disks: Devices::new(block.clone()), block, buffer: Buffer::default() }
    }
}

impl Collector for MultipathCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let open = |directory: &Path, name: &str| name.starts_with("dm-").then(|| Disk::new(directory, name));
        let disks = match self.disks.find(open) {
            Ok(disks) => disks,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = Families::new();
        let mut faults = Vec::new();
        for disk in disks {
            match disk.name_and_uuid(&mut self.buffer) {
                Ok(Some((name, uuid))) => {
                    faults.extend(disk.read(&self.block, &name, &uuid, &mut self.buffer, &mut families));
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// "Sectors" of a block device's size are 512 bytes, whatever the disk's own sectors are.
const SECTORS: Scale = Scale::Each(512);

/// One disk of the device mapper.
struct Disk {
    sysfs_name: String,
    slaves: PathBuf,
    uuid: KeptFile,
    name: KeptFile,
    suspended: KeptFile,
    size: KeptFile,
    /// The file of each path's state, by the path's name.
    states: BTreeMap<String, KeptFile>,
}

impl Disk {
    fn new(directory: &Path, name: &str) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            sysfs_name: name.to_owned(),
            slaves: directory.join("slaves"),
            uuid: file("dm/uuid"),
            name: file("dm/name"),
            suspended: file("dm/suspended"),
            size: file("size"),
            states: BTreeMap::new(),
        }
    }

    /// `None` for a disk with one path, and for one that went away.
    fn name_and_uuid(&mut self, buffer: &mut Buffer) -> Result<Option<(String, String)>, Fault> {
        let Some(uuid) = text(&mut self.uuid, buffer)? else { return Ok(None) };
        // A name is given before the disk is set up, and both can change.
        if !uuid.starts_with("mpath-") {
            return Ok(None);
        }
        Ok(text(&mut self.name, buffer)?.map(|name| (name, uuid)))
    }

    fn read(
        &mut self,
        block: &Path,
        name: &str,
        uuid: &str,
        buffer: &mut Buffer,
        families: &mut Families,
    ) -> Vec<Fault> {
        let labels = Labels::new([("device", name), ("sysfs_name", &self.sysfs_name)]);
        families.info.push(labels.and([("uuid", uuid)]), 1_u64);
        let mut faults = Vec::new();
        match number(&mut self.suspended, buffer) {
            Ok(Some(suspended)) => families.active.push(labels.clone(), suspended != Number::Whole(1)),
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
        match number(&mut self.size, buffer) {
            Ok(Some(sectors)) => families.size.push(labels.clone(), SECTORS.of(sectors)),
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
        match self.paths(block, buffer) {
            Ok(paths) => {
                let is_active = |state: &str| matches!(state, "running" | "live");
                let (mut active, mut failed) = (0_u64, 0_u64);
                for (path, state) in paths {
                    let state = state.unwrap_or_else(|fault| {
                        faults.push(fault);
                        None
                    });
                    // One whose state nobody tells is not known to work.
                    let count =
                        if state.as_deref().is_some_and(is_active) { &mut active } else { &mut failed };
                    *count += 1;
                    if let Some(state) = state {
                        let labels = Labels::new([("device", name), ("path", &path), ("state", &state)]);
                        families.state.push(labels, 1_u64);
                    }
                }
                families.paths.push(labels.clone(), active + failed);
                families.paths_active.push(labels.clone(), active);
                families.paths_failed.push(labels, failed);
            }
            Err(error) => faults.push(error.into()),
        }
        faults
    }

    /// The names of the disk's paths with their states.
    #[expect(clippy::type_complexity, reason = "a path's state, which may be unknown, or may not be read")]
    fn paths(
        &mut self,
        block: &Path,
        buffer: &mut Buffer,
    ) -> Result<Vec<(String, Result<Option<String>, Fault>)>, ReadError> {
        let unreadable = |error| ReadError::new(&self.slaves, error);
        let mut names = BTreeSet::new();
        match std::fs::read_dir(&self.slaves) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(unreadable)?.file_name();
                    names.insert(escaped(name.as_encoded_bytes()).into_owned());
                }
            }
            // A disk whose paths are all gone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(error)),
        }
        self.states.retain(|name, _| names.contains(name));
        let states = &mut self.states;
        let paths = names.into_iter().map(|name| {
            let file = || KeptFile::attribute(block.join(&name).join("device/state"));
            let state = text(states.entry(name.clone()).or_insert_with(file), buffer);
            (name, state)
        });
        Ok(paths.collect())
    }
}

/// The collector's families, being filled disk by disk.
struct Families {
    info: Family,
    active: Family,
    size: Family,
    paths: Family,
    paths_active: Family,
    paths_failed: Family,
    state: Family,
}

impl Families {
    fn new() -> Self {
        Self {
            info: Family::info(
                "node_dmmultipath_device_info",
                "Non-numeric information about a DM-multipath device.",
            ),
            active: Family::gauge(
                "node_dmmultipath_device_active",
                "Whether the multipath device-mapper device is active (1) or suspended (0).",
            ),
            size: Family::gauge(
                "node_dmmultipath_device_size_bytes",
                "Size of the multipath device in bytes, read from /sys/block/<dm>/size.",
            ),
            paths: Family::gauge("node_dmmultipath_device_paths", "Number of paths for a multipath device."),
            paths_active: Family::gauge(
                "node_dmmultipath_device_paths_active",
                "Number of paths in active state (SCSI running or NVMe live) for a multipath device.",
            ),
            paths_failed: Family::gauge(
                "node_dmmultipath_device_paths_failed",
                "Number of paths not in active state for a multipath device.",
            ),
            state: Family::gauge(
                "node_dmmultipath_path_state",
                "Reports the underlying device state for a multipath path, as read from /sys/block/<dev>/device/state.",
            ),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        vec![self.info, self.active, self.size, self.paths, self.paths_active, self.paths_failed, self.state]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_path_without_a_state_is_not_known_to_work() {
        let sys = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = sys.path().join("block").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let mut multipath = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]);
        let faults = multipath.collect().faults;
        assert!(faults.len() == 1 && faults[0].is_no_data(), "{faults:?}");

        write("dm-0/dm/uuid", "LVM-1\n");
        write("dm-1/dm/uuid", "\n");
        write("dm-1/dm/name", "mpathA\n");
        write("dm-1/dm/suspended", "1\n");
        write("dm-1/size", "much\n");
        for (path, state) in [("sda", "running\n"), ("sdb", "offline\n"), ("nvme0n1", "live\n")] {
            write(&format!("dm-1/slaves/{path}"), "");
            write(&format!("{path}/device/state"), state);
        }
        write("dm-1/slaves/sdc", "");
        let mut shown = || {
            let Collected { families, faults, .. } = multipath.collect();
            (values(&families), faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown(), (vec![], vec![]), "the disk is being set up");

        write("dm-1/dm/uuid", "mpath-3600\n");
        let (lines, faults) = shown();
        let of_disk = |name: &str, value: u32| {
            format!("node_dmmultipath_device_{name}{{device=\"mpathA\",sysfs_name=\"dm-1\"}} {value}")
        };
        let of_path = |path: &str, state: &str| {
            format!("node_dmmultipath_path_state{{device=\"mpathA\",path={path:?},state={state:?}}} 1")
        };
        assert_eq!(
            lines[1..],
            [
                of_disk("active", 0),
                of_disk("paths", 4),
                of_disk("paths_active", 2),
                of_disk("paths_failed", 2),
                of_path("nvme0n1", "live"),
                of_path("sda", "running"),
                of_path("sdb", "offline"),
            ]
        );
        assert!(faults.len() == 1 && faults[0].contains("dm-1/size: expected a number"), "{faults:?}");
    }
}

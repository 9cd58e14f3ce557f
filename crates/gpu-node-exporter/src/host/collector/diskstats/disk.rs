//! What is known about one disk beside its counters: labels from udev's database and sysfs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::udev::Properties;
use crate::collector::Fault;
use crate::family::Labels;
use crate::host::root::Root;
use crate::host::sysfs::read_once;

/// Major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DeviceNumber(pub(super) u32, pub(super) u32);

/// A disk's labels change when it is partitioned or formatted; udev is asked again after this long.
const READ_AGAIN: Duration = Duration::from_mins(1);

/// What does not change from scrape to scrape.
pub(super) struct Disk {
    number: DeviceNumber,
    read_again: Instant,
    /// What udev or sysfs did not let us read.
    pub(super) faults: Vec<Fault>,
    pub(super) info: Labels,
    pub(super) filesystem: Option<Labels>,
    pub(super) device_mapper: Option<Labels>,
    pub(super) ata: Vec<(&'static str, f64)>,
}

impl Disk {
    /// Reads what udev and sysfs say about it now.
    pub(super) fn find(root: &Root, device: &str, number: DeviceNumber, now: Instant) -> Self {
        let DeviceNumber(major, minor) = number;
        let mut faults = Vec::new();
        let properties = Properties::read(&root.udev, major, minor).unwrap_or_else(|error| {
            faults.push(error.into());
            Properties::default()
        });
        let rotational = rotational(&rotational_file(root, device)).unwrap_or_else(|fault| {
            faults.push(fault);
            ""
        });
        let label = |name: &'static str, value: &str| (name, value.to_owned());
        let property = |name: &'static str, key: &str| label(name, properties.get(key));
        let filesystem = [
            label("device", device),
            property("type", "ID_FS_TYPE"),
            property("usage", "ID_FS_USAGE"),
            property("uuid", "ID_FS_UUID"),
            property("version", "ID_FS_VERSION"),
        ];
        let device_mapper = [
            label("device", device),
            property("name", "DM_NAME"),
            property("uuid", "DM_UUID"),
            property("vg_name", "DM_VG_NAME"),
            property("lv_name", "DM_LV_NAME"),
            property("lv_layer", "DM_LV_LAYER"),
        ];
        Self {
            number,
            read_again: now + READ_AGAIN,
            faults,
            info: Labels::new([
                label("device", device),
                label("major", &major.to_string()),
                label("minor", &minor.to_string()),
                property("path", "ID_PATH"),
                property("wwn", "ID_WWN"),
                property("model", "ID_MODEL"),
                label("serial", properties.serial()),
                property("revision", "ID_REVISION"),
                label("rotational", rotational),
            ]),
            filesystem: properties.has("ID_FS_TYPE").then(|| Labels::new(filesystem)),
            device_mapper: properties.has("DM_NAME").then(|| Labels::new(device_mapper)),
            ata: properties.ata(),
        }
    }

    /// Whether what was read is still of this disk and not too old.
    pub(super) fn is_known(&self, number: DeviceNumber, now: Instant) -> bool {
        self.number == number && now < self.read_again && self.faults.is_empty()
    }
}

/// A partition has no such file; `node_exporter` says 0 for it.
fn rotational(file: &Path) -> Result<&'static str, Fault> {
    match read_once(file)?.as_deref() {
        None | Some("0") => Ok("0"),
        Some("1") => Ok("1"),
        Some(other) => Err(Fault::new(format!("{}: expected 0 or 1, found {other:?}", file.display()))),
    }
}

/// A name with a slash, as some RAID drivers have, has a `!` in sysfs.
fn rotational_file(root: &Root, device: &str) -> PathBuf {
    root.sys.join("block").join(device.replace('/', "!")).join("queue/rotational")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_udev_and_sysfs_do_not_let_us_read_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root {
            proc: "/".into(),
            sys: directory.path().into(),
            rootfs: "/".into(),
            udev: directory.path().into(),
        };
        let find = || Disk::find(&root, "sda", DeviceNumber(8, 0), Instant::now());
        assert_eq!(find().faults, []);

        let rotational = rotational_file(&root, "sda");
        std::fs::create_dir_all(rotational.parent().unwrap()).unwrap();
        std::fs::write(&rotational, "often\n").unwrap();
        // Reading a directory fails for root too.
        std::fs::create_dir(directory.path().join("b8:0")).unwrap();
        let disk = find();
        let faults: Vec<_> = disk.faults.iter().map(ToString::to_string).collect();
        assert!(faults.len() == 2 && faults[0].contains("/b8:0: "), "{faults:?}");
        assert!(faults[1].contains("expected 0 or 1"), "{faults:?}");
        assert!(!disk.is_known(disk.number, Instant::now()), "it is read again at the next reading");
    }
}

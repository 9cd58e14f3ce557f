//! What udev has stored about a block device: the `E:` lines of `b<major>:<minor>` (see `udevadm(8)`).

use std::collections::HashMap;
use std::path::Path;

use crate::host::kept_file::{ReadError, read_whole};

/// The ATA properties shown, with their families.
pub(super) const ATA: [(&str, &str, &str); 3] = [
    ("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "ATA disk has a write cache."),
    (
        "ID_ATA_WRITE_CACHE_ENABLED",
        "node_disk_ata_write_cache_enabled",
        "ATA disk has its write cache enabled.",
    ),
    (
        "ID_ATA_ROTATION_RATE_RPM",
        "node_disk_ata_rotation_rate_rpm",
        "ATA disk rotation rate in RPMs (0 for SSDs).",
    ),
];

/// A device's properties; none where udev does not run, as in most containers.
#[derive(Default)]
pub(super) struct Properties(HashMap<String, String>);

impl Properties {
    pub(super) fn read(directory: &Path, major: u32, minor: u32) -> Result<Self, ReadError> {
        let path = directory.join(format!("b{major}:{minor}"));
        match read_whole(&path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.is_absent() => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The value, or an empty label.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        !self.get(key).is_empty()
    }

    /// What is printed on the disk, where it says so; virtio disks only have the last.
    pub(super) fn serial(&self) -> &str {
        let keys = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        keys.into_iter().map(|key| self.get(key)).find(|serial| !serial.is_empty()).unwrap_or("")
    }

    /// The numbers of an ATA disk, by the names of their families.
    pub(super) fn ata(&self) -> Vec<(&'static str, f64)> {
        if !self.has("ID_ATA") {
            return Vec::new();
        }
        ATA.iter().filter_map(|(key, name, _)| Some((*name, self.get(key).parse().ok()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_properties_and_nothing_else() {
        let properties = Properties::parse(
            "S:disk/by-id/x\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_SERIAL=a=b\nE:broken\n",
        );
        assert_eq!(properties.get("ID_SERIAL"), "a=b");
        assert_eq!(properties.serial(), "a=b");
        assert_eq!(properties.ata(), [("node_disk_ata_write_cache", 1.0)]);
        assert!(Properties::parse("").ata().is_empty());
    }
}

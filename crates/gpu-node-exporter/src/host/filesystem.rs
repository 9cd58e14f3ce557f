//! File systems: sizes, free space and state of each mount.
//!
//! Owns which mounts are shown and their series. The mount list is PID 1's, so that a container with the host's `/proc`
//! sees the host's mounts. `filesystem/mounts.rs` reads it; `filesystem/sizes.rs` asks each mount for its size, which a
//! dead file server can keep from ever answering.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::HostSettings;
use super::filter::Filter;
use super::root::{Buffer, KeptFile, Root};
use crate::collector::{Collected, Collector, Fault};
use crate::family::{Family, Labels};

mod mounts;
mod sizes;

use mounts::Mount;
use sizes::{Answer, Size, Sizes};

/// `--collector.filesystem.*`
#[derive(Clone, Debug)]
pub(crate) struct FilesystemSettings {
    /// Which mount points to show.
    pub(crate) mount_points: Filter,
    /// Which file system types to show.
    pub(crate) fs_types: Filter,
    /// How long a mount may take to answer.
    pub(crate) mount_timeout: Duration,
}

/// The collector `filesystem`.
pub(crate) struct FilesystemCollector {
    root: Root,
    init_mounts: KeptFile,
    own_mounts: KeptFile,
    buffer: Buffer,
    settings: FilesystemSettings,
    /// What the filters said about a mount point and a type.
    decided: HashMap<(String, String), bool>,
    sizes: Sizes,
}

impl FilesystemCollector {
    pub(crate) fn new(settings: &HostSettings) -> Self {
        Self {
            root: settings.root.clone(),
            init_mounts: settings.root.proc_file("1/mountinfo"),
            own_mounts: settings.root.proc_file("self/mountinfo"),
            buffer: Buffer::default(),
            settings: settings.filesystem.clone(),
            decided: HashMap::new(),
            sizes: Sizes::new(settings.filesystem.mount_timeout),
        }
    }

    fn mounts(&mut self) -> Result<Vec<Mount>, Fault> {
        let mounts = match self.init_mounts.read(&mut self.buffer).map(mounts::parse) {
            Ok(mounts) => mounts?,
            // With hidepid PID 1 cannot be seen; this process's own mounts are the next best.
            Err(_) => mounts::parse(self.own_mounts.read(&mut self.buffer)?)?,
        };
        let rootfs = self.root.rootfs.to_string_lossy();
        let (settings, decided) = (&self.settings, &mut self.decided);
        let mut seen = HashSet::new();
        let mut shown = Vec::new();
        for mut mount in mounts {
            mount.strip(&rootfs);
            let key = (mount.point.clone(), mount.fs_type.clone());
            let keeps = *decided.entry(key).or_insert_with(|| {
                settings.mount_points.keeps(&mount.point) && settings.fs_types.keeps(&mount.fs_type)
            });
            // The same device can be mounted twice on one point; two equal series cannot be told apart.
            if keeps && seen.insert((mount.device.clone(), mount.point.clone(), mount.fs_type.clone())) {
                shown.push(mount);
            }
        }
        // When servers are dead, the machine's own disks are asked before a thread is lost to one.
        shown.sort_by_key(|mount| !mount.device.starts_with("/dev/"));
        Ok(shown)
    }
}

impl Collector for FilesystemCollector {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn collect(&mut self) -> Collected {
        let mounts = match self.mounts() {
            Ok(mounts) => mounts,
            Err(fault) => return Collected::failed(fault),
        };
        // Mount points of containers that are gone must not pile up.
        if self.decided.len() > 4 * mounts.len() + 1024 {
            self.decided.clear();
        }
        let paths = mounts.iter().map(|mount| mount.under(&self.root.rootfs)).collect();
        let answers = self.sizes.ask(paths);
        Collected::complete(families(&mounts, &answers))
    }
}

fn families(mounts: &[Mount], answers: &[Answer]) -> Vec<Family> {
    let mut error = Family::gauge("node_filesystem_device_error", "1 when the mount did not tell its size.");
    let mut readonly = Family::gauge("node_filesystem_readonly", "1 when nothing can be written.");
    let mut info = Family::info("node_filesystem_mount_info", "The mount's device numbers; always 1.");
    let mut sizes = [
        Family::gauge("node_filesystem_size_bytes", "Size of the file system."),
        Family::gauge("node_filesystem_free_bytes", "Free space."),
        Family::gauge("node_filesystem_avail_bytes", "Free space that others than root may use."),
        Family::gauge("node_filesystem_files", "File nodes the file system can have."),
        Family::gauge("node_filesystem_files_free", "File nodes that are free."),
    ];
    for (mount, answer) in mounts.iter().zip(answers) {
        let labels = Labels::new([
            ("device", mount.device.as_str()),
            ("mountpoint", &mount.point),
            ("fstype", &mount.fs_type),
            ("device_error", answer.as_ref().err().map_or("", String::as_str)),
        ]);
        error.push(labels.clone(), answer.is_err());
        readonly.push(labels.clone(), mount.read_only);
        let Ok(Size { total, free, available, files, files_free }) = answer else { continue };
        for (family, value) in sizes.iter_mut().zip([total, free, available, files, files_free]) {
            family.push(labels.clone(), *value);
        }
        let numbers = [
            ("device", mount.device.as_str()),
            ("major", &mount.major),
            ("minor", &mount.minor),
            ("mountpoint", &mount.point),
        ];
        info.push(Labels::new(numbers), 1_u64);
    }
    [error, readonly, info].into_iter().chain(sizes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    fn mount(point: &str, read_only: bool) -> Mount {
        Mount {
            device: "/dev/sda1".to_owned(),
            point: point.to_owned(),
            fs_type: "ext4".to_owned(),
            major: "8".to_owned(),
            minor: "1".to_owned(),
            read_only,
        }
    }

    #[test]
    fn a_mount_that_fails_shows_only_that() {
        let size = Size { total: 100, free: 40, available: 30, files: 10, files_free: 5 };
        let answers = [Ok(size), Err("mountpoint timeout".to_owned())];
        let lines = values(&families(&[mount("/", false), mount("/data", true)], &answers));
        let good = r#"{device="/dev/sda1",mountpoint="/",fstype="ext4",device_error=""}"#;
        let bad =
            r#"{device="/dev/sda1",mountpoint="/data",fstype="ext4",device_error="mountpoint timeout"}"#;
        assert_eq!(
            lines,
            [
                format!("node_filesystem_device_error{good} 0"),
                format!("node_filesystem_device_error{bad} 1"),
                format!("node_filesystem_readonly{good} 0"),
                format!("node_filesystem_readonly{bad} 1"),
                r#"node_filesystem_mount_info{device="/dev/sda1",major="8",minor="1",mountpoint="/"} 1"#
                    .to_owned(),
                format!("node_filesystem_size_bytes{good} 100"),
                format!("node_filesystem_free_bytes{good} 40"),
                format!("node_filesystem_avail_bytes{good} 30"),
                format!("node_filesystem_files{good} 10"),
                format!("node_filesystem_files_free{good} 5"),
            ]
        );
    }
}

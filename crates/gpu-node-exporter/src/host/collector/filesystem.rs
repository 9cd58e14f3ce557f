//! File systems: sizes, free space and state of each mount.
//!
//! Owns which mounts are shown and their series. The mount list is PID 1's, so that a container with the host's `/proc`
//! sees the host's mounts. `filesystem/mounts.rs` reads it; `filesystem/sizes.rs` asks each mount for its size, which a
//! dead file server can keep from ever answering; `filesystem/filling.rs` estimates when each is full.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::Lines;
use crate::host::root::Root;

mod filling;
pub(in crate::host) mod mounts;
mod sizes;

use filling::Filling;
use mounts::{Mount, may_hang};
use sizes::{Answer, Mounted, Size, Sizes};

static MOUNT_POINTS_EXCLUDE: Flag = Flag::regex(
    "collector.filesystem.mount-points-exclude",
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "Mount points to leave out (not together with mount-points-include)",
)
.formerly(&["collector.filesystem.ignored-mount-points"]);
static MOUNT_POINTS_INCLUDE: Flag =
    Flag::regex("collector.filesystem.mount-points-include", "", "The only mount points to show");
static FS_TYPES_EXCLUDE: Flag = Flag::regex(
    "collector.filesystem.fs-types-exclude",
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
    "File system types to leave out (not together with fs-types-include)",
)
.formerly(&["collector.filesystem.ignored-fs-types"]);
static FS_TYPES_INCLUDE: Flag =
    Flag::regex("collector.filesystem.fs-types-include", "", "The only file system types to show");
static MOUNT_TIMEOUT: Flag = Flag::value(
    "collector.filesystem.mount-timeout",
    "DURATION",
    "5s",
    "How long a mount may take to answer before it counts as stuck",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "filesystem",
    help: "size, free space and state of file systems",
    reads: "/proc/1/mountinfo, statvfs(2)",
    is_default: true,
    waits_for: WaitsFor::FileSystems,
    flags: &[
        &MOUNT_POINTS_EXCLUDE,
        &MOUNT_POINTS_INCLUDE,
        &FS_TYPES_EXCLUDE,
        &FS_TYPES_INCLUDE,
        &MOUNT_TIMEOUT,
    ],
    new: |flags, root| Box::new(FilesystemCollector::new(flags, root)),
};

struct FilesystemCollector {
    root: Root,
    init_mounts: KeptFile,
    own_mounts: KeptFile,
    buffer: Buffer,
    own_buffer: Buffer,
    mount_points: Filter,
    fs_types: Filter,
    /// What the filters said about a mount point and a type.
    decided: HashMap<(String, String), bool>,
    known: Known,
    sizes: Sizes,
    filling: Filling,
}

/// What the list of mounts says, as long as it says the same.
#[derive(Default)]
struct Known {
    text: String,
    /// Those that are shown, where each is found, and what labels it has.
    mounts: Vec<Mount>,
    mounted: Vec<Mounted>,
    labels: Vec<MountLabels>,
    faults: Vec<Fault>,
}

/// The labels of a mount.
struct MountLabels {
    /// When it tells its size.
    good: Labels,
    numbers: Labels,
}

impl FilesystemCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            root: root.clone(),
            init_mounts: KeptFile::new(root.proc.join("1/mountinfo")),
            own_mounts: KeptFile::new(root.proc.join("self/mountinfo")),
            buffer: Buffer::default(),
            own_buffer: Buffer::default(),
            mount_points: Filter::new(flags, &MOUNT_POINTS_EXCLUDE, &MOUNT_POINTS_INCLUDE),
            fs_types: Filter::new(flags, &FS_TYPES_EXCLUDE, &FS_TYPES_INCLUDE),
            decided: HashMap::new(),
            known: Known::default(),
            sizes: Sizes::new(flags.duration(&MOUNT_TIMEOUT)),
            filling: Filling::new(Instant::now()),
        }
    }

    /// Reads the list of mounts, and what it says where it is another than the last.
    fn follow_mounts(&mut self) -> Result<(), Fault> {
        let text = match self.init_mounts.read(&mut self.buffer) {
            Ok(text) => text,
            // With hidepid PID 1 cannot be seen; this process's own mounts are the next best.
            Err(_) => self.own_mounts.read(&mut self.own_buffer)?,
        };
        if self.known.text == text {
            return Ok(());
        }
        let text = text.to_owned();
        let Lines { read: mounts, faults } = mounts::parse(&text);
        let may_hang = may_hang(&mounts);
        let rootfs = self.root.rootfs.to_string_lossy();
        // Mount points of containers that are gone must not pile up.
        if self.decided.len() > 4 * mounts.len() + 1024 {
            self.decided.clear();
        }
        let (mount_points, fs_types, decided) = (&self.mount_points, &self.fs_types, &mut self.decided);
        let mut seen = HashSet::new();
        let mut shown = Vec::new();
        for (mut mount, may_hang) in mounts.into_iter().zip(may_hang) {
            mount.strip(&rootfs);
            let key = (mount.point.clone(), mount.fs_type.clone());
            let keeps = *decided
                .entry(key)
                .or_insert_with(|| mount_points.keeps(&mount.point) && fs_types.keeps(&mount.fs_type));
            // The same device can be mounted twice on one point; two equal series cannot be on a page.
            if keeps && seen.insert((mount.device.clone(), mount.point.clone(), mount.fs_type.clone())) {
                shown.push((mount, may_hang));
            }
        }
        // When servers are dead, the machine's own disks are asked before a thread is lost to one.
        shown.sort_by_key(|(mount, _)| !mount.device.starts_with("/dev/"));
        let mounted = |(mount, may_hang): &(Mount, bool)| Mounted {
            path: mount.under(&self.root.rootfs),
            may_hang: *may_hang,
        };
        let mounted = shown.iter().map(mounted).collect();
        let mounts: Vec<Mount> = shown.into_iter().map(|(mount, _)| mount).collect();
        let labels = mounts.iter().map(MountLabels::new).collect();
        self.known = Known { text, mounts, mounted, labels, faults };
        Ok(())
    }
}

impl MountLabels {
    fn new(mount: &Mount) -> Self {
        let numbers = [
            ("device", mount.device.as_str()),
            ("major", &mount.major),
            ("minor", &mount.minor),
            ("mountpoint", &mount.point),
        ];
        Self { good: labels(mount, ""), numbers: Labels::new(numbers) }
    }
}

fn labels(mount: &Mount, error: &str) -> Labels {
    Labels::new([
        ("device", mount.device.as_str()),
        ("mountpoint", &mount.point),
        ("fstype", &mount.fs_type),
        ("device_error", error),
    ])
}

impl Collector for FilesystemCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        if let Err(fault) = self.follow_mounts() {
            return Collected::failed(fault);
        }
        let Known { mounts, mounted, labels, faults, .. } = &self.known;
        let answers = self.sizes.ask(mounted);
        let mut families = families(mounts, labels, &answers);
        families.push(self.filling.add(mounts, &answers, Instant::now()));
        Collected::new(families, faults.clone())
    }
}

fn families(mounts: &[Mount], known: &[MountLabels], answers: &[Answer]) -> Vec<Family> {
    let mut error = Family::gauge(
        "node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.",
    );
    let mut readonly = Family::gauge("node_filesystem_readonly", "Filesystem read-only status.");
    let mut info = Family::info("node_filesystem_mount_info", "Filesystem mount information.");
    let mut sizes = [
        Family::gauge("node_filesystem_size_bytes", "Filesystem size in bytes."),
        Family::gauge("node_filesystem_free_bytes", "Filesystem free space in bytes."),
        Family::gauge(
            "node_filesystem_avail_bytes",
            "Filesystem space available to non-root users in bytes.",
        ),
        Family::gauge("node_filesystem_files", "Filesystem total file nodes."),
        Family::gauge("node_filesystem_files_free", "Filesystem total free file nodes."),
        // Linux has no such space, which node_exporter says.
        Family::gauge(
            "node_filesystem_purgeable_bytes",
            "Filesystem space available including purgeable space (MacOS specific).",
        ),
    ];
    for ((mount, known), answer) in mounts.iter().zip(known).zip(answers) {
        let labels = match answer {
            Ok(_) => known.good.clone(),
            Err(error) => labels(mount, error),
        };
        error.push(labels.clone(), answer.is_err());
        readonly.push(labels.clone(), mount.read_only);
        let Ok(Size { total, free, available, files, files_free }) = answer else { continue };
        for (family, value) in sizes.iter_mut().zip([total, free, available, files, files_free, &0]) {
            family.push(labels.clone(), *value);
        }
        info.push(known.numbers.clone(), 1_u64);
    }
    [error, readonly, info].into_iter().chain(sizes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    pub(super) fn mount(point: &str, read_only: bool) -> Mount {
        Mount {
            id: 2,
            parent: 1,
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
        let mounts = [mount("/", false), mount("/data", true)];
        let known: Vec<_> = mounts.iter().map(MountLabels::new).collect();
        let lines = values(&families(&mounts, &known, &answers));
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
                format!("node_filesystem_purgeable_bytes{good} 0"),
            ]
        );
    }
}

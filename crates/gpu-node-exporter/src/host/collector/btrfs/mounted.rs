//! The Btrfs file systems that are mounted, with what they say about their devices.
//!
//! Owns finding a mount of each that can be opened: below `--path.rootfs`, by PID 1's list of mounts.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::{Mode, OFlags};

use super::ioctl::{self, Answer, Device};
use crate::collector::Fault;
use crate::host::collector::filesystem::mounts;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;

/// The list of mounts.
pub(super) struct Mounted {
    root: Root,
    init_mounts: KeptFile,
    own_mounts: KeptFile,
}

impl Mounted {
    pub(super) fn new(root: &Root) -> Self {
        Self {
            root: root.clone(),
            init_mounts: KeptFile::new(root.proc.join("1/mountinfo")),
            own_mounts: KeptFile::new(root.proc.join("self/mountinfo")),
        }
    }

    /// The devices of each file system that answers, by its UUID in hexadecimal without dashes. One that cannot be asked is
    /// left out: sysfs knows less about it, and no fault would help whoever cannot let this process see the mounts.
    pub(super) fn devices(&mut self, buffer: &mut Buffer) -> (BTreeMap<String, Vec<Device>>, Vec<Fault>) {
        let text = match self.init_mounts.read(buffer) {
            Ok(text) => text,
            // With hidepid PID 1 cannot be seen; this process's own mounts are the next best.
            Err(_) => self.own_mounts.read(buffer).unwrap_or_default(),
        };
        let (mut asked, mut faults) = (BTreeMap::new(), Vec::new());
        let mut answered = BTreeSet::new();
        let rootfs = self.root.rootfs.to_string_lossy();
        for mut mount in mounts::parse(text).read.into_iter().filter(|mount| mount.fs_type == "btrfs") {
            // A file system is mounted once for each of its subvolumes.
            if answered.contains(&mount.device) {
                continue;
            }
            mount.strip(&rootfs);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOATIME | OFlags::CLOEXEC;
            let path = mount.under(&self.root.rootfs);
            let opened = rustix::fs::open(&path, flags, Mode::empty())
                // Only a directory's owner may leave its access time alone.
                .or_else(|_| rustix::fs::open(&path, flags - OFlags::NOATIME, Mode::empty()));
            if let Some(answer) = opened.ok().and_then(|mount| ioctl::ask(mount).ok()) {
                let Answer { id, devices, has_more } = answer;
                faults.extend(has_more.then(|| beyond(&mount.point)));
                answered.insert(mount.device);
                asked.insert(id, devices);
            }
        }
        (asked, faults)
    }
}

fn beyond(point: &str) -> Fault {
    let most = ioctl::MOST_NUMBERS;
    Fault::new(format!("btrfs: {point}: devices with numbers above {most} are not shown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_does_not_answer_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("1")).unwrap();
        let mounts = "1 0 0:1 / / rw - btrfs /dev/a rw\n2 1 0:1 / /nonexistent rw - btrfs /dev/a rw\nodd\n";
        std::fs::write(root.path().join("1/mountinfo"), mounts).unwrap();
        let none = root.path().join("none");
        let root = Root { proc: root.path().into(), sys: none.clone(), rootfs: "/proc".into(), udev: none };
        assert_eq!(Mounted::new(&root).devices(&mut Buffer::default()), (BTreeMap::new(), vec![]));
    }
}

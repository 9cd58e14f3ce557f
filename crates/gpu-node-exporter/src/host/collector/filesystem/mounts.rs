//! Reading `/proc/<pid>/mountinfo` (see `proc_pid_mountinfo(5)`).
//!
//! By hand: procfs's type makes two maps of options for every mount, and a node that runs many containers has thousands.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::host::lines::{Lines, lines};

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) struct Mount {
    /// The mount's number, and that of the mount it lies on.
    pub(in crate::host) id: u32,
    pub(in crate::host) parent: u32,
    pub(in crate::host) device: String,
    pub(in crate::host) point: String,
    pub(in crate::host) fs_type: String,
    pub(in crate::host) major: String,
    pub(in crate::host) minor: String,
    pub(in crate::host) read_only: bool,
}

impl Mount {
    /// The mount point as the host sees it: a container that has the host's root under `rootfs` sees that in front.
    pub(in crate::host) fn strip(&mut self, rootfs: &str) {
        if rootfs != "/"
            && let Some(rest) = self.point.strip_prefix(rootfs.trim_end_matches('/'))
        {
            self.point = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
        }
    }

    /// Where this process finds the mount.
    pub(in crate::host) fn under(&self, rootfs: &Path) -> PathBuf {
        let point = self.point.trim_start_matches('/');
        if point.contains("\\x") {
            rootfs.join(OsStr::from_bytes(&bytes_of(point)))
        } else {
            rootfs.join(point)
        }
    }
}

/// The mounts that a path leads to: one that another lies on has no size that could be asked for.
pub(in crate::host) fn parse(text: &str) -> Lines<Mount> {
    let Lines { read, faults } = lines("mountinfo", text, parse_line);
    Lines { read: visible(read), faults }
}

/// Without those that are covered: by a mount on their own root, or on a directory above them of the same parent.
fn visible(mounts: Vec<Mount>) -> Vec<Mount> {
    let places: HashSet<(u32, &str)> = mounts
        .iter()
        .filter(|mount| mount.id != mount.parent)
        .map(|mount| (mount.parent, mount.point.as_str()))
        .collect();
    let is_covered = |mount: &Mount| {
        let above = mount.point.match_indices('/').map(|(end, _)| &mount.point[..end.max(1)]);
        places.contains(&(mount.id, mount.point.as_str()))
            || above
                .filter(|above| *above != mount.point)
                .any(|above| places.contains(&(mount.parent, above)))
    };
    let covered: Vec<bool> = mounts.iter().map(is_covered).collect();
    let mut covered = covered.into_iter();
    let shown = mounts.into_iter().filter(|_| covered.next() == Some(false));
    shown.collect()
}

/// Types of file systems that know their sizes without asking another machine, or another program: to ask them takes no longer than any
/// system call.
const LOCAL: [&str; 28] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "xfs",
];

/// Whether who asks each of these mounts for its size may wait for ever: for the mount, or for one on the way to it.
pub(super) fn may_hang(mounts: &[Mount]) -> Vec<bool> {
    let is_local = |mount: &Mount| LOCAL.contains(&mount.fs_type.as_str());
    let others: HashSet<&str> =
        mounts.iter().filter(|mount| !is_local(mount)).map(|mount| mount.point.as_str()).collect();
    let on_the_way = |point: &str| {
        let mut above = point.match_indices('/').map(|(end, _)| &point[..end.max(1)]);
        others.contains(point) || above.any(|above| others.contains(above))
    };
    mounts.iter().map(|mount| !others.is_empty() && on_the_way(&mount.point)).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`; the fields before the dash vary in
/// number.
fn parse_line(line: &str) -> Option<Mount> {
    let mut words = line.split(' ');
    let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (major, minor) = words.next()?.split_once(':')?;
    let (_, _): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    let point = words.nth(1)?;
    let options = words.next()?;
    words.find(|word| *word == "-")?;
    let (fs_type, device) = (words.next()?, words.next()?);
    let super_options = words.next()?;
    // ext4 and others say `emergency_ro` after an error without showing `ro`.
    let read_only = options.split(',').any(|option| option == "ro")
        || super_options.split(',').any(|option| option == "ro" || option == "emergency_ro");
    Some(Mount {
        id,
        parent,
        device: device.to_owned(),
        point: unescape(point),
        fs_type: fs_type.to_owned(),
        major: major.to_owned(),
        minor: minor.to_owned(),
        read_only,
    })
}

/// Space, tab, line feed and backslash are written as three octal digits after a backslash.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")].into_iter().fold(
        text.to_owned(),
        |text, (escaped, plain)| {
            if text.contains(escaped) { text.replace(escaped, plain) } else { text }
        },
    )
}

/// The bytes of a mount point that is not UTF-8, of which each such byte was read as `\xff`.
fn bytes_of(point: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // Of bytes below these a name says what it means: it was a name with a backslash.
        let Some(byte) = byte.filter(|byte| *byte >= 0x80) else {
            bytes.extend(b"\\x");
            rest = after;
            continue;
        };
        bytes.push(byte);
        rest = &after[2..];
    }
    bytes.extend(rest.bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn reads_a_mount() {
        let text = "36 35 98:0 /mnt1 /my\\040disk rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n\
                    25 1 0:5 / /proc ro - proc proc rw\n26 1 8:1 / /e rw - ext4 /dev/sda1 rw,emergency_ro\n";
        let mounts = parse(text).read;
        assert_eq!(
            mounts[0],
            Mount {
                id: 36,
                parent: 35,
                device: "/dev/root".to_owned(),
                point: "/my disk".to_owned(),
                fs_type: "ext3".to_owned(),
                major: "98".to_owned(),
                minor: "0".to_owned(),
                read_only: false,
            }
        );
        assert!(mounts[1].read_only && mounts[2].read_only);
    }

    #[test]
    fn a_mount_that_another_lies_on_is_not_shown() {
        let check = |lines: &[&str], expected: &[&str]| {
            let text: Vec<_> = lines
                .iter()
                .map(|line| {
                    let [id, parent, device, point] = line.split(' ').collect::<Vec<_>>()[..] else {
                        panic!("{line}")
                    };
                    format!("{id} {parent} {device} / {point} rw - tmpfs tmpfs rw\n")
                })
                .collect();
            let mounts = parse(&text.concat());
            assert!(mounts.faults.is_empty());
            let shown: Vec<_> =
                mounts.read.iter().map(|mount| format!("{} {}", mount.minor, mount.point)).collect();
            assert_eq!(shown, expected);
        };
        // The same file system type twice on one point: the upper one's numbers belong to the size.
        check(&["1 0 0:1 /", "2 1 0:2 /a", "3 2 0:3 /a"], &["1 /", "3 /a"]);
        check(&["1 0 0:1 /", "2 1 0:2 /a", "3 2 0:3 /a", "4 3 0:4 /a"], &["1 /", "4 /a"]);
        // One that is below a directory that was mounted over later.
        check(&["1 0 0:1 /", "2 1 0:2 /a/b", "3 1 0:3 /a", "4 3 0:4 /a/c"], &["1 /", "3 /a", "4 /a/c"]);
        check(
            &["1 1 0:1 /", "2 1 0:2 /a", "3 2 0:3 /a/b", "5 1 0:5 /ab"],
            &["1 /", "2 /a", "3 /a/b", "5 /ab"],
        );
        // A new root over the first one.
        check(&["1 0 0:1 /", "2 1 0:2 /"], &["2 /"]);
    }

    #[test]
    fn a_point_that_is_not_text_is_found() {
        let point = |escaped: &str| {
            let mount = parse(&format!("36 35 98:0 / {escaped} rw - ext3 /dev/root rw\n")).read.remove(0);
            mount.under(Path::new("/host")).into_os_string().into_encoded_bytes()
        };
        assert_eq!(point("/a"), b"/host/a");
        assert_eq!(point(r"/a\xff\xfe/b"), b"/host/a\xff\xfe/b");
        assert_eq!(point(r"/a\134x41"), br"/host/a\x41");
    }

    #[test]
    fn a_mount_behind_another_machine_may_hang() {
        let check = |listed: &[(&str, &str)], expected: &[bool]| {
            let mount = |(point, fs_type): &(&str, &str)| Mount {
                fs_type: (*fs_type).to_owned(),
                ..super::super::tests::mount(point, false)
            };
            let mounts: Vec<Mount> = listed.iter().map(mount).collect();
            assert_eq!(may_hang(&mounts), expected, "{listed:?}");
        };
        check(&[("/", "overlay"), ("/data", "xfs"), ("/run", "tmpfs")], &[false, false, false]);
        check(
            &[
                ("/", "ext4"),
                ("/nfs", "nfs4"),
                ("/nfs/disk", "ext4"),
                ("/nfs2", "ext4"),
                ("/home", "fuse.sshfs"),
            ],
            &[false, true, true, false, true],
        );
        check(&[("/", "nfs"), ("/data", "xfs")], &[true, true]);
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let good = "36 35 98:0 / /data rw - ext3 /dev/root rw\n";
        let Lines { read, faults } = parse(&format!("{good}what\n{good}"));
        assert_eq!(
            (read.len(), faults[0].to_string().as_str()),
            (2, "mountinfo: cannot read line 2: `what`")
        );
    }

    #[test]
    fn strips_the_rootfs() {
        for (point, rootfs, expected) in [
            ("/host", "/host", "/"),
            ("/host/data", "/host/", "/data"),
            ("/data", "/host", "/data"),
            ("/a", "/", "/a"),
        ] {
            let mut mount = parse(&format!("36 35 98:0 / {point} rw - ext3 /dev/root rw\n")).read.remove(0);
            mount.strip(rootfs);
            assert_eq!(mount.point, expected, "{point} under {rootfs}");
        }
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &[
                "",
                "\n",
                "36 35 98:0 / /data rw",
                "36 35 98 / /data rw - ext3 /dev/root rw",
                "36 35 98:x / /data rw - ext3 /dev/root rw",
                "36 35 98:0 / /data rw - ext3",
            ],
        );
    }
}

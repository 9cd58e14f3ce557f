//! Reading `/proc/<pid>/mountinfo` (see `proc_pid_mountinfo(5)`).
//!
//! By hand: procfs's type makes two maps of options for every mount, and a node that runs many containers has thousands.

use std::path::{Path, PathBuf};

use crate::collector::Fault;

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) point: String,
    pub(super) fs_type: String,
    pub(super) major: String,
    pub(super) minor: String,
    pub(super) read_only: bool,
}

impl Mount {
    /// The mount point as the host sees it: a container that has the host's root under `rootfs` sees that in front.
    pub(super) fn strip(&mut self, rootfs: &str) {
        if rootfs != "/"
            && let Some(rest) = self.point.strip_prefix(rootfs.trim_end_matches('/'))
        {
            self.point = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
        }
    }

    /// Where this process finds the mount.
    pub(super) fn under(&self, rootfs: &Path) -> PathBuf {
        rootfs.join(self.point.trim_start_matches('/'))
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Mount>, Fault> {
    let garbled = |line: &str| Fault::new(format!("mountinfo: cannot read the line {line:?}"));
    let mounts = text.lines().map(|line| parse_line(line).ok_or_else(|| garbled(line)));
    let mounts: Vec<_> = mounts.collect::<Result<_, _>>()?;
    if mounts.is_empty() {
        return Err(Fault::new("mountinfo: no mount in it"));
    }
    Ok(mounts)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`; the fields before the dash vary in
/// number.
fn parse_line(line: &str) -> Option<Mount> {
    let mut words = line.split(' ');
    let (major, minor) = words.nth(2)?.split_once(':')?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn reads_a_mount() {
        let text = "36 35 98:0 /mnt1 /my\\040disk rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n\
                    25 1 0:5 / /proc ro - proc proc rw\n26 1 8:1 / /e rw - ext4 /dev/sda1 rw,emergency_ro\n";
        let mounts = parse(text).unwrap();
        assert_eq!(
            mounts[0],
            Mount {
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
    fn strips_the_rootfs() {
        for (point, rootfs, expected) in [
            ("/host", "/host", "/"),
            ("/host/data", "/host/", "/data"),
            ("/data", "/host", "/data"),
            ("/a", "/", "/a"),
        ] {
            let mut mount =
                parse(&format!("36 35 98:0 / {point} rw - ext3 /dev/root rw\n")).unwrap().remove(0);
            mount.strip(rootfs);
            assert_eq!(mount.point, expected, "{point} under {rootfs}");
        }
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            parse,
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

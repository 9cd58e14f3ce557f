//! Where `/proc`, `/sys`, `/` and udev's database are: the machine's own, a container's mounts, or test data.

use std::path::PathBuf;

use crate::flags::{Flag, Flags};

static PROC: Flag = Flag::value("path.procfs", "DIRECTORY", "/proc", "Where procfs is mounted");
static SYS: Flag = Flag::value("path.sysfs", "DIRECTORY", "/sys", "Where sysfs is mounted");
static ROOTFS: Flag =
    Flag::value("path.rootfs", "DIRECTORY", "/", "Where the host's root directory is mounted");
static UDEV: Flag =
    Flag::value("path.udev.data", "DIRECTORY", "/run/udev/data", "Where udev keeps its database");

/// The flags that say where to read.
pub(crate) static FLAGS: [&Flag; 4] = [&PROC, &SYS, &ROOTFS, &UDEV];

/// The four directories every host collector reads from.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// `--path.procfs`
    pub(crate) proc: PathBuf,
    /// `--path.sysfs`
    pub(crate) sys: PathBuf,
    /// `--path.rootfs`
    pub(crate) rootfs: PathBuf,
    /// `--path.udev.data`
    pub(crate) udev: PathBuf,
}

impl Root {
    /// As the flags say; nothing is read.
    pub(crate) fn new(flags: &Flags) -> Self {
        Self {
            proc: flags.path(&PROC),
            sys: flags.path(&SYS),
            rootfs: flags.path(&ROOTFS),
            udev: flags.path(&UDEV),
        }
    }
}

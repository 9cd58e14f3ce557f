//! What a mounted Btrfs file system says when it is asked (see the kernel's `include/uapi/linux/btrfs.h` and `ioctl(2)`).
//!
//! Owns the three requests and the layout of their answers. Each needs no more than that its mount can be opened.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::host::utf8::escaped;

/// `BTRFS_IOCTL_MAGIC`
const GROUP: u8 = 0x94;

/// `struct btrfs_ioctl_fs_info_args`: the highest number of a device at 0, the number of devices at 8, the UUID at 16.
type FileSystemInfo = [u8; 1024];
const FS_INFO: Opcode = opcode::read::<FileSystemInfo>(GROUP, 31);

/// `struct btrfs_ioctl_dev_info_args`: the device's number at 0, its UUID at 8, bytes used at 24 and in all at 32, its path
/// at [`PATH`].
type DeviceInfo = [u8; 4096];
const DEV_INFO: Opcode = opcode::read_write::<DeviceInfo>(GROUP, 30);
const PATH: usize = 3072;

/// `struct btrfs_ioctl_get_dev_stats`: the device's number at 0, how many counters there is room for at 8, the counters
/// from 24.
type DeviceStats = [u8; 1032];
const GET_DEV_STATS: Opcode = opcode::read_write::<DeviceStats>(GROUP, 52);
const COUNTERS: usize = 24;

/// The errors that are counted, in the order of `enum btrfs_dev_stat_values`.
pub(super) const ERRORS: [&str; 5] = ["write", "read", "flush", "corruption", "generation"];

/// One device of a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// The last part of its path.
    pub(super) name: String,
    /// In hexadecimal, without dashes.
    pub(super) uuid: String,
    pub(super) used_bytes: u64,
    pub(super) total_bytes: u64,
    /// In the order of [`ERRORS`].
    pub(super) errors: [u64; ERRORS.len()],
}

/// Devices are numbered in the order in which they were added; one that is removed leaves a hole.
pub(super) const MOST_NUMBERS: u64 = 4096;

/// What a file system says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its UUID in hexadecimal without dashes.
    pub(super) id: String,
    pub(super) devices: Vec<Device>,
    /// Whether there are devices with higher numbers than those that were asked for.
    pub(super) has_more: bool,
}

/// Asks the file system of this mount.
pub(super) fn ask(mount: impl AsFd) -> Result<Answer, Errno> {
    let mount = mount.as_fd();
    let mut info: FileSystemInfo = [0; 1024];
    update::<FS_INFO, _>(mount, &mut info)?;
    let (highest, count) = (number(&info, 0), number(&info, 8));
    let mut devices = Vec::new();
    for id in 0..=highest.min(MOST_NUMBERS) {
        match device(mount, id) {
            Ok(device) => devices.push(device),
            // A hole; what the numbers begin with has varied.
            Err(Errno::NODEV) => {}
            Err(error) => return Err(error),
        }
        if devices.len() as u64 == count {
            break;
        }
    }
    let has_more = highest > MOST_NUMBERS && (devices.len() as u64) < count;
    Ok(Answer { id: hexadecimal(&info[16..32]), devices, has_more })
}

fn device(mount: BorrowedFd<'_>, id: u64) -> Result<Device, Errno> {
    let mut info: DeviceInfo = [0; 4096];
    info[..8].copy_from_slice(&id.to_ne_bytes());
    update::<DEV_INFO, _>(mount, &mut info)?;
    let mut stats: DeviceStats = [0; 1032];
    stats[..8].copy_from_slice(&id.to_ne_bytes());
    stats[8..16].copy_from_slice(&(ERRORS.len() as u64).to_ne_bytes());
    update::<GET_DEV_STATS, _>(mount, &mut stats)?;
    Ok(read_device(&info, &stats))
}

fn read_device(info: &DeviceInfo, stats: &DeviceStats) -> Device {
    let path = info[PATH..].split(|byte| *byte == 0).next().unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Device {
        name: escaped(name).into_owned(),
        uuid: hexadecimal(&info[8..24]),
        used_bytes: number(info, 24),
        total_bytes: number(info, 32),
        errors: std::array::from_fn(|place| number(stats, COUNTERS + 8 * place)),
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).copied().map_or(0, u64::from_ne_bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
    text
}

#[expect(unsafe_code, reason = "ioctl(2) takes any memory; no library offers these requests without it")]
fn update<const REQUEST: Opcode, T>(mount: BorrowedFd<'_>, answer: &mut T) -> Result<(), Errno> {
    // SAFETY: the request's number says the size of `T`, which is plain bytes; the kernel reads and writes only those.
    unsafe { ioctl(mount, Updater::<'_, REQUEST, T>::new(answer)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_numbered_as_in_the_kernel() {
        assert_eq!((FS_INFO, DEV_INFO, GET_DEV_STATS), (0x8400_941f, 0xd000_941e, 0xc408_9434));
    }

    #[test]
    fn an_answer_is_read_by_its_places() {
        let (mut info, mut stats) = ([0; 4096], [0; 1032]);
        info[8..24].copy_from_slice(&[0xab; 16]);
        info[24..32].copy_from_slice(&3_u64.to_ne_bytes());
        info[32..40].copy_from_slice(&10_u64.to_ne_bytes());
        info[PATH..PATH + 12].copy_from_slice(b"/dev/nvme0\xff\0");
        for (place, errors) in (1..=5_u64).enumerate() {
            stats[24 + 8 * place..32 + 8 * place].copy_from_slice(&errors.to_ne_bytes());
        }
        let device = Device {
            name: r"nvme0\xff".to_owned(),
            uuid: "ab".repeat(16),
            used_bytes: 3,
            total_bytes: 10,
            errors: [1, 2, 3, 4, 5],
        };
        assert_eq!(read_device(&info, &stats), device);
        // A path that fills all its room has no zero at its end.
        info[PATH..].fill(b'x');
        assert_eq!(read_device(&info, &stats).name.len(), 1024);
    }

    #[test]
    fn another_file_system_does_not_answer() {
        let directory = std::fs::File::open("/proc").unwrap();
        assert_eq!(ask(&directory), Err(Errno::NOTTY));
    }
}

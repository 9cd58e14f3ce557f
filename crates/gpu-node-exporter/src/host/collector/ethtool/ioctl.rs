//! What a network device's driver is asked with `SIOCETHTOOL` (see `netdevice(7)` and `include/uapi/linux/ethtool.h`).
//!
//! Owns the requests and where an answer has its fields. By `ioctl`, since the counters that a driver names itself are nowhere
//! else: the newer interface over netlink has only those that all drivers share.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::host::netlink::{text, u32_at, u64_at};

const SIOCETHTOOL: Opcode = 0x8946;
const GET_SETTINGS: u32 = 0x1;
const GET_DRIVER: u32 = 0x3;
const GET_STRINGS: u32 = 0x1b;
const GET_STATISTICS: u32 = 0x1d;
/// `ETH_SS_STATS`: the names of the counters.
const NAMES_OF_STATISTICS: u32 = 1;
/// `ETH_GSTRING_LEN`
const NAME: usize = 32;

/// Of a device with more counters none is shown.
pub(super) const MOST_COUNTERS: usize = 16 * 1024;

/// Bytes for an answer. The driver writes as many names as it has by then, whatever it had when it was asked for their number:
/// there is room for twice as many.
const ROOM: usize = 2 * MOST_COUNTERS * NAME + 64;

/// The socket that requests go over, and the room for an answer.
pub(super) struct Driver {
    socket: OwnedFd,
    /// In words, as the kernel's structures are aligned.
    answer: Vec<u64>,
}

/// The link, as `struct ethtool_cmd` has it.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    /// Bits of `enum ethtool_link_mode_bit_indices`, the first 32.
    pub(super) supported: u32,
    pub(super) advertised: u32,
    pub(super) autonegotiates: u8,
}

/// The driver, as `struct ethtool_drvinfo` has it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) driver: String,
    pub(super) version: String,
    pub(super) firmware: String,
    pub(super) bus: String,
    pub(super) rom: String,
    /// How many counters it has.
    counters: u32,
}

impl Driver {
    pub(super) fn new() -> Result<Self, Errno> {
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self { socket, answer: vec![0; ROOM / 8] })
    }

    pub(super) fn link(&mut self, device: &str) -> Result<Link, Errno> {
        let answer = self.ask(device, &[GET_SETTINGS], 44)?;
        let number = |at| u32_at(&answer, at).unwrap_or_default();
        Ok(Link {
            supported: number(4),
            advertised: number(8),
            autonegotiates: answer.get(18).copied().unwrap_or_default(),
        })
    }

    pub(super) fn about(&mut self, device: &str) -> Result<About, Errno> {
        let answer = self.ask(device, &[GET_DRIVER], 196)?;
        let part = |at: usize| answer.get(at..at + NAME).map(text).unwrap_or_default();
        Ok(About {
            driver: part(4),
            version: part(36),
            firmware: part(68),
            bus: part(100),
            rom: part(132),
            counters: u32_at(&answer, 180).unwrap_or_default(),
        })
    }

    /// The counters that the driver names; none where they are too many, or where their number changed in between.
    pub(super) fn counters(
        &mut self,
        device: &str,
        about: &About,
    ) -> Result<Option<Vec<(String, u64)>>, Errno> {
        let count = about.counters as usize;
        if count == 0 {
            return Ok(Some(Vec::new()));
        }
        if count > MOST_COUNTERS {
            return Ok(None);
        }
        let request = [GET_STRINGS, NAMES_OF_STATISTICS, about.counters];
        let names = self.ask(device, &request, 12 + count * NAME)?;
        let numbers = self.ask(device, &[GET_STATISTICS, about.counters], 8 + count * 8)?;
        if u32_at(&names, 8) != Some(about.counters) || u32_at(&numbers, 4) != Some(about.counters) {
            return Ok(Some(Vec::new()));
        }
        let names = names[12..].chunks_exact(NAME).map(text);
        let numbers = (0..count).filter_map(|place| u64_at(&numbers, 8 + place * 8));
        Ok(Some(names.zip(numbers).collect()))
    }

    /// The first `length` bytes of the answer to a request that begins with these words.
    fn ask(&mut self, device: &str, request: &[u32], length: usize) -> Result<Vec<u8>, Errno> {
        self.answer[..length.div_ceil(8)].fill(0);
        for (word, pair) in self.answer.iter_mut().zip(request.chunks(2)) {
            let (first, second) =
                (pair[0].to_ne_bytes(), pair.get(1).copied().unwrap_or_default().to_ne_bytes());
            *word = u64::from_ne_bytes([
                first[0], first[1], first[2], first[3], second[0], second[1], second[2], second[3],
            ]);
        }
        let mut name = [0; 16];
        // The last byte stays zero.
        let shorter = device.as_bytes().get(..device.len().min(16)).filter(|name| name.len() < 16);
        let Some(shorter) = shorter else { return Err(Errno::NODEV) };
        name[..shorter.len()].copy_from_slice(shorter);
        let mut request = Request { name, answer: self.answer.as_mut_ptr(), padding: [0; 2] };
        update(&self.socket, &mut request)?;
        let words = self.answer.iter().take(length.div_ceil(8));
        Ok(words.flat_map(|word| word.to_ne_bytes()).take(length).collect())
    }
}

/// `struct ifreq` of `include/uapi/linux/if.h`.
#[repr(C)]
struct Request {
    name: [u8; 16],
    answer: *mut u64,
    padding: [u64; 2],
}

#[expect(unsafe_code, reason = "ioctl(2) takes any memory; no library offers this request without it")]
fn update(socket: &OwnedFd, request: &mut Request) -> Result<(), Errno> {
    // SAFETY: the request is an ifreq whose pointer is to ROOM bytes that nothing else uses meanwhile; the driver writes a fixed
    // structure, or names and numbers of its counters, for twice as many of which there is room.
    unsafe { ioctl(socket, Updater::<'_, SIOCETHTOOL, Request>::new(request)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Request>(), 40);
    }

    #[test]
    fn a_device_answers_or_says_why_not() {
        let mut driver = Driver::new().unwrap();
        for name in ["", "no-such-device", "a-name-of-many-signs", "a-name-16-signs-"] {
            assert_eq!(driver.about(name), Err(Errno::NODEV), "{name}");
        }
        // Loopback has a link and no driver of its own counters.
        let about = driver.about("lo").unwrap_or_default();
        assert_eq!(driver.counters("lo", &about), Ok(Some(Vec::new())));
        let many = About { counters: 16 * 1024 + 1, ..About::default() };
        assert_eq!(driver.counters("lo", &many), Ok(None));
    }
}

//! Asking the kernel for all devices' counters, or for all addresses, with one request (see `rtnetlink(7)`).
//!
//! Owns the request, the answer's layout and the socket. The devices of the process's own network namespace are told,
//! as everywhere in `/proc/net`.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netdevice::index_to_name;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::address::Address;
use super::{Counters, Device, NETLINK};
use crate::collector::Fault;

/// From `include/uapi/linux/{netlink,rtnetlink,if_link}.h`.
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const HEADER: usize = 16;
/// `struct ifinfomsg`, which stands before a link's attributes.
const LINK_HEADER: usize = 16;
/// `struct ifaddrmsg`, which stands before an address's attributes.
const ADDRESS_HEADER: usize = 8;
/// The length field of a request: its header and an empty `struct ifinfomsg`.
const REQUEST_LENGTH: u32 = 32;

/// The kernel fills at most this much of a datagram in a dump.
const DATAGRAM: usize = 32 * 1024;

/// A socket that is opened at the first question and kept.
#[derive(Default)]
pub(super) struct Socket {
    open: Option<OwnedFd>,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Socket {
    /// Every device of this network namespace.
    pub(super) fn devices(&mut self) -> Result<Vec<Device>, Fault> {
        let mut devices = Vec::new();
        self.ask(RTM_GETLINK, RTM_NEWLINK, |_, message| {
            devices.extend(message.get(LINK_HEADER..).and_then(device));
        })?;
        Ok(devices)
    }

    /// Every address of every device, with the device's name.
    pub(super) fn addresses(&mut self) -> Result<Vec<(String, Address)>, Fault> {
        let mut addresses = Vec::new();
        self.ask(RTM_GETADDR, RTM_NEWADDR, |socket, message| {
            let Some((index, address)) = address(message) else { return };
            // A device that went away in between has no addresses any more.
            addresses.extend(index_to_name(socket, index).map(|device| (device, address)));
        })?;
        Ok(addresses)
    }

    /// Gives each message of the kind `told` to `take`, without its header.
    fn ask(&mut self, question: u16, told: u16, mut take: impl FnMut(&OwnedFd, &[u8])) -> Result<(), Fault> {
        let answered = self.exchange(question, told, &mut take);
        if answered.is_err() {
            // The rest of an answer may still be under way on this socket; the next question gets a new one.
            self.open = None;
        }
        answered.map_err(|error| Fault::new(format!("netlink: {error}")))
    }

    fn exchange(
        &mut self,
        question: u16,
        told: u16,
        take: &mut impl FnMut(&OwnedFd, &[u8]),
    ) -> io::Result<()> {
        let socket = match self.open.take() {
            Some(socket) => socket,
            None => open()?,
        };
        self.sequence = self.sequence.wrapping_add(1);
        send(&socket, &request(question, self.sequence), SendFlags::empty())?;
        self.datagram.resize(DATAGRAM, 0);
        loop {
            let (length, whole) = recv(&socket, self.datagram.as_mut_slice(), RecvFlags::TRUNC)?;
            if whole > length || length == 0 {
                return Err(io::Error::other("the answer is longer than a datagram of a dump may be"));
            }
            let datagram = &self.datagram[..length];
            if read_datagram(datagram, self.sequence, told, |message| take(&socket, message))?
                == Progress::Done
            {
                self.open = Some(socket);
                return Ok(());
            }
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    // A lost answer must not hold the lane for ever.
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(5)))?;
    Ok(socket)
}

/// "Tell me about all links" or addresses: a header and an empty `struct ifinfomsg`, which does for both.
fn request(question: u16, sequence: u32) -> [u8; HEADER + LINK_HEADER] {
    let mut request = [0; HEADER + LINK_HEADER];
    request[0..4].copy_from_slice(&REQUEST_LENGTH.to_ne_bytes());
    request[4..6].copy_from_slice(&question.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[8..12].copy_from_slice(&sequence.to_ne_bytes());
    request
}

#[derive(PartialEq, Eq, Debug)]
enum Progress {
    More,
    Done,
}

/// Reads the messages of one datagram; answers to an older question are passed over.
fn read_datagram(
    mut bytes: &[u8],
    sequence: u32,
    told: u16,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Progress> {
    let garbled = || io::Error::new(io::ErrorKind::InvalidData, "the answer is garbled");
    while !bytes.is_empty() {
        let length = u32_at(bytes, 0).ok_or_else(garbled)? as usize;
        let message = bytes.get(..length).filter(|_| length >= HEADER).ok_or_else(garbled)?;
        let (kind, answers) =
            (u16_at(message, 4).ok_or_else(garbled)?, u32_at(message, 8).ok_or_else(garbled)?);
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        if answers != sequence {
            continue;
        }
        match kind {
            NLMSG_DONE => return Ok(Progress::Done),
            NLMSG_ERROR => {
                let negated = u32_at(message, HEADER).ok_or_else(garbled)?.cast_signed();
                return Err(io::Error::from_raw_os_error(negated.wrapping_neg()));
            }
            kind if kind == told => take(&message[HEADER..]),
            _ => {}
        }
    }
    Ok(Progress::More)
}

/// `None` for a link without a name or counters.
fn device(attributes: &[u8]) -> Option<Device> {
    let name = text(attribute(attributes, IFLA_IFNAME)?);
    let alias = attribute(attributes, IFLA_IFALIAS).map_or(String::new(), text);
    let stats = attribute(attributes, IFLA_STATS64)?;
    let mut words = [0; NETLINK.len()];
    let mut filled = 0;
    for (word, bytes) in words.iter_mut().zip(stats.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
        filled += 1;
    }
    Some(Device { name, alias, counters: Counters::Netlink { words, filled } })
}

/// The number of the device and its address; `None` for something that is neither IPv4 nor IPv6.
fn address(message: &[u8]) -> Option<(u32, Address)> {
    let prefix = *message.get(1)?;
    let index = u32_at(message, 4)?;
    let attributes = message.get(ADDRESS_HEADER..)?;
    // On a link with two ends the other kind is the far end's.
    let bytes = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    let ip = match *bytes {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some((index, Address { ip, prefix }))
}

/// The payload of the first attribute of this kind.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)?;
        let payload = bytes.get(4..length)?;
        if kind == wanted {
            return Some(payload);
        }
        bytes = bytes.get(aligned(length)..)?;
    }
}

/// Messages and attributes begin at multiples of four bytes.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_machine_has_a_loopback_device() {
        let mut socket = Socket::default();
        for _ in 0..2 {
            let devices = socket.devices().unwrap();
            let loopback = devices.iter().find(|device| device.name == "lo").unwrap();
            assert!(loopback.counters.sum(&["receive_nohandler"]).is_some());
            assert_eq!(loopback.counters.sum(&["receive_bytes"]), loopback.counters.sum(&["transmit_bytes"]));
        }
    }

    #[test]
    fn the_loopback_device_has_its_address() {
        let addresses = Socket::default().addresses().unwrap();
        let expected = Address { ip: IpAddr::from([127, 0, 0, 1]), prefix: 8 };
        assert!(addresses.contains(&("lo".to_owned(), expected)), "{addresses:?}");
    }

    #[test]
    fn of_a_link_with_two_ends_the_near_one_is_told() {
        let far = [8, 0, 1, 0, 10, 0, 0, 2];
        let near = [8, 0, 2, 0, 10, 0, 0, 1];
        let told = |attributes: &[&[u8]]| {
            let index = 7_u32.to_ne_bytes();
            address(&[&[2, 32, 0, 0][..], &index, &attributes.concat()].concat())
        };
        let expected = |last| Some((7, Address { ip: IpAddr::from([10, 0, 0, last]), prefix: 32 }));
        assert_eq!(told(&[&far, &near]), expected(1));
        assert_eq!(told(&[&far]), expected(2));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn an_error_is_told_by_name() {
        let mut message = request(RTM_GETLINK, 7).to_vec();
        message[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        message[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        let read = |sequence| read_datagram(&message, sequence, RTM_NEWLINK, |_| ());
        assert_eq!(read(7).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(read(8).unwrap(), Progress::More);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_datagram(&bytes, 0, RTM_NEWLINK, |_| ());
            let _ = device(&bytes);
            let _ = address(&bytes);
        }
    }
}

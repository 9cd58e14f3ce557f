//! Asking the kernel about its network devices with one request (see `netlink(7)` and `rtnetlink(7)`).
//!
//! Owns the socket, the request and the layout of an answer. The kernel answers for the process's own network
//! namespace, as everywhere in `/proc/net`. Leaves out what is asked and what the attributes mean. By hand: the crates for
//! rtnetlink decode every attribute of every device into values of their own, hundreds of allocations at each scrape,
//! to give us two or three.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::utf8::escaped;
use crate::collector::Fault;

#[cfg(test)]
pub(crate) mod kernel;

/// From `include/uapi/linux/netlink.h`.
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`
const HEADER: usize = 16;
/// An empty `struct ifinfomsg`, which does for links and for addresses.
const ANY_DEVICE: [u8; 16] = [0; 16];

/// A request for all there is of one kind, by the numbers of `include/uapi/linux/rtnetlink.h`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    /// The kind of the request.
    pub(crate) request: u16,
    /// The kind of the messages that answer it.
    pub(crate) answer: u16,
}

/// The kernel fills at most this much of a datagram in a dump.
const DATAGRAM: usize = 32 * 1024;

/// The kernel's answers on a machine with ten thousand devices are some 15 MB.
const MOST_OF_AN_ANSWER: usize = 64 * 1024 * 1024;

/// A socket that is opened at the first query and kept.
#[derive(Default)]
pub(crate) struct Socket {
    /// `None` for the one of network devices and routes.
    protocol: Option<Protocol>,
    open: Option<OwnedFd>,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Socket {
    /// A socket of another protocol than that of network devices and routes.
    pub(crate) fn of(protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..Self::default() }
    }

    /// Gives each message that answers the query to `take`, without its header.
    pub(crate) fn dump(&mut self, query: Query, take: impl FnMut(&[u8])) -> Result<(), Fault> {
        self.dump_of(query, &ANY_DEVICE, take)
    }

    /// The same, of what `header` says: the structure that follows the message's header in a request of this kind. The
    /// kernel warns in its log about bytes after it.
    pub(crate) fn dump_of(
        &mut self,
        query: Query,
        header: &[u8],
        take: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        self.ask(query, header, take).map_err(|error| fault(&error))
    }

    /// The same, for one who knows what a refusal means.
    pub(crate) fn ask(&mut self, query: Query, header: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        // Where no answer came to its end, the rest may still be under way on this socket; the next query gets a new one.
        let socket = match self.open.take() {
            Some(socket) => socket,
            None => open(self.protocol)?,
        };
        self.sequence = self.sequence.wrapping_add(1);
        send(&socket, &request(query.request, self.sequence, header), SendFlags::empty())?;
        self.datagram.resize(DATAGRAM, 0);
        let answer = (self.sequence, query.answer);
        let refusal = receive(&socket, &mut self.datagram, MOST_OF_AN_ANSWER, answer, &mut take)?;
        self.open = Some(socket);
        refusal.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

/// The fault of a collector whose question had no answer.
pub(crate) fn fault(error: &io::Error) -> Fault {
    Fault::new(format!("netlink: {error}"))
}

/// Gives the messages of an answer of at most `most` bytes to `take`; the answer is known by its sequence number and kind. Returns what the
/// kernel refused the rest with, if it did.
fn receive(
    socket: &OwnedFd,
    datagram: &mut [u8],
    most: usize,
    (sequence, answer): (u32, u16),
    mut take: impl FnMut(&[u8]),
) -> io::Result<Option<Errno>> {
    let mut received = 0;
    loop {
        let (length, whole) = recv(socket, &mut *datagram, RecvFlags::TRUNC)?;
        if whole > length || length == 0 {
            return Err(io::Error::other("the answer is longer than a datagram of a dump may be"));
        }
        received += length;
        if received > most {
            return Err(io::Error::other(format!("the answer is longer than {most} bytes")));
        }
        match read_datagram(&datagram[..length], sequence, answer, &mut take)? {
            Progress::More => {}
            Progress::Done => return Ok(None),
            Progress::Refused(errno) => return Ok(Some(errno)),
        }
    }
}

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    // A lost answer must not hold the thread for ever.
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(5)))?;
    Ok(socket)
}

/// A message's header, and the one of its kind after it.
fn request(kind: u16, sequence: u32, header: &[u8]) -> Vec<u8> {
    // The longest header is a few dozen bytes.
    let length = u32::try_from(HEADER + header.len()).unwrap_or(u32::MAX);
    let mut request = Vec::with_capacity(HEADER + header.len());
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    // The kernel fills in who asks.
    request.extend([0; 4]);
    request.extend(header);
    request
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Progress {
    More,
    Done,
    /// Nothing more comes, for this reason.
    Refused(Errno),
}

/// Reads the messages of one datagram; answers to an older query are passed over.
pub(super) fn read_datagram(
    mut bytes: &[u8],
    sequence: u32,
    answer: u16,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Progress> {
    let garbled = || io::Error::new(io::ErrorKind::InvalidData, "the answer is garbled");
    while !bytes.is_empty() {
        let length = u32_at(bytes, 0).ok_or_else(garbled)? as usize;
        let message = bytes.get(..length).filter(|_| length >= HEADER).ok_or_else(garbled)?;
        let (kind, number) =
            (u16_at(message, 4).ok_or_else(garbled)?, u32_at(message, 8).ok_or_else(garbled)?);
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        if number != sequence {
            continue;
        }
        match kind {
            // A dump that was begun says at its end why it is not complete (`netlink_dump_done` in the kernel).
            NLMSG_DONE => return Ok(refused(message).map_or(Progress::Done, Progress::Refused)),
            NLMSG_ERROR => return refused(message).map(Progress::Refused).ok_or_else(garbled),
            kind if kind == answer => take(&message[HEADER..]),
            _ => {}
        }
    }
    Ok(Progress::More)
}

/// The error whose negated number a message has, where it has one.
fn refused(message: &[u8]) -> Option<Errno> {
    let number = u32_at(message, HEADER)?.cast_signed().wrapping_neg();
    // The kernel's `MAX_ERRNO`.
    (1..=4095).contains(&number).then(|| Errno::from_raw_os_error(number))
}

/// The number at this place, in the machine's byte order; `None` past the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

/// An attribute's kind, without the flags beside it (`NLA_F_NESTED`).
const KIND: u16 = 0x3fff;

/// Each attribute's kind and payload, up to one that is garbled.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & KIND;
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// The payload of the first attribute of this kind.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, payload)| payload)
}

/// Messages and attributes begin at multiples of four bytes.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A text that ends at its first zero, with each byte that is not UTF-8 as `\xff`.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    escaped(&bytes[..end]).into_owned()
}

/// The number at this place, in the machine's byte order; `None` past the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The number at this place, in the machine's byte order; `None` past the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// One attribute, as requests and answers have it.
pub(crate) fn attribute_of(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 4).expect("an attribute is short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;

    /// At the beginning of an answer, and at its end.
    #[test]
    fn a_refusal_is_told_by_name() {
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let mut message = request(kind, 7, &(-1_i32).to_ne_bytes());
            let read = |message: &[u8], sequence| read_datagram(message, sequence, 16, |_| ());
            assert_eq!(read(&message, 7).unwrap(), Progress::Refused(Errno::PERM));
            assert_eq!(read(&message, 8).unwrap(), Progress::More);
            message[HEADER..].fill(0);
            let ended = read(&message, 7).ok();
            assert_eq!(ended, (kind == NLMSG_DONE).then_some(Progress::Done));
        }
        let bare = request(NLMSG_DONE, 7, &[]);
        assert_eq!(read_datagram(&bare, 7, 16, |_| ()).unwrap(), Progress::Done);
    }

    #[test]
    fn a_socket_stays_when_a_question_is_refused() {
        let mut asked = 0;
        let mut socket = kernel::answering(move |_, _| {
            asked += 1;
            if asked == 1 { Err(Errno::NODEV) } else { Ok(vec![b"told".to_vec()]) }
        });
        let query = Query { request: 18, answer: 18 };
        let error = socket.ask(query, &ANY_DEVICE, |_| ()).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NODEV));
        let mut told = Vec::new();
        socket.ask(query, &ANY_DEVICE, |message| told.extend_from_slice(message)).unwrap();
        assert_eq!(told, b"told");
    }

    #[test]
    fn an_answer_without_an_end_is_told() {
        let kinds = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let (kernel, ours) = rustix::net::socketpair(kinds.0, kinds.1, kinds.2, None).unwrap();
        let mut taken = 0;
        for _ in 0..4 {
            send(&kernel, &request(16, 7, &ANY_DEVICE), SendFlags::empty()).unwrap();
        }
        let error = receive(&ours, &mut [0; 64], 100, (7, 16), |_| taken += 1).unwrap_err();
        assert_eq!((error.to_string().as_str(), taken), ("the answer is longer than 100 bytes", 3));
    }

    #[test]
    fn no_answer_panics() {
        let (told, end) = (request(16, 7, &attribute_of(1, b"eth0\0")), request(NLMSG_DONE, 7, &[0; 4]));
        garbled::messages(&[&[&*told, &end].concat()], |bytes| {
            _ = read_datagram(bytes, 7, 16, |message| _ = attribute(message, 1));
            _ = attribute(bytes, 1);
        });
    }
}

//! The other end of a socket, for tests: it answers as the test says.

use std::thread;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::{HEADER, NLMSG_DONE, Socket, request, u16_at, u32_at};

/// A socket whose questions are answered with these messages, and then the end or a refusal: `answer` is given the kind of the question, and
/// what follows its header.
pub(crate) fn answering(
    mut answer: impl FnMut(u16, &[u8]) -> Result<Vec<Vec<u8>>, Errno> + Send + 'static,
) -> Socket {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    thread::spawn(move || {
        let mut question = [0; 4096];
        while let Ok((length @ HEADER.., _)) = recv(&theirs, &mut question, RecvFlags::empty()) {
            let (kind, sequence) = (u16_at(&question, 4).unwrap(), u32_at(&question, 8).unwrap());
            let answer = answer(kind, &question[HEADER..length]);
            let end = answer.as_ref().map_or_else(|errno| -errno.raw_os_error(), |_| 0);
            let messages = answer.unwrap_or_default();
            let messages = messages.iter().map(|message| request(kind, sequence, message));
            let end = request(NLMSG_DONE, sequence, &end.to_ne_bytes());
            for datagram in messages.chain([end]) {
                // Who asked may have seen enough and be gone.
                let _ = send(&theirs, &datagram, SendFlags::empty());
            }
        }
    });
    Socket { open: Some(ours), ..Socket::default() }
}

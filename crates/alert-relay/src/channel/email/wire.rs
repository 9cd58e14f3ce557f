//! The stream to a mail server: what comes from it is bounded, and comes when it was asked for.
//!
//! lettre reads a line until it ends and a reply until its last line, however long that takes. A server that never ends a line would
//! fill the memory. Here a line and a conversation have a length beyond which the connection fails. lettre waits on where a line ends in a
//! bare line feed, and panics where EHLO is answered by nothing but blanks. Here both end the conversation.
//!
//! lettre also keeps what comes behind a reply, and takes it for the answer to its next command: after two answers to one command the answer to
//! RCPT is read as the one to the mail itself, and a mail that nobody took counts as delivered. Here nothing more is asked of such a server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of one line of a reply, its end included. RFC 5321, 4.5.3.1.5, allows 512, and servers are known to use more.
pub(super) const LINE_LIMIT: usize = 4 * 1024;

/// Bytes of all replies of one conversation; a usual one has less than two thousand.
pub(super) const CONVERSATION_LIMIT: usize = 64 * 1024;

/// Lines of them. lettre reads a reply anew with each of its lines.
pub(super) const LINES_LIMIT: usize = 512;

/// What a server says breaks a rule that the conversation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// A line does not end.
    #[error("a line of the server's reply has more than {LINE_LIMIT} bytes")]
    Line,
    /// It ends in a bare line feed (RFC 5321, 2.3.8).
    #[error("a line of the server's reply does not end in CR LF")]
    End,
    /// Its text has blanks only.
    #[error("a line of the server's reply has only blanks behind its code")]
    Blank,
    /// The replies have no end.
    #[error("the server's replies have more than {CONVERSATION_LIMIT} bytes or {LINES_LIMIT} lines")]
    Conversation,
    /// It answers what was not asked, so that its next answer would be taken for another one.
    #[error("{0} bytes came behind the end of the server's reply, which no command has asked for")]
    Unasked(usize),
}

impl WireError {
    /// Whether this is why reading failed.
    pub(super) fn is_cause_of(error: &(dyn std::error::Error + 'static)) -> bool {
        let is_own =
            |error: &io::Error| error.get_ref().is_some_and(|cause| cause.downcast_ref::<Self>().is_some());
        std::iter::successors(Some(error), |error| error.source())
            .any(|error| error.downcast_ref::<io::Error>().is_some_and(is_own))
    }
}

/// One connection.
pub(super) struct Wire<S> {
    stream: S,
    peer: SocketAddr,
    /// What is read before anything that comes from the stream.
    replayed: Vec<u8>,
    /// The present line.
    line: Vec<u8>,
    /// Another line of the same reply follows: its code is followed by `-` (RFC 5321, 4.2.1).
    is_continued: bool,
    /// The reply to what was last written has been read to its end.
    is_answered: bool,
    /// Bytes read behind that end.
    unasked: usize,
    said: Said,
}

/// How much a server has said in a conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    bytes: usize,
    lines: usize,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        let (line, said) = (Vec::new(), Said::default());
        // The server speaks first.
        let (is_continued, is_answered, unasked) = (false, false, 0);
        Self { stream, peer, replayed: Vec::new(), line, is_continued, is_answered, unasked, said }
    }

    /// Whether the reply to what was last written has been read to its end, and how many bytes behind it.
    pub(super) fn answered(&self) -> Option<usize> {
        self.is_answered.then_some(self.unasked)
    }

    /// The stream, to speak TLS over it, and how much the server has said so far.
    pub(super) fn into_stream(self) -> (S, Said) {
        (self.stream, self.said)
    }

    /// The same conversation over TLS, of which the server has `said` so much. `greeting` is read first: after STARTTLS a server does
    /// not greet again, and lettre begins with reading a greeting.
    pub(super) fn after_starttls(stream: S, peer: SocketAddr, said: Said, greeting: Vec<u8>) -> Self {
        Self { replayed: greeting, is_answered: true, said, ..Self::new(stream, peer) }
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        for byte in bytes {
            self.unasked += usize::from(self.is_answered);
            if *byte == b'\n' {
                // What comes behind an answer cannot take it back.
                if !self.is_answered {
                    check_end(&self.line)?;
                }
                self.is_answered |= !self.is_continued;
                self.is_continued = false;
                self.line.clear();
                self.said.lines += 1;
            } else {
                self.is_continued |= self.line.len() == 3 && *byte == b'-';
                self.line.push(*byte);
            }
            if self.line.len() >= LINE_LIMIT {
                return Err(WireError::Line);
            }
        }
        self.said.bytes = self.said.bytes.saturating_add(bytes.len());
        let is_too_much = self.said.bytes > CONVERSATION_LIMIT || self.said.lines > LINES_LIMIT;
        if is_too_much { Err(WireError::Conversation) } else { Ok(()) }
    }
}

/// Refuses what lettre cannot read, of a line without its line feed.
fn check_end(line: &[u8]) -> Result<(), WireError> {
    let line = line.strip_suffix(b"\r").ok_or(WireError::End)?;
    // Behind the three digits and a hyphen or blank.
    let text = line.get(4..).unwrap_or_default();
    let is_blank = !text.is_empty() && String::from_utf8_lossy(text).trim().is_empty();
    if is_blank { Err(WireError::Blank) } else { Ok(()) }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.replayed.is_empty() {
            let count = wire.replayed.len().min(buffer.remaining());
            buffer.put_slice(&wire.replayed[..count]);
            wire.replayed.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(context, buffer))?;
        Poll::Ready(wire.count(&buffer.filled()[before..]).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        // Not when it is read: what comes behind the last answer changes nothing about that.
        if wire.unasked > 0 {
            return Poll::Ready(Err(io::Error::other(WireError::Unasked(wire.unasked))));
        }
        wire.is_answered = false;
        Pin::new(&mut wire.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Wire<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wire").field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_the_line_whose_code_is_not_followed_by_a_hyphen() {
        let check = |bytes: &str, expected| {
            let peer = SocketAddr::from(([127, 0, 0, 1], 25));
            for size in [1, 3, 100] {
                let mut wire = Wire::new(tokio::io::empty(), peer);
                bytes.as_bytes().chunks(size).for_each(|piece| wire.count(piece).unwrap());
                assert_eq!(wire.answered(), expected, "{bytes:?} in pieces of {size}");
            }
        };
        check("", None);
        check("220 mail.exam", None);
        check("220 mail.example\r\n", Some(0));
        check("220\r\n", Some(0));
        check("250-mail.example\r\n250 STARTTLS\r\n", Some(0));
        check("250-mail.example\r\n250-STARTTLS\r\n", None);
        check("220 go-on\r\n250 forged\r\n", Some(12));
        check("250 \r\n", Some(0));
        check("\r\n", Some(0));
        check("250 OK\r\nwhatever\n   \r\n", Some(14));
    }

    #[test]
    fn a_line_that_cannot_be_read_ends_the_conversation() {
        let check = |bytes: &str, expected| {
            let mut wire = Wire::new(tokio::io::empty(), SocketAddr::from(([127, 0, 0, 1], 25)));
            assert_eq!(wire.count(bytes.as_bytes()), Err(expected), "{bytes:?}");
        };
        check("220 mail.example\n", WireError::End);
        check("\n", WireError::End);
        check("250-mail.example\r\n250 \r\r\n", WireError::Blank);
        check("250-mail.example\r\n250-  \r\n250 STARTTLS\r\n", WireError::Blank);
        check("250 \u{a0}\u{2003}\r\n", WireError::Blank);
        check("250 \n\r\n", WireError::End);
    }
}

//! The stream to a mail server, with a bound on what comes from it.
//!
//! lettre reads a line until it ends and a reply until its last line, however long that takes. A server that never ends a line would
//! fill the memory. Here a line and a conversation have a length beyond which the connection fails.

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

/// A server said more than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    /// A line does not end.
    #[error("a line of the server's reply has more than {LINE_LIMIT} bytes")]
    Line,
    /// The replies have no end.
    #[error("the server's replies have more than {CONVERSATION_LIMIT} bytes or {LINES_LIMIT} lines")]
    Conversation,
}

impl TooMuch {
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
    /// Bytes of the present line.
    line: usize,
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
        Self { stream, peer, replayed: Vec::new(), line: 0, said: Said::default() }
    }

    /// The stream, to speak TLS over it, and how much the server has said so far.
    pub(super) fn into_stream(self) -> (S, Said) {
        (self.stream, self.said)
    }

    /// The same conversation over TLS, of which the server has `said` so much. `greeting` is read first: after STARTTLS a server does
    /// not greet again, and lettre begins with reading a greeting.
    pub(super) fn after_starttls(stream: S, peer: SocketAddr, said: Said, greeting: Vec<u8>) -> Self {
        Self { stream, peer, replayed: greeting, line: 0, said }
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        for byte in bytes {
            if *byte == b'\n' {
                self.line = 0;
                self.said.lines += 1;
            } else {
                self.line += 1;
            }
            if self.line >= LINE_LIMIT {
                return Err(TooMuch::Line);
            }
        }
        self.said.bytes = self.said.bytes.saturating_add(bytes.len());
        let is_too_much = self.said.bytes > CONVERSATION_LIMIT || self.said.lines > LINES_LIMIT;
        if is_too_much { Err(TooMuch::Conversation) } else { Ok(()) }
    }
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
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
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

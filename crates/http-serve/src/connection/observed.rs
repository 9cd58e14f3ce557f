//! The stream of a connection, which tells its [`Activity`] what passes, and answers for hyper what hyper does not (`unreadable`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{activity::Activity, unreadable};

/// A stream that notes in [`Activity`] what passes.
#[derive(Debug)]
pub(crate) struct Observed<T> {
    stream: T,
    activity: Activity,
    /// Nothing was read yet, and HTTP/1 is expected.
    may_be_http2: bool,
    /// What is written in place of an answer of hyper's.
    instead: Option<Bytes>,
}

impl<T> Observed<T> {
    pub(crate) fn new(stream: T, activity: Activity, is_http1: bool) -> Self {
        Self { stream, activity, may_be_http2: is_http1, instead: None }
    }

    fn writing<R>(&self, polled: Poll<R>) -> Poll<R> {
        if polled.is_pending() {
            self.activity.peer_takes_nothing();
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Observed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_arrived();
            if std::mem::take(&mut self.may_be_http2)
                && buffer.filled()[before..].starts_with(unreadable::PREFACE)
            {
                // The socket takes this at once, since it is the first we write. Then the connection ends as if the peer had closed it.
                let _ = Pin::new(&mut self.stream).poll_write(context, unreadable::GOAWAY);
                buffer.set_filled(before);
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = unreadable::in_words(bytes).map(Bytes::from);
        }
        let this = &mut *self;
        while let Some(words) = &mut this.instead {
            match Pin::new(&mut this.stream).poll_write(context, words) {
                Poll::Ready(Ok(written)) => words.advance(written.min(words.len())),
                other => return self.writing(other),
            }
            if words.is_empty() {
                this.instead = None;
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.writing(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.writing(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once everything it has is written, so a flush that ends means that the peer took it all.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            self.activity.all_taken();
        }
        self.writing(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.writing(polled)
    }
}

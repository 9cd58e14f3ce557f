//! A response's body on its way out: its request is in flight until the peer has taken what it must.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::InFlight;

impl InFlight {
    /// Keeps the request in flight until its response's body was handed over or dropped.
    pub(crate) fn until_sent<B>(self, body: B) -> Sending<B> {
        Sending { body, rest: Bytes::new(), piece: usize::MAX, _in_flight: self }
    }

    /// The same for HTTP/2, where a response waits for its own stream's window: in pieces, so that no more than one of them is held beyond
    /// what the peer takes. The last byte is a piece: that it is handed over shows that all before it has been taken.
    pub(crate) fn until_sent_in_pieces<B>(self, body: B) -> Sending<B> {
        Sending { piece: PIECE, ..self.until_sent(body) }
    }
}

/// A response's body whose request is in flight as long as it exists.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    body: B,
    /// What the body gave and is not handed over yet.
    rest: Bytes,
    /// Most bytes handed over at a time.
    piece: usize,
    _in_flight: InFlight,
}

/// The largest frame every HTTP/2 peer takes (RFC 9113, section 4.2).
const PIECE: usize = 16 * 1024;

/// The next of the bytes, at most `most`, and the last of them alone unless `most` is no bound.
fn next_piece(rest: &mut Bytes, most: usize) -> Bytes {
    if most == usize::MAX || rest.len() <= 1 {
        return std::mem::take(rest);
    }
    rest.split_to(most.min(rest.len() - 1))
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.piece;
        Poll::Ready(Some(Ok(Frame::data(next_piece(&mut self.rest, piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_and_the_last_byte_goes_alone() {
        let pieces = |length: usize, most: usize| {
            let mut rest = Bytes::from(vec![b'x'; length]);
            let mut lengths = vec![next_piece(&mut rest, most).len()];
            while !rest.is_empty() {
                lengths.push(next_piece(&mut rest, most).len());
            }
            lengths
        };
        assert_eq!(pieces(0, 10), [0]);
        assert_eq!(pieces(1, 10), [1]);
        assert_eq!(pieces(2, 10), [1, 1]);
        assert_eq!(pieces(11, 10), [10, 1]);
        assert_eq!(pieces(25, 10), [10, 10, 4, 1]);
        assert_eq!(pieces(25, usize::MAX), [25]);
    }
}

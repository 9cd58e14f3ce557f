//! A response's body on its way out: its request is in flight until the peer has taken what it must.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::activity::InFlight;
use super::gathered::Gathered;

impl InFlight {
    /// Keeps the request in flight until its response's body was handed over or dropped.
    pub(crate) fn until_sent<B: Body>(self, body: B) -> Sending<B> {
        Sending {
            body,
            rest: Bytes::new(),
            next: None,
            has_ended: false,
            piece: usize::MAX,
            _in_flight: self,
        }
    }

    /// The same for HTTP/2, where a response waits for its own stream's window: in pieces, so that no more than one of them is held beyond
    /// what the peer takes. The last byte is a piece: that it is handed over shows that all before it has been taken.
    pub(crate) fn until_sent_in_pieces<B: Body>(self, body: B) -> Sending<B> {
        Sending { piece: PIECE, ..self.until_sent(body) }
    }
}

/// A response's body whose request is in flight as long as it exists.
#[derive(Debug)]
pub(crate) struct Sending<B: Body> {
    body: B,
    /// What the body gave and is not handed over yet.
    rest: Bytes,
    /// What came behind data that was handed over: an error or trailers.
    next: Option<Result<Frame<Gathered>, B::Error>>,
    /// The body has said that nothing follows.
    has_ended: bool,
    /// Most bytes handed over at a time.
    piece: usize,
    _in_flight: InFlight,
}

/// The largest frame every HTTP/2 peer takes (RFC 9113, section 4.2).
const PIECE: usize = 16 * 1024;

/// Pieces that are written together where they are there at once; hyper gives the kernel 64 in one call, with the head.
const MOST_PIECES: usize = 60;

/// Bytes, from which on no more pieces are added to those that are written together.
const MANY_BYTES: usize = 512 * 1024;

/// The next of the bytes, at most `most`, and the last of them alone unless `most` is no bound.
fn next_piece(rest: &mut Bytes, most: usize) -> Bytes {
    if most == usize::MAX || rest.len() <= 1 {
        return std::mem::take(rest);
    }
    rest.split_to(most.min(rest.len() - 1))
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B>
where
    B::Error: Unpin,
{
    /// What the body has at once goes with `first`: to write each piece alone wakes the peer for each.
    fn gather(&mut self, first: Bytes, context: &mut Context<'_>) -> Gathered {
        let mut gathered = Gathered::from(first);
        while gathered.pieces() < MOST_PIECES && gathered.remaining() < MANY_BYTES {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    self.has_ended = true;
                    break;
                }
                Poll::Ready(Some(frame)) => match frame.map(Frame::into_data) {
                    Ok(Ok(piece)) => gathered.push(piece),
                    Ok(Err(other)) => {
                        self.next = Some(Ok(other.map_data(Gathered::from)));
                        break;
                    }
                    Err(error) => {
                        self.next = Some(Err(error));
                        break;
                    }
                },
            }
        }
        gathered
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sending<B>
where
    B::Error: Unpin,
{
    type Data = Gathered;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Gathered>, B::Error>>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(Some(next));
        }
        if self.rest.is_empty() {
            if self.has_ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other.map_data(Gathered::from)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let most = self.piece;
        let piece = next_piece(&mut self.rest, most);
        let data = if most == usize::MAX { self.gather(piece, context) } else { piece.into() };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.next.is_none() && (self.has_ended || self.body.is_end_stream())
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
    use std::sync::Arc;

    use crate::connection::activity::Activity;

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

    type Polled = Poll<Option<Result<Frame<Bytes>, &'static str>>>;

    /// Gives these frames, now and then none, from the last on.
    struct Given(Vec<Polled>);

    impl Body for Given {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            self.0.pop().expect("it is not asked again after its end")
        }
    }

    /// What is handed over for these frames of HTTP/1: the data of each frame, or another word.
    fn handed_over(mut given: Vec<Polled>) -> Vec<String> {
        given.reverse();
        let mut sending = Activity::start(false, Arc::default()).request_starts().until_sent(Given(given));
        let (mut context, mut words) = (Context::from_waker(std::task::Waker::noop()), Vec::new());
        loop {
            let polled = Pin::new(&mut sending).poll_frame(&mut context);
            let Poll::Ready(Some(frame)) = polled else {
                words.push(if polled.is_pending() { "waits" } else { "end" }.to_owned());
                if polled.is_ready() {
                    return words;
                }
                continue;
            };
            words.push(match frame.map(Frame::into_data) {
                Ok(Ok(mut data)) => {
                    let bytes = data.copy_to_bytes(data.remaining());
                    String::from_utf8(bytes.to_vec()).expect("as it was given")
                }
                Ok(Err(_)) => "trailers".to_owned(),
                Err(error) => error.to_owned(),
            });
        }
    }

    #[test]
    fn what_is_there_at_once_is_handed_over_at_once_and_nothing_is_lost_behind_it() {
        let data =
            |text: &'static str| Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))));
        let end = || Poll::Ready(None);
        assert_eq!(handed_over(vec![data("a"), data(""), data("b"), end()]), ["ab", "end"]);
        assert_eq!(
            handed_over(vec![data("a"), Poll::Pending, data("b"), data("c"), end()]),
            ["a", "bc", "end"]
        );
        assert_eq!(
            handed_over(vec![data("a"), Poll::Ready(Some(Err("broke"))), end()]),
            ["a", "broke", "end"]
        );
        let trailers = Poll::Ready(Some(Ok(Frame::trailers(http::HeaderMap::new()))));
        assert_eq!(handed_over(vec![data("a"), trailers, end()]), ["a", "trailers", "end"]);
        let many = std::iter::repeat_with(|| data("x")).take(MOST_PIECES + 1).chain([end()]);
        assert_eq!(handed_over(many.collect()), ["x".repeat(MOST_PIECES), "x".to_owned(), "end".to_owned()]);
    }
}

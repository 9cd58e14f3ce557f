//! The body of a response that is complete in memory.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that is complete in memory, in one piece or in several, which are sent from where they are: bodies may have pieces in common.
#[derive(Debug, Default)]
pub struct Whole(VecDeque<Bytes>);

impl From<Bytes> for Whole {
    fn from(piece: Bytes) -> Self {
        Self([piece].into())
    }
}

impl From<Vec<Bytes>> for Whole {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self(pieces.into())
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    /// Exact, so that the response has a Content-Length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn its_length_is_known_and_its_pieces_come_in_order() {
        let pieces = ["# TYPE a gauge\n", "", "a 1\n"].map(Bytes::from);
        for (body, text) in [
            (Whole::from(pieces.to_vec()), "# TYPE a gauge\na 1\n"),
            (Whole::from(pieces[2].clone()), "a 1\n"),
            (Whole::default(), ""),
        ] {
            assert_eq!(
                (body.size_hint().exact(), body.is_end_stream()),
                (Some(text.len() as u64), text.is_empty())
            );
            assert_eq!(body.collect().await.expect("it cannot fail").to_bytes(), text);
        }
    }
}

//! The body of a response that is complete in memory.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that is complete in memory, in one piece or in several, which are sent from where they are: bodies may have pieces in common.
#[derive(Debug, Default)]
pub struct Whole(VecDeque<Bytes>);

impl Whole {
    /// The same body, which holds on to `guard` until its last piece has been sent or given up: what limits how many bodies there are.
    #[must_use]
    pub fn guarded(mut self, guard: impl Send + 'static) -> Self {
        if let Some(piece) = self.0.pop_back() {
            self.0.push_back(Bytes::from_owner(Guarded { piece, _guard: Mutex::new(guard) }));
        }
        self
    }
}

/// A piece, and what is held while it is there.
struct Guarded<G> {
    piece: Bytes,
    /// In a mutex, since pieces are shared by threads and the guard need not be.
    _guard: Mutex<G>,
}

impl<G> AsRef<[u8]> for Guarded<G> {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

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
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_guards_a_body_is_let_go_of_once_its_last_piece_is() {
        let guard = Arc::new(());
        let mut body = Whole::from(["a", "b"].map(Bytes::from).to_vec()).guarded(Arc::clone(&guard));
        for (piece, held_after) in [("a", 2), ("b", 1)] {
            let frame = body.frame().await.expect("a piece").expect("it cannot fail");
            assert_eq!(frame.into_data().expect("data"), piece);
            assert_eq!(Arc::strong_count(&guard), held_after, "after {piece}");
        }
        let _ = Whole::default().guarded(Arc::clone(&guard));
        assert_eq!(Arc::strong_count(&guard), 1, "nothing is to be sent");
    }

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

//! A request's body: of bounded size, and read to its end.
//!
//! A service may answer without having read the whole body. If the connection closed while the peer is still sending, the
//! peer would see a reset instead of the answer. So what a service leaves unread goes back to the connection ([`Unread`])
//! and is read before the answer is sent.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::{sync::oneshot, time::timeout};

use crate::{Whole, response};

/// The body a service receives. Reading past `Limits::max_body_bytes` is an error
/// ([`http_body_util::LengthLimitError`], which axum's extractors answer with 413).
pub type RequestBody = Limited<ServiceBody>;

/// Where a request's connection came from: an extension of the request. Behind a proxy it is the proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How much of what a service left unread is taken off the connection, and for how long.
const UNREAD_BYTES: usize = 64 * 1024 * 1024;
const UNREAD_TIME: Duration = Duration::from_secs(5);

/// The body as a service sees it. When it is dropped, what was not read goes back to the connection.
#[derive(Debug)]
pub struct ServiceBody {
    /// There until it is dropped.
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    /// A peer that asked first (`Expect: 100-continue`) sends nothing before we read.
    peer_waits: bool,
}

/// What a service left unread of a body; `None` inside when the request has no body.
pub(crate) struct Unread(Option<oneshot::Receiver<Incoming>>);

/// Makes a request ready for a service, which may read at most `most` bytes of its body.
pub(crate) fn bounded(request: Request<Incoming>, most: usize) -> (Request<RequestBody>, Unread) {
    let peer_waits = request.headers().contains_key(header::EXPECT);
    let (back, rest) = (!request.body().is_end_stream()).then(oneshot::channel).unzip();
    let bounded = request.map(|body| Limited::new(ServiceBody { body: Some(body), back, peer_waits }, most));
    (bounded, Unread(rest))
}

impl Unread {
    /// Reads what came back and forgets it.
    pub(crate) async fn discard(self) {
        // Nothing comes back while the service goes on reading beside its answer.
        let Some(Ok(rest)) = self.0.map(|mut back| back.try_recv()) else { return };
        let mut rest = Limited::new(rest, UNREAD_BYTES);
        // Done, too long or broken: the answer is sent all the same.
        let _ = timeout(UNREAD_TIME, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
    }
}

impl Drop for ServiceBody {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !self.peer_waits
            && !body.is_end_stream()
        {
            // Nobody takes it when the connection is gone.
            let _ = back.send(body);
        }
    }
}

impl Body for ServiceBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.peer_waits = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// Reads the whole body, or gives the answer to send instead: 413 past the limit, 400 when the peer stopped midway.
pub async fn read_body(body: RequestBody) -> Result<Bytes, Response<Whole>> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            response::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this server accepts\n")
        } else {
            response::text(StatusCode::BAD_REQUEST, "the body could not be read to its end\n")
        }
    })
}

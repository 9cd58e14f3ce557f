//! What every request passes before its service sees it, and every response on its way out.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::{Handler, Limits, request::RequestBody, response};

/// A body too large is still read, up to this many bytes and this long, before the refusal is sent: a peer that is
/// still sending when we close would see a reset instead of our reason.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// The checks in front of the service.
pub(crate) struct Gate {
    max_body_bytes: usize,
    request_timeout: Duration,
}

/// A response of the service, or one of ours.
pub(crate) type Answer<B> = Response<Either<Pin<Box<B>>, Full<Bytes>>>;

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { max_body_bytes: limits.max_body_bytes, request_timeout: limits.request_timeout }
    }

    /// Answers a request, by the service if it passes.
    pub(crate) async fn answer<H: Handler>(&self, handler: H, request: Request<Incoming>) -> Answer<H::Body> {
        match self.pass(request).await {
            Ok(request) => match timeout(self.request_timeout, handler.handle(request)).await {
                Ok(response) => response.map(|body| Either::Left(Box::pin(body))),
                Err(_elapsed) => self.not_in_time().map(Either::Right),
            },
            Err(refusal) => refusal.map(Either::Right),
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Request<RequestBody>, Response<Full<Bytes>>> {
        let announced = request.body().size_hint().lower();
        if announced > self.max_body_bytes as u64 {
            if !request.headers().contains_key(header::EXPECT) {
                discard(request.into_body()).await;
            }
            return Err(self.too_large(announced));
        }
        Ok(request.map(|body| Limited::new(body, self.max_body_bytes)))
    }

    fn too_large(&self, announced: u64) -> Response<Full<Bytes>> {
        let most = self.max_body_bytes;
        let reason = format!("the body has {announced} bytes, this server accepts at most {most}\n");
        response::text(StatusCode::PAYLOAD_TOO_LARGE, reason)
    }

    fn not_in_time(&self) -> Response<Full<Bytes>> {
        let reason = format!("not answered within {} seconds\n", self.request_timeout.as_secs_f64());
        response::text(StatusCode::SERVICE_UNAVAILABLE, reason)
    }
}

async fn discard(body: Incoming) {
    let mut rest = Limited::new(body, DISCARD_BYTES);
    // Done, too long or broken: the refusal is sent all the same.
    let _ = timeout(DISCARD_TIME, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
}

//! What every request passes before its service sees it, and every response on its way out.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::{
    Handler, Limits,
    auth::Denied,
    request::lend,
    response,
    web_config::{Live, WebConfig},
};

/// The checks in front of the service.
pub(crate) struct Gate {
    web: Live,
    max_body_bytes: usize,
    request_timeout: Duration,
}

/// A response of the service, or one of ours.
type Answer<B> = Response<Either<Pin<Box<B>>, Full<Bytes>>>;

impl Gate {
    pub(crate) fn new(limits: &Limits, web: Live) -> Self {
        Self { web, max_body_bytes: limits.max_body_bytes, request_timeout: limits.request_timeout }
    }

    /// The web-config in force.
    pub(crate) fn web(&self) -> &Live {
        &self.web
    }

    /// Answers a request, by the service if it passes.
    pub(crate) async fn answer<H: Handler>(&self, handler: H, request: Request<Incoming>) -> Answer<H::Body> {
        let web = self.web.current();
        let checked = self.check(&web, &request).await;
        let (request, unread) = lend(request, self.max_body_bytes);
        let mut response = match checked {
            Ok(()) => match timeout(self.request_timeout, handler.handle(request)).await {
                Ok(response) => response.map(|body| Either::Left(Box::pin(body))),
                Err(_elapsed) => self.not_in_time().map(Either::Right),
            },
            Err(refusal) => {
                drop(request);
                refusal.map(Either::Right)
            }
        };
        unread.discard().await;
        web.headers.add_to(response.headers_mut());
        response
    }

    /// What speaks against the request, cheapest first.
    async fn check(&self, web: &WebConfig, request: &Request<Incoming>) -> Result<(), Response<Full<Bytes>>> {
        if let Some(limit) = &web.rate_limit {
            limit.take(Instant::now()).map_err(too_many)?;
        }
        if let Some(users) = &web.users {
            users.admit(request.headers()).await.map_err(|denied| match denied {
                Denied::Unauthorized => unauthorized(),
                Denied::Busy => busy(),
            })?;
        }
        let announced = request.body().size_hint().lower();
        if announced > self.max_body_bytes as u64 { Err(self.too_large(announced)) } else { Ok(()) }
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

fn too_many(wait: Duration) -> Response<Full<Bytes>> {
    let mut response =
        response::text(StatusCode::TOO_MANY_REQUESTS, "more requests than rate_limit allows\n");
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn busy() -> Response<Full<Bytes>> {
    let reason = "too many passwords wait to be compared; come again in some seconds\n";
    let mut response = response::text(StatusCode::SERVICE_UNAVAILABLE, reason);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn unauthorized() -> Response<Full<Bytes>> {
    let mut response = response::text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    response
}

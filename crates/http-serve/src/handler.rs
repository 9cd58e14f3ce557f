//! What answers requests: any tower service with the shape both services have.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::request::RequestBody;

/// A tower service that always answers: an axum router, or a function through `tower::service_fn`.
///
/// Implemented for every such service; nobody implements it by hand. It exists so that the bounds are written once.
pub trait Handler: Clone + Send + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn handle(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

impl<S, B> Handler for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;

    fn handle(&self, request: Request<RequestBody>) -> impl Future<Output = Response<B>> + Send + 'static {
        let mut service = self.clone();
        async move {
            let ready = std::future::poll_fn(|context| service.poll_ready(context)).await;
            let answered = match ready {
                Ok(()) => service.call(request).await,
                Err(never) => match never {},
            };
            match answered {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    }
}

//! A request's body, bounded.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::response;

/// The body a service receives. Reading past `Limits::max_body_bytes` is an error
/// ([`http_body_util::LengthLimitError`], which axum's extractors answer with 413).
pub type RequestBody = Limited<Incoming>;

/// Reads the whole body, or gives the answer to send instead: 413 past the limit, 400 when the peer stopped midway.
pub async fn read_body(body: RequestBody) -> Result<Bytes, Response<Full<Bytes>>> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            response::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this server accepts\n")
        } else {
            response::text(StatusCode::BAD_REQUEST, "the body could not be read to its end\n")
        }
    })
}

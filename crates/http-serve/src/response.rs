//! Whole responses with their Content-Type.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::Either;

use crate::Whole;

/// Plain text, UTF-8.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Whole> {
    whole(status, "text/plain; charset=utf-8", body)
}

/// A page.
pub fn html(status: StatusCode, body: impl Into<Bytes>) -> Response<Whole> {
    whole(status, "text/html; charset=utf-8", body)
}

/// JSON, already encoded.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Whole> {
    whole(status, "application/json", body)
}

/// Any other Content-Type.
pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Whole> {
    let mut response = Response::new(Whole::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer to HEAD: the same without its body, with its length where that is known.
pub(crate) fn without_body<B: Body<Data = Bytes>>(
    response: Response<Either<B, Whole>>,
) -> Response<Either<B, Whole>> {
    let (mut parts, body) = response.into_parts();
    let size = match body {
        Either::Left(body) => body.size_hint(),
        Either::Right(whole) => whole.size_hint(),
    };
    if let Some(length) = size.exact() {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Either::Right(Whole::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_it_is() {
        let kinds = [
            (text(StatusCode::OK, "a"), "text/plain; charset=utf-8"),
            (html(StatusCode::OK, "<p>a"), "text/html; charset=utf-8"),
            (json(StatusCode::OK, "{}"), "application/json"),
        ];
        for (response, expected) in kinds {
            assert_eq!(response.headers()[CONTENT_TYPE], expected);
        }
    }
}

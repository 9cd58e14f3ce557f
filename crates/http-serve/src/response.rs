//! Whole responses with their Content-Type.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

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

//! From families to the answer of a scrape: the format and the compression that its headers ask for.
//!
//! Serves any listener and any list of families. Leaves out which families there are, paths, and limits: that is `service`'s.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use http_serve::response::whole;

use crate::exposition::{Format, Page, accepts_gzip};

/// An answer, complete in memory.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Writes the pages of one listener.
#[derive(Debug, Default)]
pub(crate) struct PageWriter {
    /// The size of the last page in bytes, which the next one will be close to.
    last_size: AtomicUsize,
}

impl PageWriter {
    /// The page as these request headers want it.
    pub(crate) fn answer(&self, page: &Page, headers: &HeaderMap) -> Answer {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::negotiate(accept);
        let body = page.encode(format, self.last_size.load(Ordering::Relaxed) * 9 / 8);
        self.last_size.store(body.len(), Ordering::Relaxed);
        packed(whole(StatusCode::OK, format.content_type(), Bytes::new()), body, headers)
    }
}

/// The answer with this body, compressed where these request headers allow it.
pub(crate) fn packed(mut answer: Answer, body: String, headers: &HeaderMap) -> Answer {
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let body = if accepts_gzip(accepted) {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        gzip(body.as_bytes())
    } else {
        body.into_bytes()
    };
    *answer.body_mut() = Full::from(body);
    answer
}

/// Level 1: a page shrinks to a fifth at a small part of what the higher levels cost.
fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 4), Compression::fast());
    encoder.write_all(page).expect("writing to a Vec cannot fail");
    encoder.finish().expect("writing to a Vec cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Family, Labels};
    use http::header::HeaderName;
    use http_body_util::BodyExt as _;
    use std::io::Read as _;
    use std::sync::Arc;

    /// Content type, encoding, and the page as text.
    async fn written(headers: &[(HeaderName, &str)]) -> (String, Option<HeaderValue>, String) {
        let families = vec![Family::counter("fixed_total", "A fixed number.").with(Labels::NONE, 1_u64)];
        let page = Page::new(vec![Arc::new(families)]);
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let answer = PageWriter::default().answer(&page, &headers);
        let content_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()[header::VARY], "Accept, Accept-Encoding");
        let encoding = answer.headers().get(header::CONTENT_ENCODING).cloned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::new();
        if encoding.is_some() {
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(body.to_vec()).unwrap();
        }
        (content_type, encoding, text)
    }

    #[tokio::test]
    async fn the_headers_choose_format_and_compression() {
        let (content_type, encoding, text) = written(&[]).await;
        assert_eq!((content_type.as_str(), encoding), ("text/plain; version=0.0.4; charset=utf-8", None));
        assert!(text.contains("# TYPE fixed_total counter\n"), "{text}");

        let open = (header::ACCEPT, "application/openmetrics-text;version=1.0.0");
        let (content_type, encoding, text) = written(&[open, (header::ACCEPT_ENCODING, "gzip")]).await;
        assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert_eq!(encoding, Some(HeaderValue::from_static("gzip")));
        assert!(text.contains("# TYPE fixed counter\n") && text.ends_with("# EOF\n"), "{text}");
    }
}

//! From families to the answer of a scrape: the format and the compression that its headers ask for.
//!
//! Serves any listener and any list of families. Leaves out which families there are, paths, and limits: that is `service`'s.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_serve::Whole;
use http_serve::response::whole;

use crate::compressor::Compressor;
use crate::exposition::{Format, Page, Refused, Written, accepts_gzip};
use crate::family::Family;

/// An answer, complete in memory.
pub(crate) type Answer = Response<Whole>;

/// Writes the pages of one listener, each beside the one before.
#[derive(Debug, Default)]
pub(crate) struct PageWriter {
    kept: Mutex<Kept>,
    compressor: Compressor,
}

#[derive(Debug, Default)]
struct Kept {
    last: Option<Arc<LastPage>>,
    /// What the page before had of its own, for its memory: it may be larger than what the allocator keeps, and new memory is cleared by the
    /// kernel.
    spare: Option<Arc<String>>,
}

#[derive(Debug)]
struct LastPage {
    page: Page,
    written: Written,
}

/// A page with more samples is forgotten once it is written: text files can bring a hundred thousand.
const MOST_KEPT: usize = 20_000;

impl PageWriter {
    /// The page of these families as these request headers want it, and what it had to leave out.
    pub(crate) fn answer(&self, sources: Vec<Arc<Vec<Family>>>, headers: &HeaderMap) -> (Answer, Refused) {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::negotiate(accept);
        let is_kept = Page::size_of(&sources) <= MOST_KEPT;
        let (last, spare) = {
            let mut kept = self.kept();
            (kept.last.clone(), kept.spare.take())
        };
        // Who takes it slowly may still be sent the page.
        let memory = spare.and_then(Arc::into_inner).unwrap_or_default();
        let page = Page::new(sources, last.as_ref().map(|last| &last.page));
        let written = page.write(format, last.as_ref().map(|last| (&last.page, &last.written)), memory);
        let (pieces, refused) = (written.pieces(), page.refused());
        *self.kept() = Kept {
            last: is_kept.then(|| Arc::new(LastPage { page, written })),
            spare: last.filter(|_| is_kept).map(|last| Arc::clone(&last.written.own)),
        };
        let answer = whole(StatusCode::OK, format.content_type(), Bytes::new());
        (packed(answer, pieces, headers, &self.compressor), refused)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer with this body, compressed where these request headers allow it.
pub(crate) fn packed(
    mut answer: Answer,
    pieces: Vec<Bytes>,
    headers: &HeaderMap,
    compressor: &Compressor,
) -> Answer {
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    *answer.body_mut() = if accepts_gzip(accepted) {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Bytes::from(compressor.gzip(&pieces)).into()
    } else {
        pieces.into()
    };
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Labels;
    use http::header::HeaderName;
    use http_body_util::BodyExt as _;
    use std::io::Read as _;

    /// Content type, encoding, and the page as text.
    async fn written(headers: &[(HeaderName, &str)]) -> (String, Option<HeaderValue>, String) {
        let families = vec![Family::counter("fixed_total", "A fixed number.").with(Labels::NONE, 1_u64)];
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let (answer, _) = PageWriter::default().answer(vec![Arc::new(families)], &headers);
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

    #[test]
    fn a_large_page_is_not_kept() {
        for (series, is_kept) in [(MOST_KEPT, true), (MOST_KEPT + 1, false)] {
            let numbers = (0..series).map(|number| Labels::new([("n", number.to_string())]));
            let family = numbers.fold(Family::gauge("a", "A."), |family, labels| family.with(labels, 1_u64));
            let pages = PageWriter::default();
            pages.answer(vec![Arc::new(vec![family])], &HeaderMap::new());
            assert_eq!(pages.kept().last.is_some(), is_kept, "{series}");
        }
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

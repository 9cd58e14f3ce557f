//! What each path of the second face answers: dcgm-exporter's, which are few.

use std::sync::Arc;
use std::time::Instant;

use http::header::{self, HeaderValue};
use http::{Method, StatusCode, request};
use http_serve::response::text;

use crate::answer::{Answer, PageWriter};
use crate::gpu::DcgmFace;

/// Answers requests.
pub(crate) struct DcgmService {
    face: DcgmFace,
    pages: PageWriter,
}

impl DcgmService {
    pub(crate) fn new(face: DcgmFace) -> Self {
        Self { face, pages: PageWriter::default() }
    }

    /// Answers one request; its body is not looked at. Nothing here waits: readings are in memory.
    pub(crate) fn answer(&self, request: &request::Parts) -> Answer {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "this page takes GET, HEAD only\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match request.uri.path() {
            "/metrics" => {
                let families = Arc::new(self.face.families(Instant::now()));
                self.pages.answer(vec![families], &request.headers).0
            }
            "/health" => text(StatusCode::OK, "OK\n"),
            "/" => text(StatusCode::OK, "GPUs under dcgm-exporter's names: /metrics\n"),
            _ => text(StatusCode::NOT_FOUND, "no such page (hint: metrics are under /metrics)\n"),
        }
    }
}

/// What dcgm-exporter writes into its hostname label: the Kubernetes node's name where a pod is told it, else this machine's.
pub(crate) fn hostname() -> String {
    let node = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    node.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

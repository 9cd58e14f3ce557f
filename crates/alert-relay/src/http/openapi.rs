//! What the API is, for programs: `openapi.json`, in `OpenAPI` 3.1. A test holds it against the paths and the answers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

const DOCUMENT: &str = include_str!("openapi.json");

/// `/api/v1/openapi.json`
pub(super) async fn show() -> Response {
    http_serve::response::json(StatusCode::OK, DOCUMENT).into_response()
}

/// The document, to be looked into.
pub(super) fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("the file is JSON, as a test has seen")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_is_in_the_document_and_nothing_else_is() {
        let paths =
            document()["paths"].as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        let ours = crate::http::described().into_iter().map(|(path, _)| path.to_owned());
        assert_eq!(paths, ours.collect());
    }
}

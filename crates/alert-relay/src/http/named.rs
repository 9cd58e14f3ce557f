//! The name in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::http::answer::Answer;

/// What stands in a path's one pair of braces. What is no text (`%ff`) is answered as everything else that is asked wrongly.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Answer> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(name) =
            path.map_err(|rejection| Answer::new(StatusCode::BAD_REQUEST, "error", rejection.body_text()))?;
        Ok(Self(name))
    }
}

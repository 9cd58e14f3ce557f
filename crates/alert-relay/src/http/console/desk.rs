//! What every page's path works with: the relay, the pages, who asks, and what they ask for.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{Extension, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use http_serve::{BodyError, BodyRoom, Peer};
use serde::de::DeserializeOwned;
use tracing::error;

use crate::console::{Console, Page, RefusalPage, Visit};
use crate::http::Shared;
use crate::http::caller::Caller;
use crate::operation::audit_trail::Who;
use crate::outbox::StoreError;
use crate::relay::{LookRefusal, Relay};

/// Bytes of one form: a pasted webhook of a thousand alerts.
const LONGEST_FORM: usize = 1024 * 1024;

/// One request for a page.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) relay: Arc<Relay>,
    /// Who looks.
    pub(super) visit: Visit,
    /// Who is asked to answer for a change.
    pub(super) who: Who,
    console: Arc<Console>,
    bodies: BodyRoom,
    query: String,
}

/// A page that says why another one is not shown.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    html: String,
}

/// A page, or one that says why not.
pub(super) type Shown = Result<Html<String>, Refused>;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Html(self.html)).into_response()
    }
}

impl FromRequestParts<Shared> for Desk {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ExtensionRejection> {
        let Extension(console) = Extension::from_request_parts(parts, shared).await?;
        let Ok(visit) = Visit::from_request_parts(parts, shared).await;
        let Ok(Caller(who)) = Caller::from_request_parts(parts, shared).await;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let Shared { relay, bodies } = shared.clone();
        Ok(Self { relay, visit, who, console, bodies, query })
    }
}

impl Desk {
    /// A page.
    pub(super) fn show<P: Page>(&self, page: &P) -> Shown {
        self.console.html(&self.visit, page).map(Html).map_err(|fault| {
            error!(page = P::TEMPLATE, "cannot make the page {}: {fault:#}", P::TEMPLATE);
            // Not by the same templates.
            let html = "<!doctype html><title>alert-relay</title><p>The page could not be made; the relay's log says why.".to_owned();
            Refused { status: StatusCode::INTERNAL_SERVER_ERROR, html }
        })
    }

    /// What stands behind the `?`.
    pub(super) fn asked<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_urlencoded::from_str(&self.query).map_err(|error| self.bad(error.to_string()))
    }

    /// What was filled in.
    pub(super) async fn form<T: DeserializeOwned>(&self, body: Body) -> Result<T, Refused> {
        let peer = self.who.address().unwrap_or(std::net::Ipv4Addr::LOCALHOST.into());
        let received = self.bodies.receive(body, Peer::at(peer)).await.and_then(|held| {
            if held.bytes.len() > LONGEST_FORM { Err(BodyError::TooLarge) } else { Ok(held) }
        });
        let body = received.map_err(|error| match error {
            BodyError::TooLarge => {
                let message = format!("a form takes at most {LONGEST_FORM} bytes");
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
            BodyError::Broken => self.bad("the form could not be read to its end".to_owned()),
            BodyError::NoRoom | BodyError::GaveWay | BodyError::TooSlow => {
                let message =
                    "the form arrives too slowly, or too many arrive at once: send it again".to_owned();
                self.refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        })?;
        serde_urlencoded::from_bytes(&body.bytes).map_err(|error| self.bad(error.to_string()))
    }

    /// What was asked for does not make sense.
    pub(super) fn bad(&self, message: String) -> Refused {
        self.refuse(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// What was asked for is not there.
    pub(super) fn missing(&self, message: String) -> Refused {
        self.refuse(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The store does not answer now.
    pub(super) fn of_store(&self, error: &StoreError) -> Refused {
        self.refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
    }

    /// A stored webhook cannot be read now.
    pub(super) fn of_look(&self, refusal: &LookRefusal) -> Refused {
        self.refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", refusal.to_string())
    }

    /// A refusal of this kind, a text under `refusal`.
    pub(super) fn refuse(&self, status: StatusCode, kind: &'static str, message: String) -> Refused {
        match self.show(&RefusalPage { kind, message }) {
            Ok(Html(html)) => Refused { status, html },
            Err(fault) => fault,
        }
    }
}

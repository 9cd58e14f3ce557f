//! Who looks at a page: the language they read, by address, cookie or browser, and the same page in the other one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::console::{Visit, language};
use crate::message::Language;
use crate::relay::Relay;

impl<S: Sync> FromRequestParts<S> for Visit
where
    Arc<Relay>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let relay = Arc::<Relay>::from_ref(state);
        let settings = relay.settings();
        let said = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let language = language::of_request(
            asked(&parts.uri),
            said(header::COOKIE),
            said(header::ACCEPT_LANGUAGE),
            settings.language,
        );
        Ok(Self {
            language,
            time_zone: settings.time_zone.clone(),
            now: relay.now().timestamp(),
            other_language: in_other_language(&parts.uri, language),
        })
    }
}

/// `?lang=`.
fn asked(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("lang="))
}

/// The same address in the other language.
fn in_other_language(uri: &Uri, language: Language) -> String {
    let other = match language {
        Language::ZhCn => Language::En,
        Language::En => Language::ZhCn,
    };
    let query = uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
    let lang = format!("lang={}", language::tag(other));
    let pairs: Vec<&str> = kept.chain([lang.as_str()]).collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
}

/// Keeps a language that the address asks for, for a year.
pub(super) async fn keep_language(request: Request, next: Next) -> Response {
    let asked = asked(request.uri()).and_then(language::named);
    let mut response = next.run(request).await;
    if let Some(language) = asked {
        let cookie = format!(
            "{}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
            language::COOKIE,
            language::tag(language)
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_language_is_the_same_page() {
        for (uri, expected) in [
            ("/", "/?lang=en"),
            (
                "/deliveries?text=%E6%98%BE&lang=zh-CN&state=dead",
                "/deliveries?text=%E6%98%BE&state=dead&lang=en",
            ),
            ("/a?&x", "/a?x&lang=en"),
        ] {
            assert_eq!(in_other_language(&uri.parse().unwrap(), Language::ZhCn), expected);
        }
        assert_eq!(in_other_language(&"/".parse().unwrap(), Language::En), "/?lang=zh-CN");
        assert_eq!(asked(&"/?slang=en&lang=en&lang=zh".parse().unwrap()), Some("en"));
        assert_eq!(asked(&"/".parse().unwrap()), None);
    }
}

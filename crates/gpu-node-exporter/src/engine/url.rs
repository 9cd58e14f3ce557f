//! The address of an engine's page.
//!
//! Owns what may be written, and what of it is shown: user, password and query may be secrets, so they are sent and never seen.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Where a page is.
#[derive(Clone)]
pub(crate) struct PageUrl {
    is_tls: bool,
    /// Without brackets around an IPv6 address.
    host: String,
    port: u16,
    /// Host and port as they were written, for the header `Host`.
    authority: HeaderValue,
    target: PathAndQuery,
    /// User and password, as the header has them. It prints as `Sensitive`.
    authorization: Option<HeaderValue>,
    shown: String,
}

/// Why a text names no page. It repeats nothing that may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{wrong}, expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH] (hint: like http://127.0.0.1:8000/metrics)"
)]
pub(crate) struct BadUrl {
    wrong: &'static str,
}

/// What is asked where no path is written.
const METRICS: &str = "/metrics";

/// More bytes than any address has.
const LONGEST: usize = 2048;

impl PageUrl {
    /// Whether it is asked by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// A name or an address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        self.target.as_str()
    }

    /// What stands beside the page on its server, by its path: for `/x/metrics` and `v1/models` it is `/x/v1/models`.
    pub(super) fn beside(&self, path: &str) -> String {
        let folder = self.target.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{path}")
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The address without user, password and query: the label `page`.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// What of a text may be repeated that is no address: nothing that might stand behind a user or in a query.
    pub(crate) fn repeatable(text: &str) -> Option<&str> {
        (!text.contains(['@', '?', '#']) && text.len() <= LONGEST && !text.contains(char::is_control))
            .then_some(text)
    }
}

impl fmt::Debug for PageUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

impl std::str::FromStr for PageUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let bad = |wrong| BadUrl { wrong };
        if text.len() > LONGEST {
            return Err(bad("too long"));
        }
        let uri: Uri = text.parse().map_err(|_| bad("not a URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(bad("no scheme"))?;
        let is_tls = match &scheme {
            scheme if *scheme == Scheme::HTTP => false,
            scheme if *scheme == Scheme::HTTPS => true,
            _ => return Err(bad("neither http nor https")),
        };
        let authority: Authority = parts.authority.ok_or(bad("no host"))?;
        let (user, host_and_port) = authority
            .as_str()
            .rsplit_once('@')
            .map_or((None, authority.as_str()), |(user, rest)| (Some(user), rest));
        let host = authority.host();
        let behind_host = host_and_port.get(host.len()..).unwrap_or_default();
        let port = match behind_host.strip_prefix(':') {
            None if behind_host.is_empty() => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(bad("not a URL")),
            Some(digits) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(bad("no port behind the colon"))?
            }
        };
        if host.is_empty() {
            return Err(bad("no host"));
        }
        let target = parts.path_and_query.filter(|target| target.as_str() != "/" || text.ends_with('/'));
        let target = target.unwrap_or(PathAndQuery::from_static(METRICS));
        let shown = format!("{scheme}://{host_and_port}{}", target.path());
        Ok(Self {
            is_tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: HeaderValue::from_str(host_and_port).map_err(|_| bad("not a URL"))?,
            target,
            authorization: user.map(basic).transpose()?,
            shown,
        })
    }
}

/// RFC 7617; in an address user and password are percent-encoded.
fn basic(user: &str) -> Result<HeaderValue, BadUrl> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain: Vec<u8> = percent_decode_str(name).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(plain)))
        .map_err(|_| BadUrl { wrong: "no user that can be sent" })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_asked_and_what_is_shown() {
        let check = |text: &str, host: &str, port: u16, target: &str, shown: &str| {
            let url: PageUrl = text.parse().unwrap();
            assert_eq!(
                (url.host(), url.port(), url.target(), url.shown(), url.is_tls()),
                (host, port, target, shown, text.starts_with("https")),
                "{text}"
            );
            assert_eq!(format!("{url:?}"), shown);
        };
        check(
            "http://localhost:8000/metrics",
            "localhost",
            8000,
            "/metrics",
            "http://localhost:8000/metrics",
        );
        check("http://a", "a", 80, "/metrics", "http://a/metrics");
        check("http://a/", "a", 80, "/", "http://a/");
        check("https://a.b/x/metrics", "a.b", 443, "/x/metrics", "https://a.b/x/metrics");
        check("http://[::1]:30000", "::1", 30000, "/metrics", "http://[::1]:30000/metrics");
        check("http://a:1/m?token=secret", "a", 1, "/m?token=secret", "http://a:1/m");
        check("https://user:p%40ss@a/m#part", "a", 443, "/m", "https://a/m");
    }

    #[test]
    fn what_stands_beside_a_page() {
        let beside = |text: &str| text.parse::<PageUrl>().unwrap().beside("v1/chat");
        assert_eq!(beside("http://a/metrics?x=/y"), "/v1/chat");
        assert_eq!(beside("http://a"), "/v1/chat");
        assert_eq!(beside("http://a/qwen/metrics"), "/qwen/v1/chat");
        assert_eq!(beside("http://a/metrics/"), "/metrics/v1/chat");
    }

    #[test]
    fn user_and_password_are_sent_and_never_printed() {
        let url: PageUrl = "http://anna:p%40ss@a/m?key=hidden".parse().unwrap();
        let sent = url.authorization().unwrap();
        assert_eq!(sent, "Basic YW5uYTpwQHNz");
        assert_eq!(url.authority(), "a");
        let printed = format!("{url:?} {sent:?}");
        assert!(
            !["anna", "p%40ss", "YW5u", "hidden"].iter().any(|secret| printed.contains(secret)),
            "{printed}"
        );
    }

    #[test]
    fn what_names_no_page_is_told_and_not_repeated() {
        let check = |text: &str, wrong: &str| {
            let said = text.parse::<PageUrl>().unwrap_err().to_string();
            assert!(said.starts_with(&format!("{wrong}, expected http://HOST")), "{text}: {said}");
            assert!(!said.contains("secret"), "{said}");
        };
        check("", "not a URL");
        check("localhost:8000", "no scheme");
        check("/metrics", "no scheme");
        check("ftp://a/metrics", "neither http nor https");
        check("http://a:/metrics", "no port behind the colon");
        check("http://a:0/metrics", "no port behind the colon");
        check("http://a:70000/metrics", "no port behind the colon");
        check("http://user:secret@/metrics", "not a URL");
        check(&format!("http://a/{}", "x".repeat(3000)), "too long");
        for (text, repeated) in [("ftp://a/m", true), ("ftp://u:secret@a", false), ("ftp://a?secret", false)]
        {
            assert_eq!(PageUrl::repeatable(text).is_some(), repeated, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_shown(text in "https?://([a-z]{1,5}:SECRET@)?[a-z0-9.]{0,9}(:[0-9]{0,6})?(/[a-z]{0,5}){0,2}(\\?SECRET)?") {
            match text.parse::<PageUrl>() {
                Ok(url) => {
                    let seen = format!("{url:?}{}", url.shown());
                    prop_assert!(!seen.contains("SECRET"));
                }
                Err(error) => prop_assert!(!error.to_string().contains("SECRET")),
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<PageUrl>();
        }
    }
}

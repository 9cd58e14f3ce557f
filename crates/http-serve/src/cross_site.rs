//! Requests that a foreign site's page has its visitor's browser send (cross-site request forgery).
//!
//! A browser sends a page's simple POSTs anywhere, also to addresses that only its user can reach, and names in two headers where
//! they come from: `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin` (RFC 6454, section 7). Programs send neither. GET, HEAD and OPTIONS
//! change nothing here, and their answers stay unreadable for the page, so they pass.

use http::{HeaderMap, HeaderName, Method, header::ORIGIN};

use crate::{host::Host, refusal::Refusal};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request pass unless a page of another site sent it.
///
/// # Errors
/// 403 with the header that tells it.
pub(crate) fn check(method: &Method, host: Option<&Host>, headers: &HeaderMap) -> Result<(), Refusal> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return Ok(());
    }
    // `none` is the user, who typed the address; `same-site` may be anybody's page under the same domain.
    let ours = |value: &http::HeaderValue| value == "same-origin" || value == "none";
    if !headers.get_all(SEC_FETCH_SITE).iter().all(ours) {
        return Err(foreign("Sec-Fetch-Site"));
    }
    let same = |value: &http::HeaderValue| {
        host.is_some_and(|host| value.to_str().is_ok_and(|origin| is_origin_of(origin, host)))
    };
    if !headers.get_all(ORIGIN).iter().all(same) {
        return Err(foreign("Origin"));
    }
    Ok(())
}

fn foreign(header: &str) -> Refusal {
    Refusal::forbidden(format!(
        "by its header {header} this request was sent by a page of another site, which may only read \
         (hint: programs send no such header, and a proxy has to pass Host on as it came, with its port)"
    ))
}

/// Whether an origin, `SCHEME://HOST` or `SCHEME://HOST:PORT`, is this host's. `null` is nobody's.
fn is_origin_of(origin: &str, host: &Host) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    Host::parse(rest).is_some_and(|origin| origin.with_port_or(default) == host.clone().with_port_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(method: &Method, host: &str, headers: &[(HeaderName, &str)], passes: bool) {
        let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let checked =
            check(method, Host::parse(host).as_ref(), &map).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(checked, if passes { Ok(()) } else { Err(403) }, "{method} {host} {headers:?}");
    }

    #[test]
    fn a_foreign_page_may_only_read() {
        let host = "127.0.0.1:9100";
        let same = |site: &'static str| (SEC_FETCH_SITE, site);
        let from = |origin: &'static str| (ORIGIN, origin);
        let ours = from("http://127.0.0.1:9100");
        for (headers, passes) in [
            (vec![], true),
            (vec![same("same-origin"), ours.clone()], true),
            (vec![same("none")], true),
            (vec![ours.clone()], true),
            (vec![same("cross-site"), from("null")], false),
            (vec![same("cross-site"), ours.clone()], false),
            (vec![same("same-site"), ours.clone()], false),
            (vec![same("same-origin"), same("cross-site")], false),
            (vec![same("")], false),
            (vec![same("same-origin"), from("http://evil.example")], false),
            (vec![ours, from("http://evil.example")], false),
            (vec![from("null")], false),
            (vec![from("")], false),
            // The same machine, another port: another origin.
            (vec![from("http://127.0.0.1:8000")], false),
            (vec![from("http://127.0.0.1")], false),
            (vec![from("http://127.0.0.1:9100.evil.example")], false),
            (vec![from("http://127.0.0.1:9100@evil.example")], false),
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::from_bytes(b"BREW").unwrap()] {
                check_one(&method, host, &headers, passes);
            }
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                check_one(&method, host, &headers, true);
            }
        }
    }

    #[test]
    fn an_origin_may_leave_its_schemes_port_out() {
        for (host, origin, passes) in [
            ("relay.example", "https://relay.example", true),
            ("relay.example:443", "https://relay.example", true),
            ("relay.example", "http://relay.example:80", true),
            ("Relay.Example", "https://relay.example", true),
            ("[::1]:8060", "http://[::1]:8060", true),
            ("relay.example:80", "https://relay.example", false),
            ("relay.example", "chrome-extension://relay.example", false),
            ("relay.example", "https://relay.example:8443", false),
        ] {
            check_one(&Method::POST, host, &[(ORIGIN, origin)], passes);
        }
        // Without a host, no origin is ours.
        check_one(&Method::POST, "", &[(ORIGIN, "http://a")], false);
        check_one(&Method::POST, "", &[], true);
    }
}

//! A browser that shows a foreign site's page: the POSTs that the page has it send.
//!
//! Headers are those of Chromium 150: `Origin` always; `Sec-Fetch-Site` to loopback and over TLS, but not to other addresses over plain HTTP;
//! a form names one of three types, and a `fetch` of a `Blob` without a type names none.

/// A page that presses every POST of both services.
const PAGE: &str = include_str!("cross_site.html");

const TYPES: [&str; 3] = ["Content-Type: application/x-www-form-urlencoded", "Content-Type: text/plain", ""];

const ORIGINS: [&[&str]; 4] = [
    &["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"],
    &["Origin: null", "Sec-Fetch-Site: cross-site"],
    &["Origin: http://evil.example"],
    // A page of another server on the same machine.
    &["Origin: http://127.0.0.1:8000", "Sec-Fetch-Site: same-site"],
];

/// The paths that the page posts to on one service, by the port it expects that service at.
pub fn foreign_paths(port: u16) -> Vec<&'static str> {
    let of_service = format!("http://127.0.0.1:{port}");
    PAGE.split(['"', '\'']).filter_map(|text| text.strip_prefix(of_service.as_str())).collect()
}

/// The sets of headers that the page's POSTs come with.
pub fn foreign_headers() -> impl Iterator<Item = Vec<&'static str>> {
    ORIGINS.into_iter().flat_map(|origin| {
        TYPES
            .into_iter()
            .map(move |kind| origin.iter().copied().chain((!kind.is_empty()).then_some(kind)).collect())
    })
}

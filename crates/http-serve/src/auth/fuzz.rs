//! What fuzzers drive of the credentials.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::Credentials;

/// The header `Authorization`: a name has no colon, and name and password written again are the same.
pub fn credentials(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        let value = HeaderValue::from_bytes(bytes).ok()?;
        Credentials::of(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
    };
    let Some(given) = read(bytes) else { return };
    assert!(!given.name.contains(':'), "{:?}", given.name);
    let pair = [given.name.as_bytes(), b":", &given.password].concat();
    let again = read(format!("Basic {}", STANDARD.encode(pair)).as_bytes()).expect("a good header");
    assert!(again.name == given.name && again.password == given.password, "{:?}", given.name);
}

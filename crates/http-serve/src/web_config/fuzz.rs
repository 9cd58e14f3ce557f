//! What fuzzers drive of the web-config file.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use std::path::Path;

use super::parse;
use crate::files::Files;

/// A web-config file: it is good, or every mistake has words that stay on a line.
pub fn web_config(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    // A file that a key names would be read.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let path = Path::new("/nonexistent/web.yml");
    let (mut files, _) = Files::beside(path);
    let (_, problems) = parse(path, text, &mut files);
    for problem in problems {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
        assert!(said.len() < 4_000, "{} bytes for one mistake", said.len());
    }
}

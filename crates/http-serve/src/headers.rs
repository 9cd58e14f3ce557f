//! `http_server_config.headers`: headers added to every response.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use settings_document::Section;

/// Extra headers, ready to add.
#[derive(Debug, Default)]
pub(crate) struct ExtraHeaders(Vec<(HeaderName, HeaderValue)>);

/// The only headers that may be set, each with the values it may have; none listed means any value.
const ALLOWED: [(&str, HeaderName, &[&str]); 5] = [
    ("Content-Security-Policy", header::CONTENT_SECURITY_POLICY, &[]),
    ("Strict-Transport-Security", header::STRICT_TRANSPORT_SECURITY, &[]),
    ("X-Content-Type-Options", header::X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-Frame-Options", header::X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-XSS-Protection", header::X_XSS_PROTECTION, &[]),
];

impl ExtraHeaders {
    /// Reads `headers` of `http_server_config`.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let mut headers = Vec::new();
        for (name, value) in section.named_texts_or_numbers("headers") {
            let Some((_, header, values)) = ALLOWED.iter().find(|(allowed, ..)| *allowed == name) else {
                let allowed = ALLOWED.map(|(name, ..)| name).join("`, `");
                value.problem(format!("this header cannot be set (hint: allowed are `{allowed}`)"));
                continue;
            };
            if !values.is_empty() && !values.contains(&&*value.text) {
                value.problem(format!("expected `{}`", values.join("` or `")));
                continue;
            }
            match HeaderValue::from_str(&value.text) {
                Ok(value) => headers.push((header.clone(), value)),
                Err(_) => value.problem("the value has a character that headers can't carry"),
            }
        }
        Self(headers)
    }

    /// Adds each header that the response does not have already.
    pub(crate) fn add_to(&self, response: &mut HeaderMap) {
        for (name, value) in &self.0 {
            response.entry(name).or_insert_with(|| value.clone());
        }
    }
}

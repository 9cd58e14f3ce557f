//! `http_server_config.headers`: headers added to every response.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::section::Section;

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
    /// Reads `http_server_config.headers`.
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let mut headers = Vec::new();
        for (name, value) in section.all_texts() {
            let Some((_, header, values)) = ALLOWED.iter().find(|(allowed, ..)| *allowed == name) else {
                let allowed = ALLOWED.map(|(name, ..)| name).join("`, `");
                section.problem(
                    &name,
                    format_args!("this header cannot be set (hint: allowed are `{allowed}`)"),
                );
                continue;
            };
            if !values.is_empty() && !values.contains(&value.as_str()) {
                section.problem(&name, format_args!("`{}` is expected", values.join("` or `")));
                continue;
            }
            match HeaderValue::from_str(&value) {
                Ok(value) => headers.push((header.clone(), value)),
                Err(_) => section.problem(&name, "the value has a character that headers can't carry"),
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

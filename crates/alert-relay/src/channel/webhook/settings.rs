//! The keys under `webhook:`.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use settings_document::{Secret, Section};

use crate::address;
use crate::channel::outgoing::parse_address;
use crate::channel::webhook::sign::SigningKey;

/// What the section says.
pub(super) struct Settings {
    /// `url` or `url_file`; may hold a token.
    pub(super) url: Url,
    /// `headers`, and `authorization` among them.
    pub(super) headers: HeaderMap,
    /// `secret` or `secret_file`: signs each request; `None` sends unsigned.
    pub(super) key: Option<SigningKey>,
    /// What answers must not repeat.
    pub(super) secrets: Vec<Secret>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings").field("is_signed", &self.key.is_some()).finish_non_exhaustive()
    }
}

/// Headers that the request has already, and the one that has a key of its own because it is a secret.
const OURS: [(HeaderName, &str); 6] = [
    (header::AUTHORIZATION, "write it as `authorization` or `authorization_file` beside `headers`"),
    (header::CONTENT_LENGTH, "the relay sets it"),
    (header::CONTENT_TYPE, "the body is JSON"),
    (header::HOST, "it follows from `url`"),
    (header::CONNECTION, "the relay sets it"),
    (header::TRANSFER_ENCODING, "the relay sets it"),
];

pub(super) fn read(mut section: Section<'_>) -> Option<Settings> {
    let url = read_url(&mut section);
    let mut headers = read_headers(&mut section);
    let authorization = section.secret("authorization", "authorization_file");
    if let Some(value) = &authorization {
        if let Ok(value) = HeaderValue::from_str(value.reveal()) {
            headers.insert(header::AUTHORIZATION, value);
        } else {
            let said_by = if section.has("authorization") { "authorization" } else { "authorization_file" };
            section.problem(said_by, "a header can't carry a character that is in it");
        }
    }
    let secret = section.secret("secret", "secret_file");
    let key = secret.as_ref().map(SigningKey::new);
    if let Some(Err(wrong)) = &key {
        let said_by = if section.has("secret") { "secret" } else { "secret_file" };
        section.problem(said_by, wrong.to_string());
    }
    section.finish();
    let key = key.transpose().ok()?;
    Some(Settings { url: url?, headers, key, secrets: authorization.into_iter().chain(secret).collect() })
}

fn read_url(section: &mut Section<'_>) -> Option<Url> {
    if !section.has("url") && !section.has("url_file") {
        section.missing("url", "the receiver's address, here or in the file that `url_file` names");
    }
    let address = address::secret_url(section, "url", "url_file")?;
    let said_by = if section.has("url") { "url" } else { "url_file" };
    parse_address(&address).map_err(|wrong| section.problem(said_by, format!("the address {wrong}"))).ok()
}

fn read_headers(section: &mut Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in section.named_texts("headers") {
        let Ok(header) = name.parse::<HeaderName>() else {
            value.problem("not the name of a header: expected letters, digits and `-`");
            continue;
        };
        if let Some((_, hint)) = OURS.iter().find(|(ours, _)| *ours == header) {
            value.problem(format!("this header cannot be set here (hint: {hint})"));
        } else if header.as_str().starts_with("webhook-") {
            value.problem("this header cannot be set here (hint: the relay's signature uses it)");
        } else if let Ok(value) = HeaderValue::from_str(&value.text) {
            headers.insert(header, value);
        } else {
            value.problem("a header can't carry a character that is in it");
        }
    }
    headers
}

//! Addresses in the settings: `http` and `https` only. An address may hold a login or a robot's token, so it is never shown.

use reqwest::Url;
use settings_document::{Secret, Section};

/// The address under `key` without its trailing slash; empty when unset.
pub(crate) fn base_url(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let text = section.text(key)?;
    if !text.is_empty() {
        check(section, key, text)?;
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// The address that is a secret: under `key`, or in the file that `file_key` names.
pub(crate) fn secret_url(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
) -> Option<Secret> {
    let secret = section.secret(key, file_key)?;
    let said_by = if section.has(key) { key } else { file_key };
    check(section, said_by, secret.reveal())?;
    Some(secret)
}

fn check(section: &Section<'_>, key: &str, text: &str) -> Option<()> {
    let is_usable = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    if !is_usable {
        section.problem(key, "expected an address that begins with `https://` or `http://`");
    }
    is_usable.then_some(())
}

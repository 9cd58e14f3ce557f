//! A value that must not be seen: robot URLs, signing secrets, passwords.

use std::fmt;
use std::sync::Arc;

/// Prints `<redacted>` wherever it is formatted. A robot's webhook URL *is* a secret: whoever has it can post.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value read from the settings or from a `*_file`.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it. Never format, log or store what this returns.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<redacted>")
    }
}

//! What stands under a key, before anybody asked what it should be.
//!
//! Owns the kinds of values that YAML has, and their names in a message. Leaves out which kind a key wants.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys of a section with what stands under them.
pub type Table = BTreeMap<String, Value>;

/// What stands under a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A key without a value.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text, with or without quotes.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A section of `key: value` lines.
    Table(Table),
}

impl Value {
    /// Its kind in words, and never the value: it may be a secret under the wrong key.
    pub(crate) fn found(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
        }
    }

    /// Text.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// Text, or a whole number in decimal. Every other kind has several spellings for one value, so it is not text.
    pub(crate) fn text_or_number(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            other => other.text(),
        }
    }

    /// What to say of a value that is no text: what was found, and that quotes would make text of it.
    pub(crate) fn is_no_text(&self) -> String {
        let hint = match self {
            Self::Boolean(_) | Self::Integer(_) | Self::Float(_) => " (hint: put it in quotes)",
            _ => "",
        };
        format!("expected text, found {}{hint}", self.found())
    }
}

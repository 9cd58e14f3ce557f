//! How values stand in columns, the same for those who write and those who read.

use crate::message::Wording;

/// `what` in the tally, beside the ends.
pub(super) const ACCEPTED: &str = "accepted";

pub(super) fn wording_to_word(wording: Wording) -> &'static str {
    match wording {
        Wording::Normal => "normal",
        Wording::Smaller => "smaller",
        Wording::Plain => "plain",
    }
}

pub(super) fn wording_from_word(word: &str) -> Wording {
    match word {
        "smaller" => Wording::Smaller,
        "plain" => Wording::Plain,
        _ => Wording::Normal,
    }
}

/// Lists and maps of strings, in words that an operator can read.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a list or a map of strings is always JSON")
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

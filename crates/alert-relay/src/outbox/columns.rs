//! How values stand in columns, the same for those who write and those who read.

use std::collections::BTreeMap;

use crate::message::Wording;
use crate::notification::Fingerprint;
use crate::routes::Mentions;

/// `what` in the tally, beside the ends.
pub(super) const ACCEPTED: &str = "accepted";

/// `what` in the tally of deliveries that are dead because they were set aside.
pub(super) const SET_ASIDE: &str = "set_aside";

pub(super) fn wording_to_word(wording: Wording) -> &'static str {
    match wording {
        Wording::Normal => "normal",
        Wording::Smaller => "smaller",
        Wording::Plain => "plain",
        Wording::Bare => "bare",
    }
}

pub(super) fn wording_from_word(word: &str) -> Wording {
    match word {
        "smaller" => Wording::Smaller,
        "plain" => Wording::Plain,
        "bare" => Wording::Bare,
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

pub(super) fn fingerprints_to_json(fingerprints: &[Fingerprint]) -> String {
    to_json(&texts(fingerprints))
}

pub(super) fn fingerprints_from_json(text: &str) -> Result<Vec<Fingerprint>, sqlx::Error> {
    from_json::<Vec<String>>(text).map(|texts| texts.into_iter().map(Fingerprint).collect())
}

pub(super) fn mentions_to_json(mentions: &Mentions) -> String {
    to_json(&mentions.iter().map(|(name, alerts)| (name, texts(alerts))).collect::<BTreeMap<_, _>>())
}

pub(super) fn mentions_from_json(text: &str) -> Result<Mentions, sqlx::Error> {
    let mentions: BTreeMap<String, Vec<String>> = from_json(text)?;
    Ok(mentions
        .into_iter()
        .map(|(name, alerts)| (name, alerts.into_iter().map(Fingerprint).collect()))
        .collect())
}

fn texts(fingerprints: &[Fingerprint]) -> Vec<&str> {
    fingerprints.iter().map(|fingerprint| fingerprint.0.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::RecipientStatus;

    #[test]
    fn what_became_of_a_recipient_keeps_the_word_that_stores_have() {
        for (status, word) in [
            (RecipientStatus::Accepted, "\"heard\""),
            (RecipientStatus::Refused, "\"refused\""),
            (RecipientStatus::Deferred, "\"deferred\""),
        ] {
            assert_eq!(to_json(&status), word);
            assert_eq!(from_json::<RecipientStatus>(word).unwrap(), status);
        }
    }
}

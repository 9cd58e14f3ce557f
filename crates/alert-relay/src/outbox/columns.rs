//! How values stand in columns, the same for those who write and those who read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::delivery::Missed;
use crate::message::Wording;
use crate::notification::{Alert, Fingerprint, LabelSet, Status};
use crate::routes::Mentions;

/// `what` in the tally, beside the ends.
pub(super) const ACCEPTED: &str = "accepted";

/// `what` in the tally of deliveries that are dead because they were set aside.
pub(super) const SET_ASIDE: &str = "set_aside";

/// What a version that is not known has written is as good as the usual.
pub(super) fn wording_from_word(word: &str) -> Wording {
    word.parse().unwrap_or_default()
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

/// An alert that a recipient missed, as JSON.
#[derive(Serialize, Deserialize)]
struct MissedAlert {
    knew: Option<StoredAlert>,
    now: StoredAlert,
}

/// An alert as JSON; times in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct StoredAlert {
    fingerprint: String,
    is_firing: bool,
    starts_at: i64,
    ends_at: Option<i64>,
    labels: LabelSet,
    annotations: LabelSet,
    generator_url: String,
}

impl StoredAlert {
    fn of(alert: &Alert) -> Self {
        Self {
            fingerprint: alert.fingerprint.0.clone(),
            is_firing: alert.status == Status::Firing,
            starts_at: Millis::from(alert.starts_at).0,
            ends_at: alert.ends_at.map(|at| Millis::from(at).0),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            generator_url: alert.generator_url.clone(),
        }
    }

    fn alert(self) -> Alert {
        Alert {
            status: if self.is_firing { Status::Firing } else { Status::Resolved },
            labels: self.labels,
            annotations: self.annotations,
            starts_at: Millis(self.starts_at).timestamp(),
            ends_at: self.ends_at.map(|at| Millis(at).timestamp()),
            generator_url: self.generator_url,
            fingerprint: Fingerprint(self.fingerprint),
        }
    }
}

pub(super) fn missed_to_json(missed: &[Missed]) -> String {
    let stored = |missed: &Missed| MissedAlert {
        knew: missed.knew.as_ref().map(StoredAlert::of),
        now: StoredAlert::of(&missed.now),
    };
    to_json(&missed.iter().map(stored).collect::<Vec<_>>())
}

pub(super) fn missed_from_json(text: &str) -> Result<Vec<Missed>, sqlx::Error> {
    let stored: Vec<MissedAlert> = from_json(text)?;
    let missed =
        |stored: MissedAlert| Missed { knew: stored.knew.map(StoredAlert::alert), now: stored.now.alert() };
    Ok(stored.into_iter().map(missed).collect())
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

//! What is kept of an alert that no route wants: what it is, and why (pure).
//!
//! The settings of that day are gone when somebody asks, so it is noted when it happens. All of it comes from outside, and is bounded.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::notification::{Fingerprint, LabelSet, Notification};
use crate::routes::{ReceiverSettings, why_unrouted};

/// Alerts of one webhook that are noted.
const MOST_NOTED: usize = 10;

/// Bytes of labels that are noted of one alert; a pair that does not fit any more is left out.
const MOST_LABEL_BYTES: usize = 2 * 1024;

/// Bytes of the reason.
const MOST_REASON_BYTES: usize = 1_024;

/// An alert that no route wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnroutedNote {
    /// Alertmanager's hash of its labels.
    pub(crate) fingerprint: String,
    /// Its labels.
    pub(crate) labels: LabelSet,
    /// Which matchers of the routes it did not meet, in a sentence.
    pub(crate) why: String,
}

/// Notes of the first of these alerts.
pub(crate) fn unrouted_notes(
    receiver: &ReceiverSettings,
    notification: &Notification,
    unrouted: &[Fingerprint],
) -> Vec<UnroutedNote> {
    let noted: HashSet<&Fingerprint> = unrouted.iter().take(MOST_NOTED).collect();
    let alerts = notification.alerts.iter().filter(|alert| noted.contains(&alert.fingerprint));
    alerts
        .map(|alert| {
            let mut why = why_unrouted(receiver, &alert.labels).unwrap_or_default();
            why.truncate(why.floor_char_boundary(MOST_REASON_BYTES));
            UnroutedNote { fingerprint: alert.fingerprint.0.clone(), labels: bounded(&alert.labels), why }
        })
        .collect()
}

fn bounded(labels: &LabelSet) -> LabelSet {
    let mut left = MOST_LABEL_BYTES;
    let fits = |(name, value): &(&str, &str)| {
        let bytes = name.len() + value.len();
        let fits = bytes <= left;
        if fits {
            left -= bytes;
        }
        fits
    };
    labels.iter().filter(fits).collect()
}

//! What a target would be sent of a webhook of choice, by its own channel's renderer and limits.

use serde::Serialize;

use crate::channel::Part;
use crate::clock::Millis;
use crate::delivery::SentPart;

/// Webhooks to choose from: the newest that are stored.
pub(crate) const RECENT_WEBHOOKS: u32 = 100;

/// A webhook to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecentWebhook {
    /// Its number.
    pub(crate) notification: i64,
    /// When it was accepted.
    pub(crate) at: Millis,
    /// The receiver in our URL.
    pub(crate) receiver: String,
    /// Alertmanager's name of the group.
    pub(crate) group_key: String,
    /// The names of its alerts in a few words; `None`: an older version stored it.
    pub(crate) alerts: Option<String>,
    /// Its size.
    pub(crate) bytes: u64,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PreviewOf {
    /// A webhook that is stored.
    Stored(i64),
    /// A webhook's body.
    Pasted(bytes::Bytes),
    /// A built-in sample, by its name.
    Sample(String),
}

/// What a target would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MessagePreview {
    /// The target.
    pub(crate) target: String,
    /// The kind of its channel, as people write it.
    pub(crate) channel: &'static str,
    /// `normal`, `smaller`, `plain` or `bare`.
    pub(crate) wording: &'static str,
    /// The parts in order.
    pub(crate) parts: Vec<SentPart>,
}

/// Bytes of one part's text that are shown.
const MOST_SHOWN: usize = 64 * 1024;

/// Parts as they are shown.
pub(crate) fn shown(parts: &[Part]) -> Vec<SentPart> {
    let shown = |(number, part): (u32, &Part)| {
        SentPart::new(number, part.recipient(), part.bytes(), part.preview(), MOST_SHOWN)
    };
    (1..).zip(parts).take(MOST_PARTS).map(shown).collect()
}

/// Parts that are shown: a mail has one for each recipient.
const MOST_PARTS: usize = 20;

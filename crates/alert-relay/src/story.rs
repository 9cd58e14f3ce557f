//! A delivery's story: everything the store knows about it, for people who ask why a message came, or did not.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Millis;
use crate::delivery::{End, PublicId, RecipientStatus, Rendering, SentPart};
use crate::notification::{Fingerprint, GroupKey};
use crate::routes::Mentions;
use crate::sender::Sender;

/// One delivery, from its webhook to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Story {
    /// Its name.
    pub(crate) id: PublicId,
    /// For whom it is.
    pub(crate) target: String,
    /// The webhook it is a share of.
    pub(crate) received: Received,
    /// The routes that wanted it, as [`Planned::routes`](crate::routes::Planned::routes); `None`: an older version stored it,
    /// which did not record them.
    pub(crate) routes: Option<Vec<String>>,
    /// The alerts for this target.
    pub(crate) alerts: Vec<Fingerprint>,
    /// Alerts for this target outside of its hours.
    pub(crate) outside_hours: Vec<Fingerprint>,
    /// Whom to mention.
    pub(crate) mentions: Mentions,
    /// How its message was last rendered; `None`: never.
    pub(crate) rendering: Option<Rendering>,
    /// Parts of the message, or recipients of the mail, that are proven delivered.
    pub(crate) parts_done: u32,
    /// Of a mail: what became of its recipients.
    pub(crate) recipients: BTreeMap<String, RecipientStatus>,
    /// Where it stands.
    pub(crate) status: DeliveryStatus,
    /// The newest attempts, oldest first: at most [`MAX_ATTEMPTS`].
    pub(crate) attempts: Vec<Attempt>,
    /// How many older attempts are left out.
    pub(crate) older_attempts: u64,
    /// What was sent, as it was last put; of many parts, and of mails, the first. Empty: nothing, or an older version sent it.
    pub(crate) sent: Vec<SentPart>,
}

/// Attempts that a story holds at most.
pub(crate) const MAX_ATTEMPTS: u32 = 50;

/// The webhook behind a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    /// The notification's number.
    pub(crate) notification: i64,
    /// When it was accepted.
    pub(crate) at: Millis,
    /// The receiver in our URL.
    pub(crate) endpoint: String,
    /// The receiver's name in Alertmanager.
    pub(crate) receiver: String,
    /// Who posted it.
    pub(crate) sender: Sender,
    /// Which group it is a snapshot of.
    pub(crate) group_key: GroupKey,
    /// The notification of which this is a copy.
    pub(crate) duplicate_of: Option<i64>,
    /// The body as it came, of a copy that of the original; `None`: that is no longer stored, or was not asked for.
    pub(crate) payload: Option<Bytes>,
}

/// How a store stands, as far as somebody has to act on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What waits, by target.
    pub(crate) waiting: BTreeMap<String, WaitingFor>,
    /// Deliveries that are dead, and about which nobody has done anything yet.
    pub(crate) dead_letters: u64,
    /// When the newest webhook was accepted.
    pub(crate) newest: Option<Millis>,
    /// Receivers that were posted to, and when last.
    pub(crate) posted: BTreeMap<String, Millis>,
}

/// What waits for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingFor {
    /// Deliveries.
    pub(crate) count: u64,
    /// When the oldest was accepted.
    pub(crate) oldest: Millis,
}

/// The webhooks of a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Their numbers, oldest first.
    pub(crate) numbers: Vec<i64>,
    /// How many older ones of the span are left out.
    pub(crate) older: u64,
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryStatus {
    /// It waits.
    Pending {
        /// Not tried again before.
        next_at: Millis,
        /// Somebody works on it until then.
        leased_until: Option<Millis>,
        /// Some recipients have the mail, the others were tried in vain so far.
        is_straggling: bool,
    },
    /// It is over.
    Ended {
        /// How.
        end: End,
        /// When.
        at: Millis,
        /// Why, in a few words.
        reason: String,
        /// The newer delivery that was sent for this one too, or would have been.
        sent_with: Option<PublicId>,
    },
}

/// One try to send one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Attempt {
    /// When it began.
    pub(crate) at: Millis,
    /// When it was over; `None` while it is under way.
    pub(crate) ended_at: Option<Millis>,
    /// The target whose channel was used.
    pub(crate) via: String,
    /// Which part (or recipient), from 1.
    pub(crate) part: u32,
    /// The outcome as a bounded word; `None` while it is under way.
    pub(crate) outcome: Option<String>,
    /// The reason as a bounded word.
    pub(crate) reason: Option<String>,
    /// The channel's own words.
    #[serde(rename = "words")]
    pub(crate) detail: Option<String>,
    /// The robot asked for silence until then.
    #[serde(rename = "silent_until")]
    pub(crate) pause_until: Option<Millis>,
}

/// Where something was seen: what the store holds of one fingerprint, or of what was set aside, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sightings {
    /// Deliveries: at most [`MAX_SIGHTINGS`].
    pub(crate) deliveries: Vec<Sighting>,
    /// Webhooks in which no route wanted it: at most [`MAX_SIGHTINGS`].
    pub(crate) unrouted: Vec<Unrouted>,
    /// There are more than these, or older deliveries that were not looked at.
    pub(crate) is_cut: bool,
}

/// Sightings that are listed at most, of each kind.
pub(crate) const MAX_SIGHTINGS: u32 = 20;

/// One delivery of these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sighting {
    /// Its name.
    pub(crate) id: PublicId,
    /// For whom it is.
    pub(crate) target: String,
    /// When its notification was accepted.
    pub(crate) at: Millis,
    /// The alert is outside of the target's hours.
    pub(crate) is_outside_hours: bool,
    /// Where it stands.
    pub(crate) status: DeliveryStatus,
}

/// A webhook that held an alert which no route wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unrouted {
    /// The notification's number.
    pub(crate) notification: i64,
    /// When it was accepted.
    pub(crate) at: Millis,
    /// The receiver in our URL.
    pub(crate) endpoint: String,
}

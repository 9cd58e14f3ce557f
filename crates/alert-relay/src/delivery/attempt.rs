//! The tries to send the parts of a delivery's message: plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::RecipientStatus;
use crate::delivery::sent_part::SentPart;
use crate::message::Wording;

/// A message that was tried before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How it was rendered then.
    pub(crate) rendering: Rendering,
    /// The parts (from 1) that are proven delivered; [`DIGEST_PART`] if it was told in a digest.
    pub(crate) done: BTreeSet<u32>,
    /// Of a mail: what became of its recipients.
    pub(crate) recipients: BTreeMap<String, RecipientStatus>,
}

impl Progress {
    /// Whether it was a digest that was tried.
    pub(crate) fn is_of_digest(&self) -> bool {
        self.rendering.parts == 0
    }

    /// Whether some recipients of a mail have it.
    pub(crate) fn is_partly_told(&self) -> bool {
        self.recipients.values().any(|status| *status == RecipientStatus::Accepted)
    }
}

/// How far a mail has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailProgress {
    /// By recipient; who was not tried is not in it.
    pub(crate) by_recipient: BTreeMap<String, RecipientStatus>,
    /// As in [`Pending::is_straggling`](crate::delivery::Pending::is_straggling).
    pub(crate) is_straggling: bool,
}

/// How a message was put into parts: with the same rendering, part 2 is the same part 2 again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendering {
    /// The target whose channel is used.
    pub(crate) via: String,
    /// With markup, smaller, or plain.
    pub(crate) wording: Wording,
    /// The `now` of the text.
    pub(crate) at: Millis,
    /// How many parts there are; 0 in a digest, which is none of them.
    pub(crate) parts: u32,
    /// Hash of what all of them say. Empty for mails, of which each is for somebody else, and where it is not known.
    pub(crate) text_hash: String,
}

/// One try to send one part.
#[derive(Clone, Debug)]
pub(crate) struct AttemptStart {
    /// The newest delivery of the claim.
    pub(crate) delivery: i64,
    /// How the message is rendered.
    pub(crate) rendering: Rendering,
    /// Hash of the robot's address.
    pub(crate) robot: String,
    /// Which part, from 1 ([`DIGEST_PART`] of a digest), and what it says.
    pub(crate) sent: SentPart,
    /// Of a digest: the other groups that it tells. Their leases are renewed too.
    pub(crate) also: Vec<String>,
}

/// The number that a digest has as a part: it is no part of the message that its delivery would have by itself.
pub(crate) const DIGEST_PART: u32 = 0;

/// What became of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptEnd {
    /// The number it got when it began.
    pub(crate) attempt: i64,
    /// The delivery it was for.
    pub(crate) delivery: i64,
    /// Proven delivered.
    pub(crate) is_delivered: bool,
    /// The outcome as a bounded word.
    pub(crate) outcome: &'static str,
    /// The reason as a bounded word.
    pub(crate) reason: Option<&'static str>,
    /// The channel's own words.
    pub(crate) detail: String,
    /// The robot asked for silence until then.
    pub(crate) pause_until: Option<Millis>,
    /// The message has to be put differently: its parts so far no longer count.
    pub(crate) next_wording: Option<Wording>,
    /// How far the mail has come with this; `None` where the parts make one message.
    pub(crate) recipients: Option<MailProgress>,
}

/// An attempt that still counts against a robot's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastAttempt {
    /// Hash of the robot's address.
    pub(crate) robot: String,
    /// How long ago it was over.
    pub(crate) ended_ago: Duration,
    /// The robot asked then for silence for this long.
    pub(crate) pause: Option<Duration>,
}

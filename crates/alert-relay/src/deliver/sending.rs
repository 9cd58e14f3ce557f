//! What is sent, and how that can come out.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Millis;
use crate::delivery::{End, Pending, Progress, RecipientStatus};
use crate::message::{Message, Wording};
use crate::recourse::Extent;

/// One message on its way to one target.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    /// The delivery it is sent for: the newest that waits in its group.
    pub(super) delivery: &'a Pending,
    /// How far it has come through this channel in earlier tries.
    pub(super) progress: Option<&'a Progress>,
    pub(super) message: Message,
    /// The mails of those who have missed earlier ones.
    pub(super) own: Vec<OwnMessage>,
    /// All of it, or a bare line.
    pub(super) extent: Extent,
}

/// Another message for some recipients of a mail.
#[derive(Debug)]
pub(super) struct OwnMessage {
    pub(super) recipients: BTreeSet<String>,
    pub(super) message: Message,
}

/// How it came out.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// It is over, for this reason; of a mail, with what became of its recipients.
    Ended(End, String, BTreeMap<String, RecipientStatus>),
    /// The channel takes it in no wording up to this one; its words.
    Refused(Wording, String),
    /// It is tried again then.
    Later(Millis),
    /// Somebody else has the claim and goes on.
    LeaseLost,
}

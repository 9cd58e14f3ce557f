//! What is sent, and how that can come out.

use crate::clock::Millis;
use crate::delivery::{End, Pending, Progress};
use crate::message::Message;

/// One message on its way to one target.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    /// The delivery it is sent for: the newest that waits in its group.
    pub(super) delivery: &'a Pending,
    /// How far it has come through this channel in earlier tries.
    pub(super) progress: Option<&'a Progress>,
    pub(super) message: Message,
}

/// How it came out.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// It is over, for this reason.
    Ended(End, String),
    /// It is tried again then.
    Later(Millis),
    /// Somebody else has the claim and goes on.
    LeaseLost,
}

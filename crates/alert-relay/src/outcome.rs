//! What became of one attempt to send.

use std::time::Duration;

/// The verdict of a channel about one part of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Proven by the channel's own reply; `receipt` is what it answered (a mail server's queue line, say), for the record.
    Delivered {
        /// The channel's words, at most a line.
        receipt: String,
    },
    /// Try again: later if the channel said when, else by our own backoff.
    Retry {
        /// Why, as a bounded word.
        reason: Reason,
        /// The channel's own demand, or `None`: the robot is to be left alone for this long, whatever the message.
        after: Option<Duration>,
        /// The channel's words for the record; never a secret.
        detail: String,
    },
    /// The channel counts differently from us: split smaller and send again.
    TooLarge {
        /// The channel's words for the record.
        detail: String,
    },
    /// The target itself is wrong (revoked robot, bad signature, refused login): nothing sent to it will arrive.
    Misconfigured {
        /// Why, as a bounded word.
        reason: Reason,
        /// The channel's words for the record.
        detail: String,
    },
    /// This content will never be accepted: try the plain fallback once, then give up. With [`Reason::Mailbox`] it is the recipient
    /// that is never accepted, in whatever words.
    Rejected {
        /// Why, as a bounded word.
        reason: Reason,
        /// The channel's words for the record.
        detail: String,
    },
}

impl Outcome {
    /// A bounded word: the metric label `outcome`, and the column in the store.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry { .. } => "retry",
            Self::TooLarge { .. } => "too_large",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// Why it failed, where there is more than one reason.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Delivered { .. } | Self::TooLarge { .. } => None,
            Self::Retry { reason, .. }
            | Self::Misconfigured { reason, .. }
            | Self::Rejected { reason, .. } => Some(*reason),
        }
    }

    /// Whether nobody knows what came of it: it was sent, and no verdict was heard. A further attempt may be a copy.
    pub(crate) fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Retry { reason: Reason::Timeout | Reason::BrokenReply, .. })
    }

    /// The channel's own words.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Delivered { receipt } => receipt,
            Self::TooLarge { detail }
            | Self::Retry { detail, .. }
            | Self::Misconfigured { detail, .. }
            | Self::Rejected { detail, .. } => detail,
        }
    }
}

/// Why an attempt failed: the value of the metric label `reason`, so the set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// Could not connect: refused, DNS, TLS, no answer before the message was sent.
    Connect,
    /// No answer in time; the message may or may not have arrived.
    Timeout,
    /// The connection broke or the reply could not be read.
    BrokenReply,
    /// 5xx, or the channel says it is busy.
    Busy,
    /// The channel says we send too fast.
    Throttled,
    /// The reply does not prove success: an HTML page, JSON without the code field.
    UnprovenReply,
    /// The robot, token or account does not exist or was stopped.
    UnknownRobot,
    /// Signature, keyword, address list or login refused.
    Refused,
    /// The mail server takes nothing for this one recipient, now or ever; others may be taken.
    Mailbox,
    /// The content was refused.
    Content,
    /// Our request was malformed: a bug here or a changed interface there.
    BadRequest,
    /// A code this version does not know.
    UnknownCode,
}

impl Reason {
    /// The metric label and the word in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::BrokenReply => "broken_reply",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::UnprovenReply => "unproven_reply",
            Self::UnknownRobot => "unknown_robot",
            Self::Refused => "refused",
            Self::Mailbox => "mailbox",
            Self::Content => "content",
            Self::BadRequest => "bad_request",
            Self::UnknownCode => "unknown_code",
        }
    }
}

//! The label sets of the metrics.

use prometheus_client::encoding::EncodeLabelSet;

use crate::outcome::Reason;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Notifications {
    pub(super) receiver: String,
    pub(super) result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Receiver {
    pub(super) receiver: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Heartbeat {
    pub(super) heartbeat: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct HttpRequests {
    pub(super) path: String,
    pub(super) code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Target {
    pub(super) target: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) target: String,
    pub(super) end: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Attempts {
    pub(super) target: String,
    pub(super) outcome: String,
    pub(super) reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StoreErrors {
    pub(super) kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ConnectionsClosed {
    pub(super) reason: String,
}

pub(super) fn attempts(target: &str, outcome: &str, reason: &str) -> Attempts {
    Attempts { target: target.to_owned(), outcome: outcome.to_owned(), reason: reason.to_owned() }
}

/// The outcomes and the reasons each can have.
pub(super) fn verdicts() -> [(&'static str, Vec<&'static str>); 5] {
    let of = |reasons: &[Reason]| reasons.iter().map(|reason| reason.as_str()).collect();
    [
        ("delivered", vec![""]),
        ("too_large", vec![""]),
        (
            "retry",
            of(&[
                Reason::Connect,
                Reason::Timeout,
                Reason::BrokenReply,
                Reason::Busy,
                Reason::Throttled,
                Reason::Mailbox,
                Reason::UnprovenReply,
                Reason::UnknownCode,
            ]),
        ),
        ("misconfigured", of(&[Reason::UnknownRobot, Reason::Refused])),
        ("rejected", of(&[Reason::Content, Reason::Mailbox, Reason::BadRequest])),
    ]
}

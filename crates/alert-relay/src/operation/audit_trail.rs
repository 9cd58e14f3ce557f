//! The audit trail: who changed something by hand, when, what, and what came of it.

use std::net::IpAddr;

use serde::Serialize;

use crate::clock::Millis;
use crate::render::clean;

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Who {
    /// Somebody whose name and password the web-config file has.
    User {
        /// The name.
        name: String,
        /// Where the connection came from.
        address: IpAddr,
    },
    /// A command on the same machine, through the control socket: the relay's own user.
    LocalCommand,
    /// Somebody who did not have to say who they are: the web-config file names no users.
    Anonymous {
        /// Where the connection came from.
        address: IpAddr,
    },
}

impl Who {
    /// The name in the trail: the user's, `local command` or `anonymous`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User { name, .. } => name,
            Self::LocalCommand => "local command",
            Self::Anonymous { .. } => "anonymous",
        }
    }

    /// Where the connection came from; `None`: from this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::User { address, .. } | Self::Anonymous { address } => Some(*address),
            Self::LocalCommand => None,
        }
    }
}

/// What can be done by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// A test message was sent.
    SendTest,
    /// The settings were read again.
    Reload,
    /// Dead letters were sent again.
    Retry,
    /// Dead letters were given up.
    GiveUp,
}

impl Action {
    /// The word in the store, in JSON and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SendTest => "send_test",
            Self::Reload => "reload",
            Self::Retry => "retry",
            Self::GiveUp => "give_up",
        }
    }
}

/// Something that was done, on its way into the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// By whom.
    pub(crate) who: Who,
    /// What.
    pub(crate) action: Action,
    /// To what: a target, a delivery, a filter in words. Bounded when it is stored.
    pub(crate) subject: String,
    /// Whether it was done.
    pub(crate) is_done: bool,
    /// What came of it, in words. Bounded when it is stored.
    pub(crate) result: String,
}

impl Deed {
    /// The subject as it is kept.
    pub(crate) fn bounded_subject(&self) -> String {
        clean::line(&self.subject, MOST_CHARACTERS)
    }

    /// The result as it is kept.
    pub(crate) fn bounded_result(&self) -> String {
        clean::line(&self.result, MOST_CHARACTERS)
    }
}

/// Characters of a subject and of a result that are kept.
const MOST_CHARACTERS: usize = 1_000;

/// Lines that are kept, the newest.
pub(crate) const MOST_KEPT: i64 = 10_000;

/// Lines on a page at most.
pub(crate) const LONGEST_PAGE: u32 = 200;

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TrailEntry {
    /// Counts up.
    pub(crate) id: i64,
    /// When it was done.
    pub(crate) at: Millis,
    /// As [`Who::name`] has it.
    pub(crate) who: String,
    /// As [`Who::address`] has it.
    pub(crate) address: Option<String>,
    /// As [`Action::as_str`] has it.
    pub(crate) action: String,
    /// To what.
    pub(crate) subject: String,
    /// Whether it was done.
    pub(crate) is_done: bool,
    /// What came of it.
    pub(crate) result: String,
}

/// Some lines of the trail, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TrailPage {
    /// The lines.
    pub(crate) entries: Vec<TrailEntry>,
    /// `before` of the next page; `None`: this is the last one.
    pub(crate) next: Option<i64>,
}

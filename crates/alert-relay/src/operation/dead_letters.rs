//! Dead letters: deliveries that are dead and about which nobody has done anything yet.
//!
//! A dead letter is sent again as a new delivery of the same webhook, so that it has its place in its queue and in every count. What a chat
//! was told of since by a newer delivery of the same group is not sent again: it would say what was, not what is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::delivery::PublicId;
use crate::operation::deliveries::DeliveryFilter;

/// Dead letters that one transaction looks at.
pub(crate) const AT_ONCE: u32 = 250;

/// Dead letters that one request looks at; whoever wants more asks again.
pub(crate) const MOST_AT_A_TIME: u32 = 10_000;

/// Ids that an answer names; the rest is a number.
pub(crate) const MOST_NAMED: usize = 50;

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// This one.
    One(PublicId),
    /// All that a filter finds, the newest first.
    All(DeliveryFilter),
}

/// For the audit trail.
impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(id) => write!(out, "dead letter {id}"),
            Self::All(filter) => write!(out, "dead letters with {filter}"),
        }
    }
}

/// What is to be done about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// They are sent again, if their target is in the settings.
    Retry {
        /// The targets of the settings, by each name that they have or had (`was`).
        targets: BTreeMap<String, String>,
    },
    /// They are seen, and nothing more is to be done.
    GiveUp,
}

/// What became of the dead letters that were meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Settled {
    /// How many are no dead letters any more.
    pub(crate) changed: u64,
    /// How many were left as they are, since a newer delivery has told or will tell that chat about the group.
    pub(crate) told_since: u64,
    /// How many were left as they are, since the settings have no such target.
    pub(crate) without_target: u64,
    /// There are more of them that were not looked at: ask again.
    pub(crate) has_more: bool,
    /// The new deliveries, for a retry: at most [`MOST_NAMED`].
    pub(crate) deliveries: Vec<PublicId>,
}

/// In a sentence.
impl fmt::Display for Settled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} changed", self.changed)?;
        if self.told_since > 0 {
            write!(out, "; {} left, since a newer delivery tells of the group", self.told_since)?;
        }
        if self.without_target > 0 {
            write!(out, "; {} left, since the settings have no such target", self.without_target)?;
        }
        if self.has_more {
            out.write_str("; there are more (hint: ask again)")?;
        }
        Ok(())
    }
}

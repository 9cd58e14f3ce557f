//! Dead letters: deliveries that are dead and about which nobody has done anything yet.
//!
//! A dead letter is sent again as a new delivery of the same webhook, so that it has its place in its queue and in every count. What a chat
//! was told of since by a newer delivery of the same group is not sent again: it would say what was, not what is.

use serde::Serialize;

use crate::delivery::PublicId;
use crate::operation::deliveries::DeliveryFilter;

/// Dead letters that one request changes at most.
pub(crate) const MOST_CHANGED: u32 = 1_000;

/// Ids that an answer names; the rest is a number.
pub(crate) const MOST_NAMED: usize = 50;

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// This one.
    One(PublicId),
    /// All that a filter finds; its state is not asked. The oldest [`MOST_CHANGED`] of them.
    All(DeliveryFilter),
}

/// What became of the dead letters that were meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Settled {
    /// How many were changed.
    pub(crate) changed: u64,
    /// How many were left as they are, since a newer delivery has told or will tell that chat about the group.
    pub(crate) told_since: u64,
    /// How many were left as they are, since the settings have no such target.
    pub(crate) without_target: u64,
    /// How many more the filter finds: ask again.
    pub(crate) left: u64,
    /// The new deliveries, for a retry: at most [`MOST_NAMED`].
    pub(crate) deliveries: Vec<PublicId>,
}

//! Dead letters as the store is asked to treat them: a few at a time, so that a webhook never waits long behind them.

use crate::operation::dead_letters::{Selection, Treatment};
use crate::operation::deliveries::{DeliveryFilter, Place};

/// What the writer is asked to do to the next of them.
#[derive(Clone, Debug)]
pub(super) struct Letters {
    /// Of these dead letters,
    pub(super) filter: DeliveryFilter,
    /// the one with this number, if there is one here,
    pub(super) number: Option<i64>,
    /// those after this place in the list.
    pub(super) after: Option<Place>,
    pub(super) treatment: Treatment,
}

/// What became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct LetterBatch {
    pub(super) looked_at: u32,
    pub(super) last: Option<Place>,
    pub(super) has_more: bool,
    pub(super) changed: u64,
    pub(super) told_since: u64,
    pub(super) without_target: u64,
    /// New deliveries.
    pub(super) deliveries: Vec<i64>,
}

impl Letters {
    /// All that are meant, from the newest on.
    pub(super) fn all(selection: &Selection, treatment: Treatment) -> Self {
        let dead = |filter: DeliveryFilter| DeliveryFilter { only_dead_letters: true, state: None, ..filter };
        let (filter, number) = match selection {
            Selection::One(id) => (dead(DeliveryFilter::default()), Some(id.number())),
            Selection::All(filter) => (dead(filter.clone()), None),
        };
        Self { filter, number, after: None, treatment }
    }
}

//! Which readings a GPU gives, by name, as far as is known.
//!
//! What was refused is not asked for in each sweep: most of it the card does not have. But a refusal may pass (a mode, a permission, a
//! driver in trouble), so it is asked for again after some minutes and after each event. What was had before is asked for always.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::gpu::fault::FaultReason;

/// What was refused is asked for again after this long.
pub(super) const AGAIN: Duration = Duration::from_mins(5);

/// What is known of the readings of one GPU.
#[derive(Debug, Default)]
pub(crate) struct Support(BTreeMap<String, Known>);

/// What is known of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was answered once, or failed.
    Had,
    /// It was refused, and never had.
    Refused { reason: FaultReason, at: Instant, events: u32 },
}

impl Support {
    /// Whether the reading need not be asked for at `now`, after so many events.
    pub(super) fn is_refused(&self, reading: &str, now: Instant, events: u32) -> bool {
        match self.0.get(reading) {
            Some(Known::Refused { at, events: then, .. }) => {
                *then == events && now.saturating_duration_since(*at) < AGAIN
            }
            Some(Known::Had) | None => false,
        }
    }

    /// The reading was answered.
    pub(super) fn answered(&mut self, reading: &str) {
        // Most answers change nothing, in each sweep.
        if self.0.get(reading) != Some(&Known::Had) {
            self.0.insert(reading.to_owned(), Known::Had);
        }
    }

    /// The reading was refused. Returns whether that is a loss: it was had before.
    pub(super) fn refused(&mut self, reading: &str, reason: FaultReason, at: Instant, events: u32) -> bool {
        if self.0.get(reading) == Some(&Known::Had) {
            return true;
        }
        self.0.insert(reading.to_owned(), Known::Refused { reason, at, events });
        false
    }

    /// Whether the reading was refused to this user, and never had.
    pub(super) fn is_forbidden(&self, reading: &str) -> bool {
        matches!(self.0.get(reading), Some(Known::Refused { reason: FaultReason::NoPermission, .. }))
    }

    /// Nothing is known of the reading.
    pub(super) fn forget(&mut self, reading: &str) {
        self.0.remove(reading);
    }

    /// The readings that were refused.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &str> {
        let refused = self.0.iter().filter(|(_, known)| **known != Known::Had);
        refused.map(|(reading, _)| reading.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_asked_for_again_after_minutes_and_after_each_event() {
        let (start, minutes) = (Instant::now(), Duration::from_mins);
        let mut support = Support::default();
        assert!(!support.is_refused("fan", start, 0), "nothing is known");
        let none = FaultReason::NotSupported;
        assert!(!support.refused("fan", none, start, 0), "it was never there");
        assert!(support.is_refused("fan", start + minutes(4), 0));
        assert!(!support.is_refused("fan", start + minutes(5), 0), "later");
        assert!(!support.is_refused("fan", start + minutes(1), 1), "an event");
        assert_eq!(support.refusals().collect::<Vec<_>>(), ["fan"]);

        support.answered("fan");
        assert!(support.refused("fan", none, start, 1), "it was there");
        assert!(!support.is_refused("fan", start, 1), "so it is asked for each time");
        assert_eq!(support.refusals().count(), 0);
    }
}

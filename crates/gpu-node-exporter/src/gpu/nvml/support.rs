//! Which readings a GPU gives, by name, as far as is known.
//!
//! What was refused is not asked for in each sweep: most of it the card does not have. But a refusal may pass (a mode, a permission, a
//! driver in trouble), so it is asked for again after some minutes and after each event. What was had before is asked for always: that it is
//! refused is a loss, and stays one. Only a card in MIG mode may just no longer have it: it is divided anew, or has said so for minutes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::gpu::fault::FaultReason;

/// What was refused is asked for again after this long.
pub(super) const AGAIN: Duration = Duration::from_mins(5);

/// What was had and is "not supported" for as long, without an answer, a card in MIG mode no longer has: until then that is a loss.
const SETTLED: Duration = AGAIN;

/// What is known of the readings of one GPU.
#[derive(Debug, Default)]
pub(crate) struct Support {
    readings: BTreeMap<String, Known>,
    /// It is in MIG mode.
    pub(super) is_divided: bool,
}

/// What is known of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was answered.
    Had,
    /// It was had, and is refused since then.
    Lost { reason: FaultReason, since: Instant },
    /// It was refused, and never had or not for long.
    Refused { reason: FaultReason, at: Instant, events: u32 },
}

impl Support {
    /// Whether the reading need not be asked for at `now`, after so many events.
    pub(super) fn is_refused(&self, reading: &str, now: Instant, events: u32) -> bool {
        match self.readings.get(reading) {
            Some(Known::Refused { at, events: then, .. }) => {
                *then == events && now.saturating_duration_since(*at) < AGAIN
            }
            Some(Known::Had | Known::Lost { .. }) | None => false,
        }
    }

    /// The reading was answered.
    pub(super) fn answered(&mut self, reading: &str) {
        // Most answers change nothing, in each sweep.
        if self.readings.get(reading) != Some(&Known::Had) {
            self.readings.insert(reading.to_owned(), Known::Had);
        }
    }

    /// The reading was refused. Returns whether that is a loss: it was had before, and is not what a card in MIG mode just no longer has.
    pub(super) fn refused(&mut self, reading: &str, reason: FaultReason, at: Instant, events: u32) -> bool {
        let since = match self.readings.get(reading) {
            Some(Known::Had) => Some(at),
            Some(Known::Lost { since, .. }) => Some(*since).filter(|since| {
                let has_settled = self.is_divided && at.saturating_duration_since(*since) >= SETTLED;
                reason != FaultReason::NotSupported || !has_settled
            }),
            Some(Known::Refused { .. }) | None => None,
        };
        let known = match since {
            Some(since) => Known::Lost { reason, since },
            None => Known::Refused { reason, at, events },
        };
        self.readings.insert(reading.to_owned(), known);
        since.is_some()
    }

    /// Whether the reading was refused to this user, and never had.
    pub(super) fn is_forbidden(&self, reading: &str) -> bool {
        matches!(self.readings.get(reading), Some(Known::Refused { reason: FaultReason::NoPermission, .. }))
    }

    /// Nothing is known of the reading.
    pub(super) fn forget(&mut self, reading: &str) {
        self.readings.remove(reading);
    }

    /// The GPU was divided anew: what it has no longer is no loss, but what is not permitted any more.
    pub(super) fn forget_losses(&mut self) {
        self.readings.retain(|_, known| match known {
            Known::Had => false,
            Known::Lost { reason, .. } => *reason == FaultReason::NoPermission,
            Known::Refused { .. } => true,
        });
    }

    /// The readings that were refused.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &str> {
        let refused = self.readings.iter().filter(|(_, known)| matches!(known, Known::Refused { .. }));
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

    #[test]
    fn what_was_lost_is_a_loss_until_it_comes_back() {
        let (start, minutes) = (Instant::now(), Duration::from_mins);
        let mut support = Support::default();
        support.answered("rows");
        for minute in [0, 1, 5, 15, 900] {
            let at = start + minutes(minute);
            assert!(support.refused("rows", FaultReason::NotSupported, at, 0), "{minute}");
            assert!(!support.is_refused("rows", at, 0), "it is asked for each time");
        }
        support.answered("rows");
        assert!(support.refused("rows", FaultReason::NotSupported, start + minutes(901), 0), "once more");
    }

    #[test]
    fn what_a_card_in_mig_mode_does_not_support_any_more_is_a_loss_for_minutes() {
        let (start, minutes) = (Instant::now(), Duration::from_mins);
        let mut support = Support { is_divided: true, ..Support::default() };
        support.answered("rows");
        support.answered("power");
        let (none, forbidden) = (FaultReason::NotSupported, FaultReason::NoPermission);
        for minute in 0..5 {
            assert!(support.refused("rows", none, start + minutes(minute), 0), "{minute}");
            assert!(support.refused("power", forbidden, start + minutes(minute), 0));
        }
        assert!(!support.refused("rows", none, start + minutes(5), 0), "the card has it no longer");
        assert!(support.is_refused("rows", start + minutes(6), 0));
        assert!(
            support.refused("power", forbidden, start + minutes(50), 0),
            "a permission is a loss for good"
        );
        support.answered("rows");
        assert!(support.refused("rows", none, start + minutes(60), 0), "it came back and is lost again");
    }

    #[test]
    fn nothing_is_a_loss_once_a_gpu_was_divided_anew() {
        let (start, none) = (Instant::now(), FaultReason::NotSupported);
        let mut support = Support::default();
        support.refused("fan", none, start, 0);
        support.answered("rows");
        support.answered("power");
        assert!(support.refused("power", none, start, 0));
        support.answered("clock");
        assert!(support.refused("clock", FaultReason::NoPermission, start, 0));
        support.forget_losses();
        assert!(!support.refused("rows", none, start, 0) && !support.refused("power", none, start, 0));
        assert!(support.refused("clock", FaultReason::NoPermission, start, 0), "that is no matter of parts");
        assert!(support.is_refused("fan", start, 0));
    }
}

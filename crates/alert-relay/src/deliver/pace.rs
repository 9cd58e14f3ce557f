//! How patient the deliverer is: the times that stand in no settings file.

use std::time::Duration;

use crate::health::Patience;
use crate::retry::Backoff;

/// The deliverer's times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A claim that is not renewed is free again after this long. Longer than any attempt may take.
    pub(crate) lease: Duration,
    /// Between the attempts of one group.
    pub(crate) backoff: Backoff,
    /// With a target that is not well.
    pub(crate) patience: Patience,
    /// A delivery that did not arrive for this long is dead, if its target was in order for as long.
    pub(crate) give_up_after: Duration,
    /// A recipient that cannot be reached for this long misses a mail that others have. Well before a delivery is dead, so that its
    /// end says who has it.
    pub(crate) straggle_for: Duration,
    /// A delivery is dead after this long, whatever happened. A target that is misconfigured needs a person: over a weekend and a
    /// holiday.
    pub(crate) hold_for: Duration,
    /// No delivery is dead for its age before the relay has run for this long.
    pub(crate) least_tried: Duration,
    /// Between two rounds of the housekeeping.
    pub(crate) housekeeping: Duration,
    /// Who has posted nothing of a group for this long reports nothing of it any more. Alertmanager repeats what fires within its
    /// `--data.retention` of 120 hours, however long `repeat_interval` is.
    pub(crate) silent_for: Duration,
    /// After a start nobody counts as silent for this long. Alertmanager repeats what it could not post within `group_interval`.
    pub(crate) settle_in: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        Self {
            lease: Duration::from_mins(3),
            backoff: Backoff { first: Duration::from_secs(2), cap: Duration::from_mins(5) },
            patience: Patience::default(),
            straggle_for: hours(12),
            give_up_after: hours(24),
            hold_for: hours(7 * 24),
            least_tried: hours(1),
            housekeeping: Duration::from_secs(15),
            silent_for: hours(126),
            settle_in: hours(1),
        }
    }
}

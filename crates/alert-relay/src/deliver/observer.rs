//! What the deliverer does, step by step, for whoever watches it.
//!
//! Nothing is decided by what an observer sees. In the relay nobody watches; tests do, to know when nothing more will happen at the
//! present time of their clock.

use std::fmt;

use crate::clock::Millis;

/// Is shown every step.
pub(crate) trait Observer: fmt::Debug + Send + Sync {
    /// This has just happened.
    fn saw(&self, step: Step);
}

/// One step of the dispatcher, of a delivery or of the housekeeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The dispatcher was woken by new deliveries.
    Arrived,
    /// The dispatcher looks at what is due.
    LookBegan,
    /// It has begun what may begin, and rests.
    LookEnded {
        /// Deliveries that are being sent.
        under_way: usize,
        /// It looks again then, if nothing happens before.
        wake_at: Option<Millis>,
    },
    /// The webhooks of a claim were read, by the thread that says so.
    ClaimRead,
    /// A round of the housekeeping is over.
    HousekeepingEnded {
        /// The next one begins then.
        next_at: Millis,
    },
}

/// Watches nothing.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn saw(&self, _step: Step) {}
}

//! Events of GPUs beside XIDs, counted since the exporter started.

use std::collections::BTreeMap;

use crate::gpu::driver_event::{DriverEvent, EventKind, Watched};

/// How many of each kind, by GPU UUID. A kind that the driver would report is there from the start, at zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct DriverEvents(BTreeMap<String, BTreeMap<EventKind, u64>>);

impl DriverEvents {
    /// Whether [`DriverEvents::watch`] has nothing to do.
    pub(super) fn watches(&self, watched: &Watched) -> bool {
        self.0
            .get(&watched.uuid)
            .is_some_and(|counts| watched.kinds.iter().all(|kind| counts.contains_key(kind)))
    }

    /// The driver would report these from now on. What was counted before stays: another probe says so again.
    pub(super) fn watch(&mut self, watched: Watched) {
        let counts = self.0.entry(watched.uuid).or_default();
        for kind in watched.kinds {
            counts.entry(kind).or_default();
        }
    }

    pub(super) fn count(&mut self, event: DriverEvent) {
        *self.0.entry(event.uuid).or_default().entry(event.kind).or_default() += 1;
    }

    /// How many of each kind the GPU with this UUID had.
    pub(crate) fn of(&self, uuid: &str) -> impl Iterator<Item = (EventKind, u64)> {
        self.0.get(uuid).into_iter().flatten().map(|(kind, count)| (*kind, *count))
    }
}

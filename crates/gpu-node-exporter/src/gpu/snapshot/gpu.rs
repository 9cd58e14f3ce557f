//! One GPU once seen: whether it answers, what it said last, and what was summed up of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gpu::fault::FaultReason;
use crate::gpu::reading::{Reading, Sums};
use crate::gpu::subject::Step;

/// One GPU once seen.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    /// NVML's present or last index.
    pub(crate) index: u32,
    /// Unknown for one that has never answered.
    pub(crate) uuid: Option<String>,
    /// PCI address in sysfs' form.
    pub(crate) pci_bus_id: Option<String>,
    pub(crate) presence: Presence,
    pub(crate) sums: Sums,
    read_at: Option<Instant>,
}

/// Whether a GPU takes part.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// It answered in the last sweep.
    Up(Arc<Reading>),
    /// It answers no more.
    Failed(FaultReason),
    /// It is skipped, since a call to it never returned or crashed.
    Stuck,
    /// The driver no longer lists it.
    Missing,
}

impl Presence {
    /// In words, for logs; `None` is well.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => None,
            Self::Failed(reason) => Some(reason.text()),
            Self::Stuck => Some("stuck in the driver, left alone for now"),
            Self::Missing => Some("no longer listed by the driver"),
        }
    }
}

impl Gpu {
    pub(super) fn new(index: u32, uuid: Option<String>) -> Self {
        Self {
            index,
            uuid,
            pci_bus_id: None,
            presence: Presence::Missing,
            sums: Sums::default(),
            read_at: None,
        }
    }

    /// Takes in what it said in a sweep that arrived at `now`. A gap longer than `longest_gap` adds nothing to the sums.
    pub(super) fn read(&mut self, index: u32, reading: Arc<Reading>, now: Instant, longest_gap: Duration) {
        self.index = index;
        self.pci_bus_id.clone_from(&reading.subjects.identity.pci_bus_id);
        let gap = self.read_at.map(|before| now.saturating_duration_since(before));
        let gap = gap.filter(|gap| *gap <= longest_gap).unwrap_or_default();
        reading.subjects.add_to(&mut self.sums, Step { now, gap });
        self.read_at = Some(now);
        self.presence = Presence::Up(reading);
    }
}

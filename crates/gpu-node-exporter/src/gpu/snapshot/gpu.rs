//! One GPU once seen: whether it answers, what it said last, and what was summed up of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gpu::clone_on_write::Shared;
use crate::gpu::fault::FaultReason;
use crate::gpu::reading::{Identity, Reading, Sums};
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
    /// Who it was when it last answered.
    pub(crate) identity: Shared<Identity>,
    /// When its last reading arrived.
    pub(crate) read_at: Option<Instant>,
    /// The time between its last two readings; zero until there are two.
    pub(crate) pace: Duration,
    /// The driver has been away since its last reading, which is out of date, however young it is.
    pub(super) is_outdated: bool,
    /// The number of the driver's list in which it last was.
    pub(super) list: u64,
}

/// Whether a GPU takes part.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// It answered when it was last asked.
    Up(Arc<Reading>),
    /// It answers no more.
    Failed(FaultReason),
    /// A call to it did not return, or crashed.
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
            Self::Stuck => Some("stuck in the driver, tried again now and then"),
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
            identity: Shared::default(),
            read_at: None,
            pace: Duration::ZERO,
            is_outdated: false,
            list: 0,
        }
    }

    /// Its PCI address without function (`0000:17:00`).
    pub(super) fn slot(&self) -> Option<&str> {
        Some(self.pci_bus_id.as_deref()?.rsplit_once('.')?.0)
    }

    /// What the driver asked for when it last answered (NVML field 230).
    pub(super) fn recovery_action(&self) -> Option<u32> {
        match &self.presence {
            Presence::Up(reading) => reading.subjects.recovery.action,
            _ => None,
        }
    }

    /// Whether the driver that gave the last reading is still there.
    pub(crate) fn is_current(&self) -> bool {
        !self.is_outdated
    }

    /// Takes in what it said, as it arrived at `now`. A gap longer than `longest_gap` adds nothing to the sums, and neither does one in which
    /// it was found not to answer, or its driver was away.
    pub(super) fn read(&mut self, index: u32, reading: Arc<Reading>, now: Instant, longest_gap: Duration) {
        self.index = index;
        self.pci_bus_id.clone_from(&reading.subjects.identity.pci_bus_id);
        self.identity = reading.subjects.identity.clone();
        let gap = self.read_at.map(|before| now.saturating_duration_since(before));
        self.pace = gap.unwrap_or_default();
        let was_read = matches!(self.presence, Presence::Up(_)) && self.is_current();
        self.is_outdated = false;
        let gap = gap.filter(|gap| was_read && *gap <= longest_gap).unwrap_or_default();
        reading.subjects.add_to(&mut self.sums, Step { now, gap });
        self.read_at = Some(now);
        self.presence = Presence::Up(reading);
    }
}

//! All that is known of the GPUs, from the probe's frames.
//!
//! Owns what outlives a probe: GPUs once seen with their last readings and sums, and XID counts. Each GPU is taken in as it answers. Leaves out metric names
//! (`families`), when readings are too old (`stale`), and the probe's life (`supervisor`).

mod driver_events;
mod errors;
mod gpu;
mod incident;
mod occurrence;
mod switches;
mod xids;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use self::errors::{Error, Errors};
pub(super) use self::gpu::{Gpu, Presence};
pub(super) use self::incident::SILENCE;
pub(super) use self::occurrence::Moment;
pub(super) use self::xids::{XidCount, Xids};
use super::driver::{Driver, Failure};
use super::driver_event::{DriverEvent, Watched};
use super::fault::FaultReason;
use super::pci::{NVIDIA_DRIVER, PciGpu};
use super::reading::Reading;
use super::restart::Restart;
use super::settings::longest_gap;
use super::xid::{Report, Severities};

/// Everything a scrape can show of the GPUs.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Known while the driver is loaded.
    pub(super) driver: Option<Driver>,
    /// All GPUs once seen, in order of index.
    ///
    /// They and the errors are shared with the snapshots that were published before, as far as they are the same.
    pub(super) gpus: Vec<Arc<Gpu>>,
    pub(super) errors: Arc<Errors>,
    /// When a GPU last answered.
    pub(super) heard_at: Option<Instant>,
    /// Since when GPUs can be expected to answer: from the start, the coming of the driver, or its acquisition, whichever was last.
    pub(super) awaited_since: Option<Instant>,
    /// Every GPU that the driver lists has answered once, or was found not to.
    pub(super) is_complete: bool,
    /// What the driver lists.
    list: List,
    /// What the PCI bus has.
    pub(super) pci: Vec<PciGpu>,
    pub(super) probe: ProbeHealth,
    /// What the recordings of readings take.
    pub(super) recorded_bytes: usize,
    /// Gaps longer than this (a released driver, a long hang) are not filled with the rate at their end.
    longest_gap: Duration,
}

/// How the probe itself is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ProbeHealth {
    /// A probe is running and has a driver.
    pub(super) is_up: bool,
    /// An administrator has the driver.
    pub(super) is_released: bool,
    /// Replacements by reason.
    pub(super) restarts: Vec<(Restart, u64)>,
    /// Given up and not gone.
    pub(super) abandoned: usize,
    /// Why there is no driver.
    pub(super) failure: Option<Failure>,
    pub(super) usage: Option<ProbeUsage>,
}

/// What the probes use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProbeUsage {
    /// Present now, those that cannot be ended among them.
    pub(super) processes: u64,
    /// Of all there ever were, in clock ticks. Sums of seconds would be off in their last digit, and a counter that goes back by so little
    /// is one that began anew.
    pub(super) cpu_ticks: u64,
    /// Of those present; what they share counts for each.
    pub(super) resident_bytes: u64,
}

/// The driver's list of GPUs.
#[derive(Clone, Debug, Default)]
struct List {
    /// How many lists there were before: an index means another GPU in each.
    number: u64,
    count: u32,
    /// The indices of which something is known.
    heard: BTreeSet<u32>,
}

impl Snapshot {
    /// Nothing is known yet; sweeps will come in this interval.
    pub(super) fn swept_every(sample_interval: Duration, severities: Severities) -> Self {
        Self {
            longest_gap: longest_gap(sample_interval),
            errors: Arc::new(Errors::new(severities)),
            ..Self::default()
        }
    }

    /// The driver lists so many GPUs. What was known by index holds no more.
    pub(super) fn listed(&mut self, count: u32) {
        self.list = List { number: self.list.number + 1, count, heard: BTreeSet::new() };
        self.is_complete = false;
        // One that never answered has no name to be remembered by.
        self.gpus.retain(|gpu| gpu.uuid.is_some());
        self.look_for_missing();
    }

    /// The GPU at this index answered at `now`.
    pub(super) fn read(&mut self, index: u32, reading: Arc<Reading>, now: Instant) {
        self.heard_at = Some(now);
        // The GPU without a name had one all the time; and another that was here before is elsewhere now, or gone.
        self.gpus.retain(|gpu| gpu.uuid.is_some() || gpu.index != index);
        for other in self.gpus.iter_mut().filter(|gpu| gpu.index == index) {
            Arc::make_mut(other).list = 0;
        }
        let known = self.gpus.iter().position(|known| known.uuid.as_ref() == Some(&reading.uuid));
        let at = known.unwrap_or_else(|| {
            self.gpus.push(Arc::new(Gpu::new(index, Some(reading.uuid.clone()))));
            self.gpus.len() - 1
        });
        let gpu = Arc::make_mut(&mut self.gpus[at]);
        gpu.list = self.list.number;
        let asked_before = gpu.recovery_action();
        let uuid = reading.uuid.clone();
        gpu.read(index, reading, now, self.longest_gap);
        if !self.errors.is_named(&uuid, gpu.slot()) {
            Arc::make_mut(&mut self.errors).named(&uuid, gpu.slot());
        }
        if let Some(action) = gpu.recovery_action()
            && asked_before != Some(action)
        {
            Arc::make_mut(&mut self.errors).asked_for(&uuid, action, now);
        }
        self.heard(index);
    }

    /// The GPU at this index failed when it was asked at `now`.
    pub(super) fn failed(&mut self, index: u32, reason: FaultReason, now: Instant) {
        self.heard_at = Some(now);
        self.has_no_reading(index, Presence::Failed(reason));
    }

    /// Calls to the GPU at this index do not return, or crash.
    pub(super) fn stuck(&mut self, index: u32) {
        self.has_no_reading(index, Presence::Stuck);
    }

    /// The UUID of the GPU at this index, if it answered when it was last asked.
    pub(super) fn answering(&self, index: u32) -> Option<&str> {
        let answers = |gpu: &&Arc<Gpu>| gpu.index == index && matches!(gpu.presence, Presence::Up(_));
        self.gpus.iter().find(answers)?.uuid.as_deref()
    }

    /// One that does not answer is known by the index it last had, unless another has that index now.
    fn has_no_reading(&mut self, index: u32, presence: Presence) {
        let here = |gpu: &&mut Arc<Gpu>| gpu.index == index;
        if let Some(gpu) = self.gpus.iter_mut().filter(here).max_by_key(|gpu| gpu.list) {
            let gpu = Arc::make_mut(gpu);
            (gpu.presence, gpu.list) = (presence, self.list.number);
        } else {
            let mut gpu = Gpu::new(index, None);
            (gpu.presence, gpu.list) = (presence, self.list.number);
            self.gpus.push(Arc::new(gpu));
        }
        self.heard(index);
    }

    fn heard(&mut self, index: u32) {
        self.list.heard.insert(index);
        self.look_for_missing();
        self.gpus.sort_by(|a, b| (a.index, &a.uuid).cmp(&(b.index, &b.uuid)));
    }

    /// Once all GPUs on the list are known, those that were known before and are not among them are missing.
    fn look_for_missing(&mut self) {
        self.is_complete |= self.list.heard.range(..self.list.count).count() == self.list.count as usize;
        if self.is_complete {
            for gpu in self.gpus.iter_mut().filter(|gpu| gpu.list != self.list.number) {
                if !matches!(gpu.presence, Presence::Missing) {
                    Arc::make_mut(gpu).presence = Presence::Missing;
                }
            }
        }
    }

    /// A probe has initialised this driver at `now`. Returns whether it is another than before.
    pub(super) fn initialised(&mut self, driver: Driver, now: Instant) -> bool {
        if self.driver.is_none() {
            self.awaited_since = Some(now);
        }
        self.probe.failure = None;
        let before = self.driver.replace(driver);
        before != self.driver
    }

    /// No probe has a driver any more.
    pub(super) fn lost_driver(&mut self, failure: Failure) {
        self.driver = None;
        self.outdate();
        self.probe.failure = Some(failure);
    }

    /// The driver has gone: readings taken before are out of date.
    pub(super) fn outdate(&mut self) {
        for gpu in &mut self.gpus {
            Arc::make_mut(gpu).is_outdated = true;
        }
    }

    /// NVML reports an XID.
    pub(super) fn count_xid(&mut self, uuid: &str, code: u32, moment: Moment) -> Option<Error> {
        Arc::make_mut(&mut self.errors).driver_says(uuid, code, moment)
    }

    /// NVML would report these events of a GPU from now on.
    pub(super) fn watch_events(&mut self, watched: Watched) {
        if !self.errors.driver_events.watches(&watched) {
            Arc::make_mut(&mut self.errors).driver_events.watch(watched);
        }
    }

    /// NVML reports another event than an XID.
    pub(super) fn count_event(&mut self, event: DriverEvent) {
        Arc::make_mut(&mut self.errors).driver_events.count(event);
    }

    /// The kernel log reports something.
    pub(super) fn count_report(&mut self, report: Report, moment: Moment) -> Option<Error> {
        let branch = self.driver.as_ref().and_then(Driver::branch);
        let gpus = &self.gpus;
        let uuid_at = |slot: &str| gpus.iter().find(|gpu| gpu.slot() == Some(slot))?.uuid.clone();
        Arc::make_mut(&mut self.errors).kernel_log_says(report, uuid_at, branch, moment)
    }

    /// PCI devices that the NVIDIA driver has taken and does not list, as far as the GPUs without a name are not these.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &PciGpu> {
        let is_listed = |gpu: &&Arc<Gpu>| !matches!(gpu.presence, Presence::Missing);
        let nameless = self.gpus.iter().filter(|gpu| gpu.uuid.is_none()).count();
        let listed: Vec<_> =
            self.gpus.iter().filter(is_listed).filter_map(|gpu| gpu.pci_bus_id.as_ref()).collect();
        let bound = self.pci.iter().filter(|pci| pci.driver.as_deref() == Some(NVIDIA_DRIVER));
        bound.filter(move |pci| !listed.contains(&&pci.address)).skip(nameless)
    }

    /// PCI devices that the NVIDIA driver should show and never did.
    pub(super) fn never_seen(&self) -> impl Iterator<Item = &PciGpu> {
        let seen = |pci: &PciGpu| self.gpus.iter().any(|gpu| gpu.pci_bus_id.as_ref() == Some(&pci.address));
        self.pci.iter().filter(move |pci| pci.is_for_nvidia_driver() && !seen(pci))
    }
}

#[cfg(test)]
mod tests;

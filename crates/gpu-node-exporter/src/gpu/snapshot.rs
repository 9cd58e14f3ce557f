//! All that is known of the GPUs, from the probe's frames.
//!
//! Owns what outlives a probe: GPUs once seen with their last readings and sums, and XID counts. Leaves out metric names
//! (`families`), when readings are too old (`stale`), and the probe's life (`supervisor`).

mod gpu;
mod xids;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) use self::gpu::{Gpu, Presence};
pub(super) use self::xids::{XidSource, Xids};
use super::driver::{Driver, Failure};
use super::frame::{Outcome, Sweep};
use super::pci::{NVIDIA_DRIVER, PciGpu};
use super::restart::Restart;
use super::settings::longest_gap;

/// Everything a scrape can show of the GPUs.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Known while the driver is loaded.
    pub(super) driver: Option<Driver>,
    /// All GPUs once seen, in order of index.
    pub(super) gpus: Vec<Gpu>,
    /// XIDs by GPU UUID.
    pub(super) xids: BTreeMap<String, Xids>,
    /// When the last complete sweep arrived.
    pub(super) taken_at: Option<Instant>,
    /// The driver has been away since then, so the readings of that sweep are out of date, however young they are.
    pub(super) is_outdated: bool,
    /// What the PCI bus has.
    pub(super) pci: Vec<PciGpu>,
    pub(super) probe: ProbeHealth,
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
}

impl Snapshot {
    /// Nothing is known yet; sweeps will come in this interval.
    pub(super) fn swept_every(sample_interval: Duration) -> Self {
        Self { longest_gap: longest_gap(sample_interval), ..Self::default() }
    }

    /// Takes in a complete sweep that arrived at `now`.
    pub(super) fn absorb(&mut self, sweep: Sweep, now: Instant) {
        self.taken_at = Some(now);
        self.is_outdated = false;
        // One that never answered has no name to be remembered by.
        self.gpus.retain(|gpu| gpu.uuid.is_some());
        let mut present = vec![false; self.gpus.len()];
        let mut silent = Vec::new();
        for gpu in sweep.gpus {
            match gpu.outcome {
                Outcome::Read(reading) => {
                    let known = self.gpus.iter().position(|known| known.uuid.as_ref() == Some(&reading.uuid));
                    let at = known.unwrap_or_else(|| {
                        self.xids.entry(reading.uuid.clone()).or_default();
                        self.gpus.push(Gpu::new(gpu.index, Some(reading.uuid.clone())));
                        present.push(true);
                        self.gpus.len() - 1
                    });
                    present[at] = true;
                    self.gpus[at].read(gpu.index, reading, now, self.longest_gap);
                }
                Outcome::Failed(reason) => silent.push((gpu.index, Presence::Failed(reason))),
                Outcome::Skipped => silent.push((gpu.index, Presence::Stuck)),
            }
        }
        // One that does not answer is known by the index it last had, unless another has that index now.
        for (index, presence) in silent {
            let known = (0..present.len()).find(|at| !present[*at] && self.gpus[*at].index == index);
            if let Some(at) = known {
                present[at] = true;
                self.gpus[at].presence = presence;
            } else {
                let mut gpu = Gpu::new(index, None);
                gpu.presence = presence;
                self.gpus.push(gpu);
                present.push(true);
            }
        }
        for (gpu, _) in self.gpus.iter_mut().zip(&present).filter(|(_, present)| !**present) {
            gpu.presence = Presence::Missing;
        }
        self.gpus.sort_by(|a, b| (a.index, &a.uuid).cmp(&(b.index, &b.uuid)));
    }

    /// Takes in an XID; `at` is seconds since 1970.
    pub(super) fn count_xid(&mut self, uuid: &str, code: u32, source: XidSource, at: f64) {
        self.xids.entry(uuid.to_owned()).or_default().count(code, source, at);
    }

    /// The UUID of the GPU at a PCI address without function (`0000:17:00`).
    pub(super) fn uuid_at(&self, slot: &str) -> Option<String> {
        let is_there = |gpu: &&Gpu| {
            gpu.pci_bus_id
                .as_deref()
                .and_then(|id| id.rsplit_once('.'))
                .is_some_and(|(known, _)| known == slot)
        };
        self.gpus.iter().find(is_there)?.uuid.clone()
    }

    /// PCI devices that the NVIDIA driver has taken and does not list, as far as the GPUs without a name are not these.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &PciGpu> {
        let is_listed = |gpu: &&Gpu| !matches!(gpu.presence, Presence::Missing);
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

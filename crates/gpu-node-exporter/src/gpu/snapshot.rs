//! The state of the world as the probe's frames tell it.
//!
//! Owns what outlives a probe: GPUs once seen, accumulated time and energy, window maxima, XID counts. Leaves out
//! metric names (`families`) and the probe's life (`supervisor`).

mod accumulated;
mod peak;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use self::accumulated::{Accumulated, REASONS};
pub(super) use self::peak::{Peak, WINDOW};
use super::driver::{Driver, Failure};
use super::fault::FaultReason;
use super::frame::{Outcome, Reading, Sweep};
use super::pci::{NVIDIA_DRIVER, PciGpu};
use super::restart::Restart;
use super::settings::longest_gap;
use super::xid;

/// Everything a scrape can show of the GPUs.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Known while the driver is loaded.
    pub(super) driver: Option<Driver>,
    /// All GPUs once seen, in order of index.
    pub(super) gpus: Vec<Gpu>,
    /// XIDs by GPU UUID.
    pub(super) xids: BTreeMap<String, Xids>,
    /// When the last complete round arrived.
    pub(super) taken_at: Option<Instant>,
    /// The driver has been away since then, so that round tells of the past, however young it is.
    pub(super) is_history: bool,
    /// What the PCI bus has.
    pub(super) pci: Vec<PciGpu>,
    pub(super) probe: ProbeHealth,
    /// Gaps longer than this (a released driver, a long hang) are not filled with the rate at their end.
    longest_gap: Duration,
}

/// How the probe itself is.
#[derive(Clone, Debug, Default)]
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

/// One GPU once seen.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    /// NVML's present or last index.
    pub(super) index: u32,
    /// Unknown for one that has never answered.
    pub(super) uuid: Option<String>,
    /// PCI address in sysfs' form.
    pub(super) pci_bus_id: Option<String>,
    pub(super) presence: Presence,
    pub(super) accumulated: Accumulated,
    pub(super) memory_used_peak: Peak,
    read_at: Option<Instant>,
}

/// Whether a GPU takes part.
#[derive(Clone, Debug)]
pub(super) enum Presence {
    /// It answered in the last round.
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
    pub(super) fn trouble(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => None,
            Self::Failed(reason) => Some(reason.text()),
            Self::Stuck => Some("stuck in the driver, left alone for now"),
            Self::Missing => Some("no longer listed by the driver"),
        }
    }
}

/// XIDs of one GPU by code. Codes that matter exist from the start, at zero.
#[derive(Clone, Debug)]
pub(super) struct Xids(BTreeMap<u32, XidCount>);

/// Events of one code. The two sources report the same events and each may miss some, so the larger count is right.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct XidCount {
    from_driver: u64,
    from_kernel_log: u64,
    /// Seconds since 1970.
    pub(super) last: Option<f64>,
}

/// Who told of an XID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XidSource {
    Driver,
    KernelLog,
}

/// More different codes than the catalog has are somebody's mistake; they are not worth unbounded series.
const MAX_XID_CODES: usize = 256;

impl Default for Xids {
    fn default() -> Self {
        Self(xid::known().map(|code| (code, XidCount::default())).collect())
    }
}

impl Xids {
    fn count(&mut self, code: u32, source: XidSource, at: f64) {
        if self.0.len() >= MAX_XID_CODES && !self.0.contains_key(&code) {
            return;
        }
        let count = self.0.entry(code).or_default();
        match source {
            XidSource::Driver => count.from_driver += 1,
            XidSource::KernelLog => count.from_kernel_log += 1,
        }
        count.last = Some(at);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &XidCount)> {
        self.0.iter().map(|(code, count)| (*code, count))
    }
}

impl XidCount {
    pub(super) fn total(&self) -> u64 {
        self.from_driver.max(self.from_kernel_log)
    }
}

impl Snapshot {
    /// An empty world that rounds reach in this interval.
    pub(super) fn swept_every(sample_interval: Duration) -> Self {
        Self { longest_gap: longest_gap(sample_interval), ..Self::default() }
    }

    /// Takes in a complete round that arrived at `now`.
    pub(super) fn absorb(&mut self, sweep: Sweep, now: Instant) {
        self.taken_at = Some(now);
        self.is_history = false;
        // One that never answered has no name to be remembered by.
        self.gpus.retain(|gpu| gpu.uuid.is_some());
        let mut present = vec![false; self.gpus.len()];
        let mut silent = Vec::new();
        for gpu in sweep.gpus {
            match gpu.outcome {
                Outcome::Read(reading) => {
                    let known = self
                        .gpus
                        .iter()
                        .position(|known| known.uuid.as_ref() == Some(&reading.identity.uuid));
                    let at = known.unwrap_or_else(|| {
                        self.xids.entry(reading.identity.uuid.clone()).or_default();
                        self.gpus.push(Gpu::new(gpu.index, Some(reading.identity.uuid.clone())));
                        present.push(true);
                        self.gpus.len() - 1
                    });
                    present[at] = true;
                    self.gpus[at].read(gpu.index, *reading, now, self.longest_gap);
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
                self.gpus.push(Gpu { presence, ..Gpu::new(index, None) });
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

impl Gpu {
    fn new(index: u32, uuid: Option<String>) -> Self {
        Self {
            index,
            uuid,
            pci_bus_id: None,
            presence: Presence::Missing,
            accumulated: Accumulated::default(),
            memory_used_peak: Peak::default(),
            read_at: None,
        }
    }

    fn read(&mut self, index: u32, reading: Reading, now: Instant, longest_gap: Duration) {
        self.index = index;
        self.pci_bus_id.clone_from(&reading.identity.pci_bus_id);
        let gap = self
            .read_at
            .map(|before| now.saturating_duration_since(before))
            .filter(|gap| *gap <= longest_gap);
        self.accumulated.add(&reading, gap);
        if let Some(memory) = &reading.memory {
            self.memory_used_peak.add(now, memory.used);
        }
        self.read_at = Some(now);
        self.presence = Presence::Up(Arc::new(reading));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::frame::{GpuSweep, Identity};

    fn read(index: u32, uuid: &str) -> GpuSweep {
        let identity = Identity {
            uuid: uuid.to_owned(),
            pci_bus_id: Some(format!("0000:{index:02x}:00.0")),
            ..Identity::default()
        };
        GpuSweep { index, outcome: Outcome::Read(Box::new(Reading { identity, ..Reading::default() })) }
    }

    fn seen(snapshot: &Snapshot) -> Vec<String> {
        let line = |gpu: &Gpu| {
            let uuid = gpu.uuid.as_deref().unwrap_or("?");
            format!("{} {uuid} {}", gpu.index, gpu.presence.trouble().unwrap_or("up"))
        };
        snapshot.gpus.iter().map(line).collect()
    }

    fn after(sweeps: Vec<Vec<GpuSweep>>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for gpus in sweeps {
            snapshot.absorb(Sweep { gpus }, Instant::now());
        }
        snapshot
    }

    #[test]
    fn a_lost_gpu_is_remembered_by_its_name_and_returns() {
        let lost = GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) };
        let snapshot = after(vec![vec![read(0, "A"), read(1, "B")], vec![read(0, "A"), lost]]);
        assert_eq!(seen(&snapshot), ["0 A up", "1 B fallen off the bus"]);
        assert_eq!(snapshot.gpus[1].pci_bus_id.as_deref(), Some("0000:01:00.0"));

        let mut snapshot = snapshot;
        snapshot.absorb(Sweep { gpus: vec![read(0, "A"), read(1, "B")] }, Instant::now());
        assert_eq!(seen(&snapshot), ["0 A up", "1 B up"]);
    }

    #[test]
    fn a_gpu_that_is_no_longer_listed_is_missing_even_if_others_move_up() {
        let snapshot =
            after(vec![vec![read(0, "A"), read(1, "B"), read(2, "C")], vec![read(0, "A"), read(1, "C")]]);
        assert_eq!(seen(&snapshot), ["0 A up", "1 B no longer listed by the driver", "1 C up"]);
    }

    #[test]
    fn a_gpu_that_never_answered_is_shown_while_it_is_tried() {
        let skipped = || GpuSweep { index: 1, outcome: Outcome::Skipped };
        let snapshot = after(vec![vec![read(0, "A"), skipped()], vec![read(0, "A"), skipped()]]);
        assert_eq!(seen(&snapshot), ["0 A up", "1 ? stuck in the driver, left alone for now"]);
        assert_eq!(seen(&after(vec![vec![skipped()], vec![read(1, "B")]])), ["1 B up"]);
    }

    #[test]
    fn devices_on_the_bus_that_the_driver_never_showed_are_named() {
        let mut snapshot = after(vec![vec![read(0x17, "A")]]);
        let device = |address: &str, driver: Option<&str>| PciGpu {
            address: address.to_owned(),
            driver: driver.map(str::to_owned),
        };
        snapshot.pci = vec![
            device("0000:17:00.0", Some("nvidia")),
            device("0000:1a:00.0", None),
            device("0000:1d:00.0", Some("vfio-pci")),
        ];
        let named: Vec<_> = snapshot.never_seen().map(|pci| pci.address.as_str()).collect();
        assert_eq!(named, ["0000:1a:00.0"]);
    }

    #[test]
    fn a_device_the_driver_has_taken_and_does_not_list_is_named() {
        let device = |address: &str, driver: &str| PciGpu {
            address: address.to_owned(),
            driver: Some(driver.to_owned()),
        };
        let unlisted = |sweeps| {
            let mut snapshot = after(sweeps);
            snapshot.pci = vec![
                device("0000:00:00.0", "nvidia"),
                device("0000:01:00.0", "nvidia"),
                device("0000:02:00.0", "vfio-pci"),
            ];
            snapshot.unlisted().map(|pci| pci.address.clone()).collect::<Vec<_>>()
        };
        let failed = || GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) };
        assert_eq!(unlisted(vec![vec![read(0, "A")]]), ["0000:01:00.0"]);
        assert_eq!(
            unlisted(vec![vec![read(0, "A"), read(1, "B")], vec![read(0, "A")]]),
            ["0000:01:00.0"],
            "though it was there before"
        );
        for listed in [vec![read(0, "A"), read(1, "B")], vec![read(0, "A"), failed()]] {
            assert_eq!(unlisted(vec![listed]), [""; 0]);
        }
    }

    #[test]
    fn xids_of_two_sources_are_not_added_up() {
        let mut snapshot = after(vec![vec![read(0, "A")]]);
        assert_eq!(snapshot.uuid_at("0000:00:00").as_deref(), Some("A"));
        snapshot.count_xid("A", 79, XidSource::Driver, 10.0);
        snapshot.count_xid("A", 79, XidSource::KernelLog, 10.5);
        snapshot.count_xid("A", 79, XidSource::KernelLog, 20.0);
        let counts: BTreeMap<_, _> = snapshot.xids["A"].iter().collect();
        assert_eq!((counts[&79].total(), counts[&79].last), (2, Some(20.0)));
        assert_eq!((counts[&48].total(), counts[&48].last), (0, None), "known codes exist from the start");
        assert!(!counts.contains_key(&31));
        for code in 1000..9000 {
            snapshot.count_xid("A", code, XidSource::KernelLog, 1.0);
        }
        assert_eq!(snapshot.xids["A"].iter().count(), MAX_XID_CODES);
    }
}

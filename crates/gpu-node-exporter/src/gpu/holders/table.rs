//! What is known of who holds the GPUs, and how it changes with each look at the processes and with each reading of a GPU. Pure: what
//! was looked up and the time are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::cgroup::Owner;
use super::engines::{Engines, Processes};
use super::shares::{self, Shares};
use crate::gpu::snapshot::{Gpu, Presence, Snapshot};

/// All that is known of who holds the GPUs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    /// Those on GPUs, by their numbers; one that cannot be seen is not here.
    pub(super) processes: BTreeMap<u32, Holder>,
    /// By the UUIDs of GPUs.
    pub(super) shares: BTreeMap<String, Shares>,
    pub(super) engines: Engines,
    /// Seconds until the memory of a GPU is full, by UUID.
    pub(super) time_to_full: BTreeMap<String, f64>,
    /// When processes were last looked up, and those that were on GPUs then.
    looked: Option<(Instant, BTreeSet<u32>)>,
}

/// One process on a GPU.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Holder {
    /// Which tells it from another with its number.
    start: u64,
    /// The engine's title, else the name that it had when it was first seen: one that changes would be another series each time.
    pub(super) name: String,
    pub(super) owner: Owner,
}

/// How often processes are looked up although none has come or gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Holders {
    /// The processes to look up at `now`, those on these GPUs and the first of each engine; `None` when it is not time yet.
    pub(super) fn due(&self, snapshot: &Snapshot, now: Instant) -> Option<BTreeSet<u32>> {
        let on_gpus = on_gpus(snapshot);
        if let Some((looked, were_on_gpus)) = &self.looked
            && now.saturating_duration_since(*looked) < LOOK_EVERY
            && *were_on_gpus == on_gpus
        {
            return None;
        }
        Some(on_gpus.into_iter().chain(self.engines.first_processes()).collect())
    }

    /// Takes over what was found at `now`, which is `unix_seconds` by the time of day.
    pub(super) fn found(
        &mut self,
        snapshot: &Snapshot,
        processes: Processes,
        now: Instant,
        unix_seconds: f64,
    ) {
        let on_gpus = on_gpus(snapshot);
        self.engines.look(&processes, unix_seconds);
        let before = std::mem::take(&mut self.processes);
        for (pid, process) in processes.into_iter().filter(|(pid, _)| on_gpus.contains(pid)) {
            let known = before.get(&pid).filter(|known| known.start == process.start);
            let name = match (process.title, known) {
                (Some(title), _) => title.name,
                (None, Some(known)) => known.name.clone(),
                (None, None) => process.comm,
            };
            self.processes.insert(pid, Holder { start: process.start, name, owner: process.owner });
        }
        self.looked = Some((now, on_gpus));
    }

    /// Adds the readings that have arrived since the last time to what each owner used.
    pub(super) fn share_out(&mut self, snapshot: &Snapshot, longest_gap: Duration) {
        let unknown = Owner::unknown();
        for gpu in &snapshot.gpus {
            let (Presence::Up(reading), Some(uuid), Some(arrived)) = (&gpu.presence, &gpu.uuid, gpu.read_at)
            else {
                continue;
            };
            let Some(listed) = &reading.subjects.processes.listed else { continue };
            let owner = |pid| self.processes.get(pid).map_or(&unknown, |holder| &holder.owner);
            let reading = shares::Reading {
                arrived,
                energy: reading.subjects.power.energy,
                utilization: reading.subjects.load.utilization,
                is_divided: reading.subjects.load.mig_enabled == Some(true),
                processes: listed.iter().map(|(pid, used)| (owner(pid), used.sm)).collect(),
            };
            self.shares.entry(uuid.clone()).or_default().add(&reading, longest_gap);
        }
        self.shares.retain(|uuid, _| snapshot.gpus.iter().any(|gpu| gpu.uuid.as_ref() == Some(uuid)));
    }
}

impl Holders {
    /// The containers that hold GPUs, and those of engines, by their whole ids and by those that series have. One may come several times.
    pub(in crate::gpu) fn containers(&self) -> impl Iterator<Item = (&str, &str)> {
        let owners = self.processes.values().map(|holder| &holder.owner);
        let owners = owners.chain(self.engines.seen.iter().map(|engine| &engine.owner));
        owners.filter(|owner| owner.kind.is_container()).map(|owner| (owner.id.as_str(), owner.short_id()))
    }
}

#[cfg(test)]
impl Holders {
    /// A process on a GPU for each of these texts of `/proc/PID/cgroup`.
    pub(in crate::gpu) fn in_groups(groups: &[&str]) -> Self {
        let holder =
            |group: &&str| Holder { start: 7, name: String::new(), owner: super::cgroup::owner(group) };
        Self { processes: (1..).zip(groups.iter().map(holder)).collect(), ..Self::default() }
    }
}

/// The processes on GPUs that answer.
fn on_gpus(snapshot: &Snapshot) -> BTreeSet<u32> {
    fn listed(gpu: &Gpu) -> impl Iterator<Item = u32> {
        let listed = match &gpu.presence {
            Presence::Up(reading) => reading.subjects.processes.listed.as_ref(),
            _ => None,
        };
        listed.into_iter().flat_map(|listed| listed.keys().copied())
    }
    snapshot.gpus.iter().flat_map(|gpu| listed(gpu)).collect()
}

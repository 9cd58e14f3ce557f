//! When the memory of each GPU is full at its present pace, by all of its readings.
//!
//! Owns which readings the estimate is made of, and the family. What a steady rise is, and what counts of it while models load, is the
//! crate `time_to_full`'s. Pure: readings and their times are arguments.

use std::collections::BTreeMap;
use std::time::Instant;

use time_to_full::{Counted, Loading, Process, Standing, TimeToFull};

use super::engines::State;
use super::table::Holders;
use crate::family::Family;
use crate::gpu::families::labels;
use crate::gpu::reading::{ProcessUse, Reading};
use crate::gpu::settings::GpuSettings;
use crate::gpu::snapshot::{Presence, Snapshot};
use crate::gpu::stale::fresh;

/// The series of GPUs once seen, by their UUIDs.
#[derive(Debug, Default)]
pub(super) struct Forecasts(BTreeMap<String, Series>);

#[derive(Debug)]
struct Series {
    /// When its first reading arrived.
    began: Instant,
    /// When its last one did.
    read: Option<Instant>,
    loading: Loading,
    memory: TimeToFull,
}

impl Forecasts {
    /// Adds the readings that have arrived since the last time. Returns the seconds until full of each GPU that has some at `now`.
    pub(super) fn read(
        &mut self,
        snapshot: &Snapshot,
        holders: &Holders,
        now: Instant,
    ) -> BTreeMap<String, f64> {
        self.0.retain(|uuid, _| snapshot.gpus.iter().any(|gpu| gpu.uuid.as_ref() == Some(uuid)));
        for gpu in &snapshot.gpus {
            if let (Presence::Up(reading), Some(uuid), Some(arrived)) =
                (&gpu.presence, &gpu.uuid, gpu.read_at)
            {
                let series = self.0.entry(uuid.clone()).or_insert_with(|| Series::new(arrived));
                series.add(arrived, reading, holders);
            }
        }
        self.0.iter().filter_map(|(uuid, series)| Some((uuid.clone(), series.seconds(now)?))).collect()
    }
}

impl Series {
    fn new(began: Instant) -> Self {
        Self { began, read: None, loading: Loading::default(), memory: TimeToFull::default() }
    }

    fn seconds(&self, now: Instant) -> Option<f64> {
        self.memory.seconds(now.saturating_duration_since(self.began).as_secs_f64())
    }

    fn add(&mut self, arrived: Instant, reading: &Reading, holders: &Holders) {
        if self.read.replace(arrived) == Some(arrived) {
            return;
        }
        let memory = &reading.subjects.memory;
        let (Some(total), Some(used), Some(free)) = (memory.total, memory.used, memory.free) else { return };
        if total.0 == 0 {
            return;
        }
        let at = arrived.saturating_duration_since(self.began).as_secs_f64();
        let counted = Counted { used: used.0 as f64, free: free.0 as f64, total: total.0 as f64 };
        let processes: Option<Vec<Process>> = reading.subjects.processes.listed.as_ref().map(|listed| {
            let process = |(pid, used): (&u32, &ProcessUse)| Process {
                pid: *pid,
                memory: used.memory.map(|memory| memory.0 as f64),
                standing: standing(holders, *pid),
            };
            listed.iter().map(process).collect()
        });
        if let Some(level) = self.loading.level(at, counted, processes.as_deref()) {
            self.memory.add(at, level);
        }
    }
}

fn standing(holders: &Holders, pid: u32) -> Standing {
    match holders.engines.state_of(pid) {
        Some(State::Starting) => Standing::Starting,
        Some(State::Running | State::Broken | State::Orphaned) => Standing::Serving,
        None => Standing::Unknown,
    }
}

/// The family, of the GPUs that answer at `now`.
pub(super) fn family(snapshot: &Snapshot, holders: &Holders, settings: &GpuSettings, now: Instant) -> Family {
    let mut family = Family::gauge(
        "gpu_memory_time_to_full_seconds",
        "Time until the memory is full at its present pace; absent while it does not rise steadily. What a process takes that loads its model does not count.",
    );
    for gpu in snapshot.gpus.iter().filter(|gpu| fresh(settings, gpu, now).is_some()) {
        if let Some(seconds) = gpu.uuid.as_ref().and_then(|uuid| holders.time_to_full.get(uuid)) {
            family.push(labels(gpu), *seconds);
        }
    }
    family
}

#[cfg(test)]
mod tests;

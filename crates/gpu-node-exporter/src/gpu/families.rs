//! Snapshot → metric families, under our own names. Pure: the present moment is an argument.
//!
//! Series carry `gpu` (index) and `uuid` only; what describes a GPU is in `gpu_info`. The one exception is `gpu_up`,
//! which adds `pci_bus_id`: it must still name the slot when the readings of a lost GPU have stopped, and a GPU that the driver never
//! showed has no other name, also for its XIDs. `gpu_info` stays for a lost GPU, and XID series do, since they say why.

mod errors;

use std::sync::Arc;
use std::time::Instant;

use super::reading::{self, MadeByPart, ShownGpu};
use super::settings::GpuSettings;
use super::snapshot::{Errors, Gpu, Presence, ProbeUsage, Snapshot};
use super::stale::{age, fresh};
use super::subject::known_labels;
use crate::family::{Family, Labels};

/// How to look at a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) now: Instant,
    /// They say when a reading is too old.
    pub(super) settings: &'a GpuSettings,
    /// PCI devices that the driver never showed count as GPUs that are down.
    pub(super) expects_all_pci_gpus: bool,
}

/// The families of the probe and of whether GPUs are up, which tell of this moment. All others are brought up to date in `lasting`.
pub(super) fn families(snapshot: &Snapshot, view: View<'_>, lasting: &mut Lasting) -> Vec<Family> {
    lasting.update(snapshot, view);
    let mut families = probe(snapshot, view);
    families.push(up(snapshot, view));
    families
}

/// Families that stay the same while what they are made of does.
#[derive(Default)]
pub(super) struct Lasting {
    /// What they are made of: the GPUs that were known, those of them that were shown, and their errors.
    known: Vec<Arc<Gpu>>,
    shown: Vec<(Arc<Gpu>, Labels)>,
    errors: Arc<Errors>,
    is_released: bool,
    of_errors: Arc<Vec<Family>>,
    info: Arc<Vec<Family>>,
    of_subjects: Vec<Arc<Vec<Family>>>,
    made: MadeByPart,
}

impl Lasting {
    /// In parts: one that is the same as before has not changed.
    pub(super) fn parts(&self) -> Vec<Arc<Vec<Family>>> {
        [&self.of_errors, &self.info].into_iter().chain(&self.of_subjects).map(Arc::clone).collect()
    }

    fn update(&mut self, snapshot: &Snapshot, view: View<'_>) {
        let is_shown = |gpu: &&Arc<Gpu>| fresh(view.settings, gpu, view.now).is_some();
        let shown = snapshot.gpus.iter().filter(is_shown).enumerate();
        let shown: Vec<_> = shown.map(|(at, gpu)| (Arc::clone(gpu), self.labels(at, gpu))).collect();
        let before = shown_gpus(&self.shown);
        let before = reading::Before { gpus: &before, families: &self.of_subjects };
        self.of_subjects = reading::families(&shown_gpus(&shown), Some(before), &mut self.made);

        let is_any_other = |differ: fn(&Gpu, &Gpu) -> bool| {
            snapshot.gpus.len() != self.known.len()
                || snapshot.gpus.iter().zip(&self.known).any(|(now, then)| differ(now, then))
        };
        let names_differ = |now: &Gpu, then: &Gpu| (now.index, &now.uuid) != (then.index, &then.uuid);
        let identities_differ = |now: &Gpu, then: &Gpu| now.identity != then.identity;
        let is_any_renamed = is_any_other(names_differ);
        let is_released = snapshot.probe.is_released;
        if is_any_renamed || is_any_other(identities_differ) || is_released != self.is_released {
            // While an administrator has the driver, a GPU may become another: its MIG mode, its firmware.
            let named = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_some() && !is_released);
            self.info = Arc::new(vec![reading::info(named.map(|gpu| (labels(gpu), &*gpu.identity)))]);
        }
        if is_any_renamed || !Arc::ptr_eq(&self.errors, &snapshot.errors) {
            self.of_errors = Arc::new(errors::families(snapshot));
        }
        self.known.clone_from(&snapshot.gpus);
        self.errors = Arc::clone(&snapshot.errors);
        (self.shown, self.is_released) = (shown, is_released);
    }

    /// The labels of a GPU; those of before where the same GPU was shown at this place.
    fn labels(&self, at: usize, gpu: &Gpu) -> Labels {
        let before =
            self.shown.get(at).filter(|(then, _)| (then.index, &then.uuid) == (gpu.index, &gpu.uuid));
        before.map_or_else(|| labels(gpu), |(_, labels)| labels.clone())
    }
}

/// GPUs whose readings are shown.
fn shown_gpus(gpus: &[(Arc<Gpu>, Labels)]) -> Vec<ShownGpu<'_>> {
    let shown = gpus.iter().filter_map(|(gpu, labels)| {
        let Presence::Up(reading) = &gpu.presence else { return None };
        Some(ShownGpu { labels: labels.clone(), reading, sums: &gpu.sums })
    });
    shown.collect()
}

/// `gpu` and, where it is known, `uuid`.
pub(super) fn labels(gpu: &Gpu) -> Labels {
    let mut digits = itoa::Buffer::new();
    let index = ("gpu", digits.format(gpu.index));
    Labels::new(std::iter::once(index).chain(gpu.uuid.as_deref().map(|uuid| ("uuid", uuid))))
}

fn probe(snapshot: &Snapshot, view: View<'_>) -> Vec<Family> {
    let probe = &snapshot.probe;
    let mut restarts =
        Family::counter("gpu_probe_restarts_total", "Replacements of the probe process, by reason.");
    for (reason, count) in &probe.restarts {
        restarts.push(Labels::new([("reason", reason.label())]), *count);
    }
    let mut stuck = Family::gauge(
        "gpu_probe_stuck_gpus",
        "GPUs that calls do not return from, or crash on. Each is tried again by a process of its own.",
    );
    let count = snapshot.gpus.iter().filter(|gpu| matches!(gpu.presence, Presence::Stuck)).count();
    stuck.push(Labels::NONE, count as u64);
    let mut oldest = Family::gauge(
        "gpu_snapshot_age_seconds",
        "Age of the oldest GPU reading shown here; the time since a GPU last answered when none is.",
    );
    if let Some(age) = age(view.settings, snapshot, view.now) {
        oldest.push(Labels::NONE, age.as_secs_f64());
    }
    let mut confidential = Family::info(
        "gpu_confidential_computing_info",
        "Confidential computing of the machine, as the driver was loaded.",
    );
    let mut driver = Family::info("gpu_driver_info", "The NVIDIA driver; absent while no probe has one.");
    if let Some(known) = snapshot.driver.as_ref().filter(|_| probe.is_up) {
        let versions = [
            ("version", known.version.as_deref()),
            ("nvml_version", known.nvml_version.as_deref()),
            ("cuda_version", known.cuda_version.as_deref()),
            ("branch", known.release_branch.as_deref()),
        ];
        driver.push(known_labels(&Labels::NONE, versions), 1_u64);
        if let Some(mode) = &known.confidential_computing {
            let modes = [
                ("environment", Some(mode.environment.as_str())),
                ("feature", Some(mode.feature.as_str())),
                ("dev_tools", Some(mode.dev_tools.as_str())),
                ("multi_gpu", mode.multi_gpu.as_deref()),
            ];
            confidential.push(known_labels(&Labels::NONE, modes), 1_u64);
        }
    }
    let mut families = usage(snapshot.probe.usage);
    families.extend([
        Family::gauge("gpu_probe_up", "Whether a probe process is running and has a driver.")
            .with(Labels::NONE, probe.is_up),
        Family::gauge(
            "gpu_probe_released",
            "Whether an administrator has made the exporter let go of the driver.",
        )
        .with(Labels::NONE, probe.is_released),
        Family::gauge(
            "gpu_probe_abandoned",
            "Probe processes stuck in the driver that could not be ended yet.",
        )
        .with(Labels::NONE, probe.abandoned as u64),
        Family::gauge(
            "gpu_recorder_bytes",
            "Memory of the recordings of GPU readings, which /api/v1/recorder gives out.",
        )
        .with(Labels::NONE, snapshot.recorded_bytes as u64),
        restarts,
        stuck,
        oldest,
        driver,
        confidential,
    ]);
    families
}

/// What `process_*` does not hold, since these are processes of their own.
fn usage(usage: Option<ProbeUsage>) -> Vec<Family> {
    let Some(usage) = usage else { return Vec::new() };
    vec![
        Family::gauge("gpu_probe_processes", "Probe processes; one in quiet times, more while GPUs hang.")
            .with(Labels::NONE, usage.processes),
        Family::counter("gpu_probe_cpu_seconds_total", "CPU time that probe processes have used.")
            .with(Labels::NONE, usage.cpu_ticks as f64 / procfs::ticks_per_second() as f64),
        Family::gauge("gpu_probe_resident_memory_bytes", "Memory of the probe processes that is in RAM.")
            .with(Labels::NONE, usage.resident_bytes),
    ]
}

fn up(snapshot: &Snapshot, view: View<'_>) -> Family {
    let mut up = Family::gauge(
        "gpu_up",
        "Whether the GPU answered within three sweeps. A lost one stays at 0 until it returns.",
    );
    // With the driver given away on purpose nothing is known, and nothing is wrong.
    if snapshot.probe.is_released {
        return up;
    }
    let is_expected = view.expects_all_pci_gpus && snapshot.is_complete;
    let unseen: Vec<_> = snapshot.never_seen().filter(|_| is_expected).collect();
    // A GPU without a UUID is among those that only the bus lists, and counts once: by its slot.
    let nameless = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_none()).skip(unseen.len());
    let named = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_some());
    for gpu in named.chain(nameless) {
        let is_up = fresh(view.settings, gpu, view.now).is_some();
        up.push(known_labels(&labels(gpu), [("pci_bus_id", gpu.pci_bus_id.as_deref())]), is_up);
    }
    for pci in unseen {
        up.push(Labels::new([("pci_bus_id", pci.address.clone())]), false);
    }
    up
}

#[cfg(test)]
mod tests;

//! The `gpu` collector: the last snapshot as families, and what is wrong with it as faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::GpuSettings;
use super::families::{View, families};
use super::snapshot::{Presence, Snapshot};
use crate::collector::{Collected, Collector, Fault};

/// Reads the snapshot and nothing else.
pub(super) struct GpuCollector {
    pub(super) settings: GpuSettings,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    /// Before the first readings can be there, their absence is no fault.
    pub(super) started: Instant,
    pub(super) expects_all_pci_gpus: bool,
}

impl Collector for GpuCollector {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn collect(&mut self) -> Collected {
        let (snapshot, now) = (self.snapshot.load(), Instant::now());
        let age = snapshot.taken_at.map(|taken_at| now.saturating_duration_since(taken_at));
        let limit = stale_after(&self.settings);
        let view = View {
            now,
            is_stale: age.is_none_or(|age| age > limit),
            expects_all_pci_gpus: self.expects_all_pci_gpus,
        };
        let waited = age.unwrap_or_else(|| now.saturating_duration_since(self.started));
        Collected { families: families(&snapshot, view), faults: faults(&self.settings, &snapshot, waited) }
    }
}

/// Readings older than this are no longer shown. A hung GPU costs one probe time-out and a start of a new probe, which
/// must not make the other GPUs' series flicker.
fn stale_after(settings: &GpuSettings) -> Duration {
    settings.probe_timeout.max(settings.sample_interval) * 3
}

/// What is wrong; nothing is, on a machine without GPUs or while an administrator has the driver. `waited` is the age
/// of the readings, or the time without any.
fn faults(settings: &GpuSettings, snapshot: &Snapshot, waited: Duration) -> Vec<Fault> {
    if snapshot.probe.is_released {
        return Vec::new();
    }
    if let Some(failure) = &snapshot.probe.failure {
        let is_quiet =
            super::is_nothing_expected(settings, failure, &snapshot.pci) && snapshot.gpus.is_empty();
        return if is_quiet { Vec::new() } else { vec![Fault::new(failure.message.clone())] };
    }
    if waited > stale_after(settings) {
        let trouble =
            if snapshot.probe.abandoned == 0 { "the probe does not answer" } else { "the driver hangs" };
        // No age here: a text that changes would be logged at each scrape.
        return vec![Fault::new(format!("no GPU readings any more: {trouble}"))];
    }
    let mut faults = Vec::new();
    for gpu in &snapshot.gpus {
        let name = gpu.uuid.as_deref().unwrap_or("unknown");
        if let Some(trouble) = gpu.presence.trouble() {
            faults.push(Fault::new(format!("GPU {} ({name}): {trouble}", gpu.index)));
        }
        if let Presence::Up(reading) = &gpu.presence {
            for fault in &reading.faults {
                let text = format!("GPU {} ({name}): {}: {}", gpu.index, fault.reading, fault.reason.text());
                faults.push(Fault::new(text));
            }
        }
    }
    faults
}

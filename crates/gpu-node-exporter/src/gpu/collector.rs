//! The `gpu` collector: the last snapshot as families, and what is wrong with it as faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::GpuSettings;
use super::families::{View, families};
use super::pci;
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
            is_stale: snapshot.is_history || age.is_none_or(|age| age > limit),
            expects_all_pci_gpus: self.expects_all_pci_gpus,
        };
        let waited = age.unwrap_or_else(|| now.saturating_duration_since(self.started));
        Collected {
            families: families(&snapshot, view),
            faults: faults(&self.settings, &snapshot, self.expects_all_pci_gpus, waited),
        }
    }
}

/// Readings older than this are no longer shown. A hung GPU that is tried again costs the others a start time-out (six
/// probe time-outs) and another start, which must not make their series flicker.
fn stale_after(settings: &GpuSettings) -> Duration {
    (settings.probe_timeout * 8).max(settings.sample_interval * 3)
}

/// What is wrong; nothing is, on a machine without GPUs or while an administrator has the driver. `waited` is the age
/// of the readings, or the time without any.
fn faults(
    settings: &GpuSettings,
    snapshot: &Snapshot,
    expects_all_pci_gpus: bool,
    waited: Duration,
) -> Vec<Fault> {
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
    // One that has not told its name was told of.
    let nameless = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_none()).count();
    let unseen: Vec<_> = snapshot.never_seen().collect();
    if expects_all_pci_gpus && snapshot.taken_at.is_some() && unseen.len() > nameless {
        faults.push(Fault::new(format!("GPUs {}", pci::not_shown(&unseen))));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::frame::{GpuSweep, Identity, Outcome, Reading, Sweep};
    use std::path::PathBuf;

    fn sweep() -> Sweep {
        let identity = Identity { uuid: "GPU-0".to_owned(), ..Identity::default() };
        let reading = Reading { identity, ..Reading::default() };
        Sweep { gpus: vec![GpuSweep { index: 0, outcome: Outcome::Read(Box::new(reading)) }] }
    }

    fn shows_readings(snapshot: &Snapshot) -> bool {
        let settings = GpuSettings {
            library: None,
            sample_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(5),
            sysfs: PathBuf::from("/sys"),
        };
        let mut collector = GpuCollector {
            settings,
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot.clone())),
            started: Instant::now(),
            expects_all_pci_gpus: false,
        };
        let families = collector.collect().families;
        families.iter().any(|family| family.name == "gpu_info" && !family.samples.is_empty())
    }

    #[test]
    fn readings_end_with_the_driver_and_return_with_the_next_round() {
        let mut snapshot = Snapshot::swept_every(Duration::from_secs(1));
        snapshot.absorb(sweep(), Instant::now());
        assert!(shows_readings(&snapshot));
        snapshot.is_history = true;
        assert!(!shows_readings(&snapshot), "young, and of a driver that is gone");
        snapshot.absorb(sweep(), Instant::now());
        assert!(shows_readings(&snapshot));
    }
}

//! The `gpu` collector: the last snapshot as families, with what is wrong with it.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::families::{View, families};
use super::faults::{COLLECTOR, faults};
use super::settings::GpuSettings;
use super::snapshot::Snapshot;
use super::stale::is_stale;
use crate::collector::{Collected, Collector};

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
        COLLECTOR
    }

    /// By the supervisor, which sees each sweep.
    fn logs_its_faults(&self) -> bool {
        true
    }

    fn collect(&mut self) -> Collected {
        let (snapshot, now) = (self.snapshot.load(), Instant::now());
        let view = View {
            now,
            is_stale: is_stale(&self.settings, &snapshot, now),
            expects_all_pci_gpus: self.expects_all_pci_gpus,
        };
        let waited = now.saturating_duration_since(snapshot.taken_at.unwrap_or(self.started));
        Collected {
            families: families(&snapshot, view),
            faults: faults(&self.settings, &snapshot, self.expects_all_pci_gpus, waited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::frame::{GpuSweep, Outcome, Sweep};
    use crate::gpu::reading::Reading;
    use std::path::PathBuf;
    use std::time::Duration;

    fn sweep() -> Sweep {
        let reading = Reading { uuid: "GPU-0".to_owned(), ..Reading::default() };
        Sweep { gpus: vec![GpuSweep { index: 0, outcome: Outcome::Read(Arc::new(reading)) }] }
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
    fn readings_end_with_the_driver_and_return_with_the_next_sweep() {
        let mut snapshot = Snapshot::swept_every(Duration::from_secs(1));
        snapshot.absorb(sweep(), Instant::now());
        assert!(shows_readings(&snapshot));
        snapshot.is_outdated = true;
        assert!(!shows_readings(&snapshot), "young, and of a driver that is gone");
        snapshot.absorb(sweep(), Instant::now());
        assert!(shows_readings(&snapshot));
    }
}

//! When GPU readings are too old to be shown.
//!
//! A stale reading is left out of the page, never repeated as if it were new; `gpu_snapshot_age_seconds` says how old readings are.

use std::time::{Duration, Instant};

use super::settings::GpuSettings;
use super::snapshot::Snapshot;

/// Readings older than this are stale. A hung GPU that is tried again costs the others a start time-out (six probe time-outs) and
/// another start, which must not make their series flicker.
pub(super) fn stale_after(settings: &GpuSettings) -> Duration {
    (settings.probe_timeout * 8).max(settings.sample_interval * 3)
}

/// Whether the last sweep's readings are stale at `now`: too old, or of a driver that has gone since.
pub(super) fn is_stale(settings: &GpuSettings, snapshot: &Snapshot, now: Instant) -> bool {
    let age = snapshot.taken_at.map(|taken_at| now.saturating_duration_since(taken_at));
    snapshot.is_outdated || age.is_none_or(|age| age > stale_after(settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::frame::Sweep;
    use std::path::PathBuf;

    #[test]
    fn readings_are_stale_after_eight_time_outs_or_with_their_driver() {
        let settings = GpuSettings {
            library: None,
            sample_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(5),
            sysfs: PathBuf::from("/sys"),
        };
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let mut snapshot = Snapshot::swept_every(settings.sample_interval);
        assert!(is_stale(&settings, &snapshot, start), "nothing was read yet");
        snapshot.absorb(Sweep { gpus: Vec::new() }, start);
        assert!(!is_stale(&settings, &snapshot, start + seconds(40)));
        assert!(is_stale(&settings, &snapshot, start + seconds(41)));
        snapshot.is_outdated = true;
        assert!(is_stale(&settings, &snapshot, start), "young, and of a driver that is gone");
        snapshot.absorb(Sweep { gpus: Vec::new() }, start);
        assert!(!is_stale(&settings, &snapshot, start), "the next sweep is of the driver that is there");
        let slow = GpuSettings { sample_interval: seconds(60), ..settings };
        assert!(!is_stale(&slow, &snapshot, start + seconds(180)), "three sweeps");
    }
}

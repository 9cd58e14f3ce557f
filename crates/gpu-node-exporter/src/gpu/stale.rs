//! When GPU readings are too old to be shown.
//!
//! A stale reading is left out of the page, never repeated as if it were new. Each GPU is judged by itself: one that hangs makes no
//! other stale.

use std::time::{Duration, Instant};

use super::settings::GpuSettings;
use super::snapshot::{Gpu, Presence, Snapshot};
use crate::gpu::reading::Reading;

/// So many sweeps a GPU may miss.
const SWEEPS: u32 = 3;

/// However often GPUs are read, one sweep counts for this long: a probe takes some of it to be replaced.
const SHORTEST_SWEEP: Duration = Duration::from_secs(1);

/// A GPU's last reading, unless it is stale at `now`, of a driver that has gone since, or not to be had any more.
pub(super) fn fresh<'a>(settings: &GpuSettings, gpu: &'a Gpu, now: Instant) -> Option<&'a Reading> {
    let Presence::Up(reading) = &gpu.presence else { return None };
    let age = now.saturating_duration_since(gpu.read_at?);
    // A slow GPU is read less often, but at least once in a time-out.
    let sweep = gpu.pace.min(settings.probe_timeout).max(settings.sample_interval).max(SHORTEST_SWEEP);
    (gpu.is_current() && age <= sweep * SWEEPS).then_some(reading)
}

/// How old the readings are that are shown: the oldest of them. Where none is, the time since a GPU last answered.
pub(super) fn age(settings: &GpuSettings, snapshot: &Snapshot, now: Instant) -> Option<Duration> {
    let shown = snapshot.gpus.iter().filter(|gpu| fresh(settings, gpu, now).is_some());
    let oldest = shown.filter_map(|gpu| gpu.read_at).min().or(snapshot.heard_at);
    oldest.map(|oldest| now.saturating_duration_since(oldest))
}

/// After this long without an answer of any GPU, it is a fault that there is none.
pub(super) fn silent_after(settings: &GpuSettings) -> Duration {
    (settings.probe_timeout * 2).max(settings.sample_interval.max(SHORTEST_SWEEP) * SWEEPS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::xid::Severities;
    use std::sync::Arc;

    fn settings(interval: u64) -> GpuSettings {
        GpuSettings { sample_interval: Duration::from_secs(interval), ..GpuSettings::default() }
    }

    /// For how many seconds after its last reading a GPU is shown that was read at these seconds.
    fn shown_for(interval: u64, read_at: &[u64]) -> u64 {
        let (settings, start, second) = (settings(interval), Instant::now(), Duration::from_secs);
        let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
        for at in read_at {
            let reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
            snapshot.read(0, Arc::new(reading), start + second(*at));
        }
        let last = start + second(read_at[read_at.len() - 1]);
        (0..1000)
            .find(|age| fresh(&settings, &snapshot.gpus[0], last + second(age + 1)).is_none())
            .expect("it ends")
    }

    #[test]
    fn readings_are_shown_for_three_sweeps() {
        assert_eq!(shown_for(1, &[0]), 3);
        assert_eq!(shown_for(1, &[0, 1, 2]), 3);
        assert_eq!(shown_for(20, &[0, 20]), 60, "sweeps are rare");
        assert_eq!(shown_for(1, &[0, 4]), 12, "the GPU is slow");
        assert_eq!(shown_for(1, &[0, 600]), 15, "it was away, and is no slower than it may be");
    }

    #[test]
    fn readings_of_a_driver_that_has_gone_are_stale_until_the_next() {
        let (settings, now) = (settings(1), Instant::now());
        let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
        let reading = || Arc::new(Reading { uuid: "A".to_owned(), ..Reading::default() });
        snapshot.read(0, reading(), now);
        assert!(fresh(&settings, &snapshot.gpus[0], now).is_some());
        snapshot.outdate();
        assert!(fresh(&settings, &snapshot.gpus[0], now).is_none());
        snapshot.read(0, reading(), now);
        assert!(fresh(&settings, &snapshot.gpus[0], now).is_some());
        snapshot.stuck(0);
        assert!(fresh(&settings, &snapshot.gpus[0], now).is_none());
    }

    #[test]
    fn the_age_is_that_of_the_oldest_reading_shown() {
        let (settings, start, second) = (settings(1), Instant::now(), Duration::from_secs);
        let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
        assert_eq!(age(&settings, &snapshot, start), None);
        for (index, uuid) in [(0, "A"), (1, "B")] {
            let reading = Reading { uuid: uuid.to_owned(), ..Reading::default() };
            snapshot.read(index, Arc::new(reading), start + second(u64::from(index)));
        }
        let age_at = |seconds| age(&settings, &snapshot, start + second(seconds)).map(|age| age.as_secs());
        assert_eq!(age_at(3), Some(3));
        assert_eq!(age_at(4), Some(3), "the first is no longer shown");
        assert_eq!(age_at(60), Some(59), "none is");
    }
}

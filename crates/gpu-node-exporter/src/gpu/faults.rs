//! What is wrong with the GPUs, as faults for people. Pure: the present moment is an argument.

use std::time::Instant;

use super::expected::is_nothing_expected;
use super::pci;
use super::settings::GpuSettings;
use super::snapshot::{Presence, Snapshot};
use super::stale::{fresh, silent_after};
use crate::collector::Fault;

/// The collector's name, as users know it.
pub(super) const COLLECTOR: &str = "gpu";

/// What is wrong; nothing is, on a machine without GPUs or while an administrator has the driver.
pub(super) fn faults(
    settings: &GpuSettings,
    snapshot: &Snapshot,
    expects_all_pci_gpus: bool,
    now: Instant,
) -> Vec<Fault> {
    if snapshot.probe.is_released {
        return Vec::new();
    }
    if let Some(failure) = &snapshot.probe.failure {
        let is_quiet = is_nothing_expected(settings, failure, &snapshot.pci) && snapshot.gpus.is_empty();
        return if is_quiet { Vec::new() } else { vec![Fault::new(failure.message.clone())] };
    }
    // Before the first readings can be there, their absence is no fault.
    let is_too_long = |since: Option<Instant>| {
        since.is_some_and(|since| now.saturating_duration_since(since) > silent_after(settings))
    };
    let is_silent = is_too_long(snapshot.heard_at.max(snapshot.awaited_since));
    let is_any_fresh = snapshot.gpus.iter().any(|gpu| fresh(settings, gpu, now).is_some());
    let is_all_told =
        snapshot.is_complete && snapshot.gpus.iter().all(|gpu| gpu.presence.trouble().is_some());
    if is_silent && !is_any_fresh && !is_all_told {
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
        let is_awaited = gpu.read_at < snapshot.awaited_since && !is_too_long(snapshot.awaited_since);
        if matches!(gpu.presence, Presence::Up(_)) && fresh(settings, gpu, now).is_none() && !is_awaited {
            faults.push(Fault::new(format!("GPU {} ({name}): no readings any more", gpu.index)));
        }
        if let Presence::Up(reading) = &gpu.presence {
            for fault in &reading.faults {
                let text = format!("GPU {} ({name}): {}: {}", gpu.index, fault.reading, fault.reason.text());
                faults.push(match &fault.found {
                    Some(found) => Fault::with_excerpt(text, found.clone()),
                    None => Fault::new(text),
                });
            }
        }
    }
    // A GPU without a UUID has a fault already.
    let nameless = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_none()).count();
    let unseen: Vec<_> = snapshot.never_seen().collect();
    if expects_all_pci_gpus && snapshot.is_complete && unseen.len() > nameless {
        faults.push(Fault::new(format!("GPUs {}", pci::not_shown(&unseen))));
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::gpu::driver::{Driver, Failure, FailureReason};
    use crate::gpu::reading::Reading;
    use crate::gpu::xid::Severities;

    const SILENCE: &str = "no GPU readings any more: the probe does not answer";
    const STALE: &str = "GPU 0 (A): no readings any more";

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// A machine whose GPUs were awaited from the start on.
    fn machine(start: Instant) -> Snapshot {
        let mut snapshot = Snapshot::swept_every(second(1), Severities::default());
        snapshot.awaited_since = Some(start);
        snapshot
    }

    fn read(snapshot: &mut Snapshot, now: Instant) {
        let reading = Reading { uuid: "A".to_owned(), ..Reading::default() };
        snapshot.read(0, Arc::new(reading), now);
    }

    fn told(snapshot: &Snapshot, now: Instant) -> Vec<String> {
        faults(&GpuSettings::default(), snapshot, true, now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn silence_is_a_fault_ten_seconds_after_the_start_or_the_last_reading() {
        let start = Instant::now();
        let mut snapshot = machine(start);
        assert_eq!(told(&snapshot, start + second(10)), [""; 0]);
        assert_eq!(told(&snapshot, start + second(11)), [SILENCE]);
        snapshot.listed(1);
        read(&mut snapshot, start + second(20));
        assert_eq!(told(&snapshot, start + second(23)), [""; 0]);
        assert_eq!(told(&snapshot, start + second(24)), [STALE]);
        assert_eq!(told(&snapshot, start + second(31)), [SILENCE]);
    }

    /// As at boot, where the module is loaded after the exporter.
    #[test]
    fn a_driver_that_comes_late_has_time_to_answer() {
        let start = Instant::now();
        let mut snapshot = machine(start);
        let failure = Failure { reason: FailureReason::Other, message: "no driver".to_owned() };
        snapshot.lost_driver(failure);
        assert_eq!(told(&snapshot, start + second(14)), ["no driver"]);
        assert!(snapshot.initialised(Driver::default(), start + second(14)));
        assert_eq!(told(&snapshot, start + second(14)), [""; 0]);
        assert!(!snapshot.initialised(Driver::default(), start + second(20)), "another probe");
        assert_eq!(told(&snapshot, start + second(25)), [SILENCE], "it counts from the first one on");
    }

    #[test]
    fn a_driver_that_is_taken_again_has_time_to_answer() {
        let start = Instant::now();
        let mut snapshot = machine(start);
        snapshot.listed(1);
        read(&mut snapshot, start);
        snapshot.outdate();
        snapshot.awaited_since = Some(start + second(60));
        assert_eq!(told(&snapshot, start + second(60)), [""; 0]);
        assert_eq!(told(&snapshot, start + second(70)), [""; 0]);
        assert_eq!(told(&snapshot, start + second(71)), [SILENCE]);
        for at in [62, 63] {
            read(&mut snapshot, start + second(at));
        }
        assert_eq!(told(&snapshot, start + second(67)), [STALE], "it has answered, and stops");
    }
}

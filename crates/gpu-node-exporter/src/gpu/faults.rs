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

/// What is wrong; nothing is, on a machine without GPUs or while an administrator has the driver. GPUs have been read since `started`.
pub(super) fn faults(
    settings: &GpuSettings,
    snapshot: &Snapshot,
    expects_all_pci_gpus: bool,
    started: Instant,
    now: Instant,
) -> Vec<Fault> {
    if snapshot.probe.is_released {
        return Vec::new();
    }
    if let Some(failure) = &snapshot.probe.failure {
        let is_quiet = is_nothing_expected(settings, failure, &snapshot.pci) && snapshot.gpus.is_empty();
        return if is_quiet { Vec::new() } else { vec![Fault::new(failure.message.clone())] };
    }
    let waited = now.saturating_duration_since(snapshot.heard_at.unwrap_or(started));
    let is_any_fresh = snapshot.gpus.iter().any(|gpu| fresh(settings, gpu, now).is_some());
    let is_all_told =
        snapshot.is_complete && snapshot.gpus.iter().all(|gpu| gpu.presence.trouble().is_some());
    if waited > silent_after(settings) && !is_any_fresh && !is_all_told {
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
        if matches!(gpu.presence, Presence::Up(_)) && fresh(settings, gpu, now).is_none() {
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

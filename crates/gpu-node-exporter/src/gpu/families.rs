//! Snapshot → metric families, under our own names. Pure: the present moment is an argument.
//!
//! Series carry `gpu` (index) and `uuid` only; what describes a GPU is in `gpu_info`. The one exception is `gpu_up`,
//! which adds `pci_bus_id`: it must still name the slot when every other series of a lost GPU has stopped, and a GPU
//! that the driver never showed has no other name. XID series stay for a lost GPU, since they say why.

use std::time::Instant;

use super::reading::{self, ShownGpu};
use super::snapshot::{Gpu, Presence, Snapshot};
use super::subject::known_labels;
use crate::family::{Family, Labels};

/// How to look at a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    /// The last sweep is so old that its values are no longer shown.
    pub(super) is_stale: bool,
    /// PCI devices that the driver never showed count as GPUs that are down.
    pub(super) expects_all_pci_gpus: bool,
}

/// All GPU families; empty ones are left to the encoder to drop.
pub(super) fn families(snapshot: &Snapshot, view: View) -> Vec<Family> {
    let mut families = probe(snapshot, view);
    families.push(up(snapshot, view));
    families.extend(xids(snapshot));
    if view.is_stale {
        return families;
    }
    let shown = snapshot.gpus.iter().filter_map(|gpu| match &gpu.presence {
        Presence::Up(reading) => Some(ShownGpu { labels: labels(gpu), reading, sums: &gpu.sums }),
        _ => None,
    });
    families.extend(reading::families(&shown.collect::<Vec<_>>(), view.now));
    families
}

fn labels(gpu: &Gpu) -> Labels {
    let index = Some(("gpu", gpu.index.to_string()));
    Labels::new(index.into_iter().chain(gpu.uuid.clone().map(|uuid| ("uuid", uuid))))
}

fn probe(snapshot: &Snapshot, view: View) -> Vec<Family> {
    let probe = &snapshot.probe;
    let mut restarts =
        Family::counter("gpu_probe_restarts_total", "Replacements of the probe process, by reason.");
    for (reason, count) in &probe.restarts {
        restarts.push(Labels::new([("reason", reason.label())]), *count);
    }
    let mut stuck =
        Family::gauge("gpu_probe_stuck_gpus", "GPUs left alone because calls to them hang or crash.");
    let count = snapshot.gpus.iter().filter(|gpu| matches!(gpu.presence, Presence::Stuck)).count();
    stuck.push(Labels::NONE, count as u64);
    let mut age = Family::gauge("gpu_snapshot_age_seconds", "Age of the GPU readings shown here.");
    if let Some(taken_at) = snapshot.taken_at {
        age.push(Labels::NONE, view.now.saturating_duration_since(taken_at).as_secs_f64());
    }
    let mut driver = Family::info("gpu_driver_info", "The NVIDIA driver; absent while no probe has one.");
    if let Some(known) = snapshot.driver.as_ref().filter(|_| probe.is_up) {
        let versions = [
            ("version", known.version.as_deref()),
            ("nvml_version", known.nvml_version.as_deref()),
            ("cuda_version", known.cuda_version.as_deref()),
        ];
        driver.push(known_labels(&Labels::NONE, versions), 1_u64);
    }
    vec![
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
        restarts,
        stuck,
        age,
        driver,
    ]
}

fn up(snapshot: &Snapshot, view: View) -> Family {
    let mut up = Family::gauge("gpu_up", "Whether the GPU answers. A lost one stays at 0 until it returns.");
    // With the driver given away on purpose nothing is known, and nothing is wrong.
    if snapshot.probe.is_released {
        return up;
    }
    let is_expected = view.expects_all_pci_gpus && snapshot.taken_at.is_some();
    let unseen: Vec<_> = snapshot.never_seen().filter(|_| is_expected).collect();
    // A GPU without a UUID is among those that only the bus lists, and counts once: by its slot.
    let nameless = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_none()).skip(unseen.len());
    let named = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_some());
    for gpu in named.chain(nameless) {
        let is_up = matches!(gpu.presence, Presence::Up(_)) && !view.is_stale;
        up.push(known_labels(&labels(gpu), [("pci_bus_id", gpu.pci_bus_id.as_deref())]), is_up);
    }
    for pci in unseen {
        up.push(Labels::new([("pci_bus_id", pci.address.clone())]), false);
    }
    up
}

fn xids(snapshot: &Snapshot) -> [Family; 2] {
    let mut count =
        Family::counter("gpu_xid_errors_total", "XID errors since the exporter started, by code.");
    let mut last = Family::gauge("gpu_xid_last_timestamp_seconds", "When an XID of this code was last seen.");
    for gpu in &snapshot.gpus {
        let Some(xids) = gpu.uuid.as_ref().and_then(|uuid| snapshot.xids.get(uuid)) else { continue };
        let labels = labels(gpu);
        for (code, xid) in xids.iter() {
            let labels = labels.and([("xid", code.to_string())]);
            if let Some(at) = xid.last {
                last.push(labels.clone(), at);
            }
            count.push(labels, xid.total());
        }
    }
    [count, last]
}

#[cfg(test)]
mod tests;

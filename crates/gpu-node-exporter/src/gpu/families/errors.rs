//! What the driver reports as errors: XIDs, the incidents they make, other events, and NVSwitches' errors.

use super::labels;
use crate::family::{Family, Labels};
use crate::gpu::snapshot::{Snapshot, XidCount, Xids};
use crate::gpu::xid::Severity;

pub(super) fn families(snapshot: &Snapshot) -> Vec<Family> {
    let mut xids = Counted::new(
        "gpu_xid_errors_total",
        "XID errors since the exporter started, by code and by how bad they are.",
        "gpu_xid_last_timestamp_seconds",
        "When an XID of this code and severity was last seen.",
    );
    let mut incidents = Family::counter(
        "gpu_xid_incidents_total",
        "Bursts of XIDs without three quiet minutes between. One that grows worse counts again under what it became.",
    );
    let mut leading = Family::gauge(
        "gpu_xid_incident_leading_code",
        "The XID that names the latest incident: the worst, of equals the one that others name as their cause, else the first.",
    );
    let mut events = Family::counter(
        "gpu_events_total",
        "Events beside XIDs that the driver reported since the exporter started, by kind; kinds that the driver does not report of this GPU are absent.",
    );
    let mut burst = |labels: &Labels, xids: &Xids| {
        for (label, severity) in Severity::LABELS {
            incidents.push(labels.and([("severity", label)]), xids.incidents.total(severity));
        }
        if let Some(latest) = xids.incidents.latest() {
            leading.push(labels.clone(), u64::from(latest.leading_code));
        }
    };
    for gpu in &snapshot.gpus {
        let Some(of_gpu) = gpu.uuid.as_deref().and_then(|uuid| snapshot.errors.by_uuid(uuid)) else {
            continue;
        };
        let labels = labels(gpu);
        for (code, severity, count) in of_gpu.iter() {
            xids.push(&labels, "xid", code, severity, count);
        }
        burst(&labels, of_gpu);
        for (kind, count) in gpu.uuid.iter().flat_map(|uuid| snapshot.errors.driver_events.of(uuid)) {
            events.push(labels.and([("event", kind.label())]), count);
        }
    }
    // Of a GPU without a name there is nothing to see until something happened.
    for (slot, of_gpu) in &snapshot.errors.by_slot {
        let labels = Labels::new([("pci_bus_id", format!("{slot}.0"))]);
        for (code, severity, count) in of_gpu.iter() {
            xids.push(&labels, "xid", code, severity, count);
        }
        burst(&labels, of_gpu);
    }
    let mut switches = Counted::new(
        "gpu_nvswitch_errors_total",
        "SXid errors of NVSwitches since the exporter started, by code and by how bad they are.",
        "gpu_nvswitch_error_last_timestamp_seconds",
        "When an SXid of this code and severity was last seen.",
    );
    for (address, code, severity, count) in snapshot.errors.switches.iter() {
        switches.push(&Labels::new([("pci_bus_id", address.to_owned())]), "sxid", code, severity, count);
    }
    vec![xids.total, xids.last, incidents, leading, events, switches.total, switches.last]
}

/// How many of each code and severity, and when the last came.
struct Counted {
    total: Family,
    last: Family,
}

impl Counted {
    fn new(
        total: &'static str,
        total_help: &'static str,
        last: &'static str,
        last_help: &'static str,
    ) -> Self {
        Self { total: Family::counter(total, total_help), last: Family::gauge(last, last_help) }
    }

    fn push(&mut self, labels: &Labels, kind: &'static str, code: u32, severity: Severity, count: &XidCount) {
        let labels = labels.and([(kind, code.to_string()), ("severity", severity.label().to_owned())]);
        if let Some(at) = count.last {
            self.last.push(labels.clone(), at);
        }
        self.total.push(labels, count.total);
    }
}

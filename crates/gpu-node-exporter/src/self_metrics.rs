//! The exporter's series about itself.
//!
//! Owns the series about build and requests, and the meta-series of the collectors; those about the process are read by
//! a collector, `self_metrics/process.rs`. Leaves out the probe's series, which are the GPU side's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_serve::Closing;

use crate::family::{Family, Labels};
use crate::scrape::Reading;

mod process;

pub(crate) use process::ProcessCollector;

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct SelfMetrics {
    requests: Mutex<BTreeMap<u16, u64>>,
    refused_series: AtomicU64,
    closed_connections: [AtomicU64; Closing::ALL.len()],
}

impl SelfMetrics {
    /// One more request to the metrics page was answered with this status.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(status.as_u16()).or_default() += 1;
    }

    /// So many series were left out of a page.
    pub(crate) fn refused(&self, count: usize) {
        self.refused_series.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The server closed a connection to keep a bound.
    pub(crate) fn connection_closed(&self, reason: Closing) {
        self.closed_connections[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The series about requests and connections.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut requests = Family::counter(
            "gpu_node_exporter_http_requests_total",
            "Requests to the metrics page, by the status they were answered with.",
        );
        // Known from the start, so that the first failure is an increase and not a new series.
        let mut by_code = BTreeMap::from([(200, 0), (400, 0), (503, 0)]);
        by_code.extend(self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter());
        for (code, count) in by_code {
            requests.push(Labels::new([("code", code.to_string())]), count);
        }
        let refused = Family::counter(
            "gpu_node_exporter_refused_series_total",
            "Series left out of a page because an equal one, or a family of another type, was there first, or for a name that no page may hold.",
        );
        let mut closed = Family::counter(
            "gpu_node_exporter_connections_closed_total",
            "Connections that the server closed on their peers to keep a bound, by reason.",
        );
        for (reason, count) in Closing::ALL.into_iter().zip(&self.closed_connections) {
            closed.push(Labels::new([("reason", reason.as_str())]), count.load(Ordering::Relaxed));
        }
        vec![requests, closed, refused.with(Labels::NONE, self.refused_series.load(Ordering::Relaxed))]
    }
}

/// Which version this is: under its own name, and under `node_exporter`'s, by which its dashboards find their instances.
pub(crate) fn build_infos() -> [Family; 2] {
    let labels = Labels::new([("version", env!("CARGO_PKG_VERSION"))]);
    let infos = [
        ("gpu_node_exporter_build_info", "The exporter's version; always 1."),
        ("node_exporter_build_info", "The version of gpu-node-exporter, which serves here; always 1."),
    ];
    infos.map(|(name, help)| Family::info(name, help).with(labels.clone(), 1_u64))
}

/// Whether a user can name this collector, in flags or in `collect[]`. False for the series of this process: as in
/// `node_exporter` they depend on `--web.disable-exporter-metrics` alone and have no meta-series.
pub(crate) fn is_nameable(collector: &str) -> bool {
    collector != process::NAME
}

/// How long each collector took, or has taken so far when it did not answer in time, and whether it read everything. The helps are
/// `node_exporter`'s.
pub(crate) fn collector_families(readings: &[Arc<Reading>]) -> Vec<Family> {
    let mut took = Family::gauge(
        "node_scrape_collector_duration_seconds",
        "node_exporter: Duration of a collector scrape.",
    );
    let mut success =
        Family::gauge("node_scrape_collector_success", "node_exporter: Whether a collector succeeded.");
    for reading in readings.iter().filter(|reading| is_nameable(reading.collector)) {
        took.push(reading.labels.clone(), reading.took.as_secs_f64());
        success.push(reading.labels.clone(), reading.success());
    }
    vec![took, success]
}

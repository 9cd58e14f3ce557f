//! The store's own metrics.

use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::metrics::Metrics;
use crate::metrics::labels::StoreErrors;
use crate::outbox::StoreError;

#[derive(Debug)]
pub(super) struct StoreMetrics {
    errors: Family<StoreErrors, Counter>,
    batches: Histogram,
    size: Gauge<i64, AtomicI64>,
    evicted: Counter,
}

impl StoreMetrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            errors: Family::default(),
            batches: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            size: Gauge::default(),
            evicted: Counter::default(),
        };
        for kind in StoreError::KINDS {
            metrics.errors.get_or_create_owned(&StoreErrors { kind: kind.to_owned() });
        }
        metrics
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("store_errors", "Requests to the store that failed, by kind", self.errors.clone());
        registry.register(
            "store_commit_requests",
            "Requests in one transaction of the store",
            self.batches.clone(),
        );
        registry.register_with_unit(
            "store_size",
            "What the store takes: of an SQLite file the bytes in use, of PostgreSQL's tables all",
            Unit::Bytes,
            self.size.clone(),
        );
        registry.register(
            "store_evicted_webhooks",
            "Webhooks deleted before their retention had passed, since the store was larger than store.max_bytes",
            self.evicted.clone(),
        );
    }
}

impl Metrics {
    /// A request to the store failed.
    pub(crate) fn store_error(&self, error: &StoreError) {
        self.store.errors.get_or_create(&StoreErrors { kind: error.kind().to_owned() }).inc();
    }

    /// The sizes of the store's transactions since the last call.
    pub(crate) fn batches(&self, sizes: impl IntoIterator<Item = usize>) {
        for size in sizes {
            self.store.batches.observe(size as f64);
        }
    }

    /// What the store takes.
    pub(crate) fn store_bytes(&self, bytes: u64) {
        self.store.size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// So many webhooks were deleted to make room.
    pub(crate) fn evicted(&self, webhooks: u64) {
        self.store.evicted.inc_by(webhooks);
    }
}

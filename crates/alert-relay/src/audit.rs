//! Counting the relay's own deliveries: every accepted one has ended, or waits.
//!
//! Owns comparing accepted with ended plus pending, and reporting a difference. Leaves out the counting, which the store does in the transaction of each
//! event: the ends by adding up, the waiting ones by looking at the rows. A delivery lost or ended twice makes them differ.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;
use crate::delivery::TargetCount;
use crate::metrics::Metrics;
use crate::outbox::{Outbox, StoreError};

/// Checks on demand: at each scrape, and now and then by the housekeeping.
#[derive(Debug)]
pub(crate) struct Audit {
    outbox: Outbox,
    metrics: Arc<Metrics>,
    clock: Clock,
    last: AtomicI64,
}

impl Audit {
    /// An audit of this store, reported through these metrics.
    pub(crate) fn new(outbox: Outbox, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { outbox, metrics, clock, last: AtomicI64::new(0) }
    }

    /// Counts, and brings the metrics about the store up to date. Returns the counts by target.
    pub(crate) async fn check(&self) -> Result<BTreeMap<String, TargetCount>, StoreError> {
        self.metrics.batches(self.outbox.take_batch_sizes());
        let counts = self.outbox.counts().await.inspect_err(|error| self.metrics.store_error(error))?;
        let now = self.clock.now();
        for (target, count) in &counts {
            self.metrics.standing(target, count, now);
        }
        // The sum of the amounts: a surplus here and a loss there do not cancel out.
        let total =
            counts.values().map(|count| imbalance(count).saturating_abs()).fold(0, i64::saturating_add);
        self.metrics.imbalance(total);
        if self.last.swap(total, Ordering::Relaxed) != total {
            Self::report(&counts, total);
        }
        Ok(counts)
    }

    fn report(counts: &BTreeMap<String, TargetCount>, total: i64) {
        if total == 0 {
            tracing::info!("the delivery counts are consistent again: accepted = ended + pending");
        }
        for (target, count) in counts.iter().filter(|(_, count)| imbalance(count) != 0) {
            let TargetCount { accepted, pending, .. } = count;
            let ended: u64 = count.ended.values().sum();
            tracing::error!(
                %target,
                accepted,
                ended,
                pending,
                "{accepted} deliveries were accepted for {target}, but {ended} have ended and {pending} wait: this is a fault of alert-relay \
                 or of the store (hint: `sqlite3 FILE 'PRAGMA integrity_check'`, and please report it)"
            );
        }
    }
}

/// Accepted less ended and pending: positive, deliveries got lost; negative, some ended twice.
pub(crate) fn imbalance(count: &TargetCount) -> i64 {
    let known = count.ended.values().sum::<u64>().saturating_add(count.pending);
    i64::try_from(i128::from(count.accepted) - i128::from(known)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::End;

    #[test]
    fn the_sum_says_what_is_missing_or_too_much() {
        let check = |accepted, delivered, dead, pending, expected| {
            let ended = BTreeMap::from([(End::Delivered, delivered), (End::Dead, dead)]);
            let count = TargetCount { accepted, ended, pending, ..TargetCount::default() };
            assert_eq!(imbalance(&count), expected, "{count:?}");
        };
        check(0, 0, 0, 0, 0);
        check(5, 3, 1, 1, 0);
        check(5, 3, 1, 0, 1);
        check(5, 3, 1, 2, -1);
        check(u64::MAX, 0, 0, 0, i64::MAX);
    }
}

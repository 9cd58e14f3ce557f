//! Keeps the store no larger than it may be.

use std::time::Duration;

use crate::clock::Millis;
use crate::metrics::Metrics;
use crate::outbox::{Outbox, StoreError};
use crate::settings::Settings;
use crate::store_size::{LEAST_KEPT, Verdict, judge};

/// Transactions of deleting in one round: with one every 15 s, this keeps up with thousands of webhooks a second.
const BATCHES: usize = 200;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimits {
    /// `store.max_bytes`.
    max_bytes: Option<u64>,
    /// What was over later than this long ago is kept, however large the store is: budgets are counted from it, and copies recognised by it.
    least_kept: Duration,
}

impl SizeLimits {
    /// Those of the settings.
    pub(crate) fn of(settings: &Settings) -> Self {
        let windows = settings.targets.values().map(|target| target.budget.window);
        Self { max_bytes: settings.store.max_bytes, least_kept: windows.fold(LEAST_KEPT, Duration::max) }
    }
}

/// What is known from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct SizeKeeper {
    /// How large tables were that do not shrink when room was last made in them.
    room_made_at: u64,
}

impl SizeKeeper {
    /// Looks how large the store is. The relay that delivers makes room by deleting what ended first; each relay refuses what is new while
    /// there is nothing to delete.
    pub(crate) async fn look(
        &mut self,
        outbox: &Outbox,
        metrics: &Metrics,
        now: Millis,
        limits: SizeLimits,
    ) -> Result<(), StoreError> {
        let SizeLimits { max_bytes, least_kept } = limits;
        let deletable_before = now.minus(least_kept);
        let mut webhooks = 0;
        let mut filled = None;
        for _ in 0..BATCHES {
            let size = outbox.size().await?;
            metrics.store_bytes(size.bytes);
            let Some(max_bytes) = max_bytes.filter(|most| size.bytes > *most) else { break };
            let first_over = outbox.first_over().await?;
            match judge(size, max_bytes, first_over, deletable_before, self.room_made_at) {
                Verdict::FullIfPending(least) => {
                    filled = (outbox.pending_bytes().await? >= least).then_some(max_bytes);
                    break;
                }
                Verdict::MakeRoom if outbox.is_leading() => {}
                Verdict::MakeRoom | Verdict::Fits => break,
            }
            // Tables that keep their space say nothing of what has gone: as much goes as in a whole round of a busy minute's.
            for _ in 0..if size.shrinks { 1 } else { BATCHES / 10 } {
                webhooks += outbox.evict(deletable_before).await?;
            }
            self.room_made_at = size.bytes;
        }
        if webhooks > 0 {
            metrics.evicted(webhooks);
            tracing::warn!(
                webhooks,
                "the store is larger than `store.max_bytes`: the {webhooks} webhooks that were over first are deleted before their \
                 `store.retention` has passed"
            );
        }
        match (outbox.fill(filled), filled) {
            (true, Some(max_bytes)) => {
                let error = StoreError::MaxBytes { max_bytes };
                tracing::error!(%error, "webhooks are answered 503: {error}");
            }
            (true, None) => tracing::info!("the store has room again: webhooks are taken"),
            (false, _) => {}
        }
        Ok(())
    }
}

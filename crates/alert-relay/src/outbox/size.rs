//! How large the store is, and what is done where it is too large.

use std::time::Duration;

use crate::clock::Millis;
use crate::outbox::Outbox;
use crate::outbox::error::StoreError;
use crate::outbox::statements::changes::PRUNE_ROWS;
use crate::store_size::StoreSize;

impl Outbox {
    /// How large the store is.
    pub(crate) async fn size(&self) -> Result<StoreSize, StoreError> {
        self.store.readers.size().await
    }

    /// Since when the first of what may be deleted is over.
    pub(crate) async fn first_over(&self) -> Result<Option<Millis>, StoreError> {
        self.store.readers.first_over().await
    }

    /// Deletes a batch of what ended first, and before `deletable_before`. Returns how many webhooks went.
    pub(crate) async fn evict(&self, deletable_before: Millis) -> Result<u64, StoreError> {
        let last = self.store.readers.ended(PRUNE_ROWS.unsigned_abs().saturating_sub(1)).await?;
        let before =
            last.map_or(deletable_before, |last| deletable_before.min(last.plus(Duration::from_millis(1))));
        Ok(self.store.writer.prune(before, self.clock.now()).await?.webhooks)
    }

    /// Bytes of the webhooks of which something is pending.
    pub(crate) async fn pending_bytes(&self) -> Result<u64, StoreError> {
        self.store.readers.pending_bytes().await
    }

    /// Takes nothing new while what is pending fills this much; `None`: takes it again. Returns whether that changes something.
    pub(crate) fn fill(&self, max_bytes: Option<u64>) -> bool {
        self.store.writer.fill(max_bytes)
    }
}

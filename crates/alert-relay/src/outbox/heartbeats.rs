//! What the store knows of heartbeats: which were heard by any relay, and who was told that one is missing.

use std::collections::BTreeMap;

use crate::outbox::error::StoreError;
use crate::outbox::statements::beats::StoredBeat;
use crate::outbox::{Outbox, Right};

impl Outbox {
    /// Notes for all relays that a heartbeat was heard. Of a file the one relay knows it by itself.
    pub(crate) async fn beat(&self, name: &str) -> Result<(), StoreError> {
        match &self.store.right {
            Right::Alone(_) => Ok(()),
            Right::Terms(_) => self.store.writer.beat(name.to_owned()).await,
        }
    }

    /// When each heartbeat was last heard by any relay of a shared store.
    pub(crate) async fn beats(&self) -> Result<Vec<StoredBeat>, StoreError> {
        match &self.store.right {
            Right::Alone(_) => Ok(Vec::new()),
            Right::Terms(_) => self.store.readers.beats().await,
        }
    }

    /// The targets that were told that a heartbeat is missing, and not yet that it is over; by its name.
    pub(crate) async fn alarms(&self) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
        self.store.readers.alarms().await
    }
}

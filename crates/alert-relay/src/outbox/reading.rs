//! Reading a store beside the relay that owns it: no lock, no take-over, no change.
//!
//! Owns what may be asked this way: stories, and what waits. Whatever wants to change something asks the running relay.

use std::collections::BTreeMap;

use crate::delivery::PublicId;
use crate::notification::Fingerprint;
use crate::outbox::error::ReadError;
use crate::outbox::sqlite::read_only::ReadOnly;
use crate::settings::StoreSettings;
use crate::story::{Received, Sightings, Story};

/// A store opened for reading only.
#[derive(Debug)]
pub(crate) struct ReadOnlyOutbox {
    store: ReadOnly,
}

impl ReadOnlyOutbox {
    /// Opens the store that the settings name. It has to be there, and brought up to date by a relay of this version.
    pub(crate) async fn open(settings: &StoreSettings) -> Result<Self, ReadError> {
        Ok(Self { store: ReadOnly::open(&settings.path).await? })
    }

    /// What became of a delivery; `None`: there is no such delivery, or no longer.
    pub(crate) async fn story(&mut self, id: &PublicId) -> Result<Option<Story>, ReadError> {
        if id.tag() != self.store.tag() {
            return Err(ReadError::AnotherStore { tag: self.store.tag().to_owned() });
        }
        self.store.story(id.number()).await
    }

    /// The webhook with this number; `None`: there is none, or no longer.
    pub(crate) async fn webhook(&mut self, number: i64) -> Result<Option<Received>, ReadError> {
        self.store.webhook(number).await
    }

    /// How many deliveries wait for each target.
    pub(crate) async fn waiting(&mut self) -> Result<BTreeMap<String, u64>, ReadError> {
        self.store.waiting().await
    }

    /// The newest deliveries that were set aside.
    pub(crate) async fn set_aside(&mut self) -> Result<Sightings, ReadError> {
        self.store.set_aside().await
    }

    /// Which of the newest deliveries hold an alert, and where no route wanted it.
    pub(crate) async fn sightings(&mut self, fingerprint: &Fingerprint) -> Result<Sightings, ReadError> {
        self.store.sightings(fingerprint).await
    }
}

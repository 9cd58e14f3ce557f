//! Reading a store beside the relay that owns it: no lock, no take-over, no change.
//!
//! Owns what may be asked this way: stories, and what waits. Whatever wants to change something asks the running relay.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Millis;
use crate::delivery::PublicId;
use crate::notification::Fingerprint;
use crate::operation::deliveries::{DeliveryFilter, DeliveryPage, PageRequest};
use crate::outbox::error::ReadError;
use crate::outbox::failure::store_error;
use crate::outbox::postgres::{self, terms};
use crate::outbox::session::Connection;
use crate::outbox::sqlite::backup::{self, Backup};
use crate::outbox::sqlite::read_only;
use crate::outbox::statements::{diagnosis, holder, lists, standing, stories, webhooks};
use crate::routes::Planned;
use crate::settings::StoreSettings;
use crate::story::{Received, Sightings, Span, Standing, Story};

/// A store opened for reading only.
#[derive(Debug)]
pub(crate) struct ReadOnlyOutbox {
    connection: Connection,
    tag: Arc<str>,
}

impl ReadOnlyOutbox {
    /// Opens the store that the settings name. It has to be there, and brought up to date by a relay of this version.
    pub(crate) async fn open(settings: &StoreSettings) -> Result<Self, ReadError> {
        if let Some(url) = &settings.postgres {
            let (connection, tag) = postgres::open_read_only(url).await?;
            return Ok(Self { connection: Connection::Postgres(connection), tag: tag.into() });
        }
        let (connection, tag) = read_only::open(&settings.path).await?;
        Ok(Self { connection: Connection::Sqlite(connection), tag: tag.into() })
    }

    /// What became of a delivery; `None`: there is no such delivery, or no longer.
    pub(crate) async fn story(&mut self, id: &PublicId) -> Result<Option<Story>, ReadError> {
        if id.tag() != &*self.tag {
            return Err(ReadError::AnotherStore { tag: self.tag.to_string() });
        }
        let story = stories::story(&mut self.connection.session(), &self.tag, id.number()).await;
        let Some(mut story) = story.map_err(|error| store_error(&error))? else { return Ok(None) };
        let webhook = self.webhook(story.received.notification).await?;
        story.received.payload = webhook.and_then(|webhook| webhook.payload);
        Ok(Some(story))
    }

    /// The webhook with this number; `None`: there is none, or no longer.
    pub(crate) async fn webhook(&mut self, number: i64) -> Result<Option<Received>, ReadError> {
        let webhook = webhooks::webhook(&mut self.connection.session(), number).await;
        Ok(webhook.map_err(|error| store_error(&error))?)
    }

    /// The newest webhooks accepted since then: at most this many, and at most this many bytes. Without copies and without what the relay
    /// posts itself.
    pub(crate) async fn span(
        &mut self,
        since: Millis,
        most: u32,
        most_bytes: u64,
    ) -> Result<Span, ReadError> {
        let span = webhooks::span(&mut self.connection.session(), since, most, most_bytes).await;
        Ok(span.map_err(|error| store_error(&error))?)
    }

    /// Where a webhook's alerts went, as it was routed when it was accepted.
    pub(crate) async fn recorded(&mut self, number: i64) -> Result<Vec<Planned>, ReadError> {
        let recorded = webhooks::recorded(&mut self.connection.session(), number).await;
        Ok(recorded.map_err(|error| store_error(&error))?)
    }

    /// Copies the store to a file that must not be there yet.
    pub(crate) async fn back_up(&mut self, file: &Path) -> Result<Backup, ReadError> {
        match &mut self.connection {
            Connection::Sqlite(connection) => backup::to(connection, file).await,
            Connection::Postgres(_) => {
                let reason = "the store is PostgreSQL's (hint: pg_dump)".to_owned();
                Err(ReadError::Backup { file: file.to_owned(), reason })
            }
        }
    }

    /// How the relay that delivers calls itself, of those that share a database; `None`: none has said of late that it does, or the store is a
    /// relay's own file.
    pub(crate) async fn deliverer(&mut self) -> Result<Option<String>, ReadError> {
        match &self.connection {
            Connection::Sqlite(_) => Ok(None),
            Connection::Postgres(_) => {
                let holder = holder::read(&mut self.connection.session(), terms::LEASE).await;
                Ok(holder.map_err(|error| store_error(&error))?)
            }
        }
    }

    /// How the store stands.
    pub(crate) async fn standing(&mut self) -> Result<Standing, ReadError> {
        let standing = diagnosis::standing(&mut self.connection.session()).await;
        Ok(standing.map_err(|error| store_error(&error))?)
    }

    /// A page of the deliveries that a filter asks for, newest first.
    pub(crate) async fn deliveries(
        &mut self,
        filter: &DeliveryFilter,
        request: &PageRequest,
    ) -> Result<DeliveryPage, ReadError> {
        let page = lists::page(&mut self.connection.session(), &self.tag, filter, request).await;
        Ok(page.map_err(|error| store_error(&error))?)
    }

    /// How many deliveries wait for each target.
    pub(crate) async fn waiting(&mut self) -> Result<BTreeMap<String, u64>, ReadError> {
        let waiting = standing::waiting(&mut self.connection.session()).await;
        Ok(waiting.map_err(|error| store_error(&error))?)
    }

    /// The newest deliveries that were set aside.
    pub(crate) async fn set_aside(&mut self) -> Result<Sightings, ReadError> {
        let seen = stories::set_aside(&mut self.connection.session(), &self.tag).await;
        Ok(seen.map_err(|error| store_error(&error))?)
    }

    /// Which of the newest deliveries hold an alert, and where no route wanted it.
    pub(crate) async fn sightings(&mut self, fingerprint: &Fingerprint) -> Result<Sightings, ReadError> {
        let seen = stories::sightings(&mut self.connection.session(), &self.tag, fingerprint).await;
        Ok(seen.map_err(|error| store_error(&error))?)
    }
}

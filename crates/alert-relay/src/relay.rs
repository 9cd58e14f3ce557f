//! The running relay, as its paths and timers see it.
//!
//! Owns the settings in force and the end of delivering. Accepting, heartbeats and reloading are its children's. Leaves out HTTP
//! (`http`) and sending (`deliver`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::audit::Audit;
use crate::clock::{Clock, Millis};
use crate::deliver::{Deliverer, Standings};
use crate::heartbeat::Heartbeats;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::settings::Settings;

pub(crate) use crate::relay::accept::{Posted, Receipt, Refusal};
pub(crate) use crate::relay::heartbeat::Beat;
pub(crate) use crate::relay::looking::LookRefusal;
pub(crate) use crate::relay::previews::PreviewRefusal;
use crate::relay::removed::RemovedReceivers;
use crate::relay::role::Refreshed;
pub(crate) use crate::relay::role::Role;

mod accept;
mod audit_trail;
mod dead_letters;
mod deliveries;
mod heartbeat;
mod looking;
mod overview;
mod previews;
mod reload;
mod removed;
mod role;
mod send_test;
mod settings_in_force;
mod stories;
mod term;

/// One relay, shared by all requests.
#[derive(Debug)]
pub(crate) struct Relay {
    file: PathBuf,
    role: Role,
    refreshed: Refreshed,
    settings: ArcSwap<Settings>,
    parts: Parts,
    /// While it is this relay's turn, until the stop. Held during a reload, so that two of them end with the newer file.
    deliverer: Mutex<Option<Deliverer>>,
    heartbeats: Heartbeats,
    removed: RemovedReceivers,
    /// While it is this relay's turn.
    standings: ArcSwapOption<Standings>,
    /// Held while somebody looks what a reload would change.
    looking: Mutex<()>,
}

/// What a relay works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where notifications go.
    pub(crate) outbox: Outbox,
    /// Counts every webhook.
    pub(crate) metrics: Arc<Metrics>,
    /// Counts the store before a scrape.
    pub(crate) audit: Arc<Audit>,
    /// What time it is.
    pub(crate) clock: Clock,
    /// How much may be worked on at a time.
    pub(crate) memory: Memory,
}

impl Relay {
    /// A relay under `settings`, which were read from `file`.
    pub(crate) fn new(file: &Path, role: Role, settings: Settings, parts: Parts) -> Self {
        let heartbeats = Heartbeats::default();
        heartbeats.configure(&settings.heartbeats, |name| name, parts.clock.reading());
        Self {
            file: file.to_owned(),
            role,
            refreshed: Refreshed::default(),
            settings: ArcSwap::from_pointee(settings),
            parts,
            deliverer: Mutex::new(None),
            heartbeats,
            removed: RemovedReceivers::default(),
            standings: ArcSwapOption::empty(),
            looking: Mutex::default(),
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Millis {
        self.parts.clock.now()
    }

    /// The store.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.parts.outbox
    }

    /// The metrics, for the requests to count themselves.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// The metrics page, brought up to date. A store that does not answer costs its own metrics, not the page.
    pub(crate) async fn metrics_page(&self) -> String {
        if let Err(error) = self.parts.audit.check().await {
            warn!(%error, "cannot count the deliveries for the metrics: {error}");
        }
        self.parts.metrics.heartbeats(&self.heartbeats.last_beats());
        self.parts.metrics.encode()
    }

    /// Lets sends under way finish within `limit` and begins no more. What waits stays in the store.
    pub(crate) async fn stop_delivering(&self, limit: Duration) {
        let end = Instant::now() + limit;
        // A reload may hold it that reads its files from a disk that hangs.
        let Ok(mut deliverer) = tokio::time::timeout_at(end, self.deliverer.lock()).await else {
            warn!(
                "drain_timeout ended while settings were reloaded: deliveries being sent are cut off and may arrive twice"
            );
            return;
        };
        let Some(deliverer) = deliverer.take() else { return };
        deliverer.stop(end.saturating_duration_since(Instant::now())).await;
    }
}

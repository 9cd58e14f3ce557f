//! The running relay, as its endpoints and timers see it: accept, beat, reload.
//!
//! Owns the settings in force and the order of accepting: parse, route, make durable, and only then say yes. Leaves out
//! HTTP (`endpoints`) and sending (`deliver`).

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::signal::unix::Signal;
use tokio::sync::Mutex;
use tokio::task::JoinError;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::audit::Audit;
use crate::clock::Clock;
use crate::deliver::{Deliverer, TargetsError};
use crate::delivery::{Acceptance, Accepted};
use crate::heartbeat::{Due, Heartbeats};
use crate::intake::{self, IntakeError};
use crate::metrics::Metrics;
use crate::notification::Status;
use crate::outbox::{Outbox, StoreError};
use crate::routes;
use crate::settings::{Problem, Settings, no_such};

/// What could not be stored for a heartbeat is tried again after this long.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// One relay, shared by all requests.
#[derive(Debug)]
pub(crate) struct Relay {
    file: PathBuf,
    settings: ArcSwap<Settings>,
    parts: Parts,
    /// Until the stop. Held during a reload, so that two of them end with the newer file.
    deliverer: Mutex<Option<Deliverer>>,
    heartbeats: Heartbeats,
}

/// What a relay works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where notifications go.
    pub(crate) outbox: Outbox,
    /// Told of every webhook.
    pub(crate) metrics: Arc<Metrics>,
    /// Counts the store before a scrape.
    pub(crate) audit: Arc<Audit>,
    /// What time it is.
    pub(crate) clock: Clock,
}

/// What became of a webhook that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// How many alerts it held.
    pub(crate) alerts: usize,
    /// How many of them no route matches.
    pub(crate) unrouted: usize,
    /// What the store did.
    pub(crate) acceptance: Acceptance,
}

/// Why a webhook was not accepted. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A name that the settings do not have; the text lists those they have.
    #[error("{0}")]
    Unknown(String),
    /// A body that can never be accepted.
    #[error(transparent)]
    Body(#[from] IntakeError),
    /// The sender should try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a post to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// A sign of life.
    Heard,
    /// Alertmanager says that the Watchdog is resolved: the opposite of a sign of life.
    Ended,
}

impl Relay {
    /// A relay under `settings`, which were read from `file`.
    pub(crate) fn new(file: &Path, settings: Settings, parts: Parts, deliverer: Deliverer) -> Self {
        let heartbeats = Heartbeats::default();
        heartbeats.configure(&settings.heartbeats, parts.clock.now());
        Self {
            file: file.to_owned(),
            settings: ArcSwap::from_pointee(settings),
            parts,
            deliverer: Mutex::new(Some(deliverer)),
            heartbeats,
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
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

    /// What was heard when.
    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Whether there is such a receiver, before its body is worth reading.
    pub(crate) fn require_receiver(&self, receiver: &str) -> Result<(), Refusal> {
        let settings = self.settings();
        if settings.receivers.contains_key(receiver) {
            return Ok(());
        }
        Err(unknown_receiver(&settings, receiver))
    }

    /// Accepts one webhook for `receiver`. `Ok` means that it is on disk.
    pub(crate) async fn accept(&self, receiver: &str, body: Bytes) -> Result<Receipt, Refusal> {
        let settings = self.settings();
        let routing =
            settings.receivers.get(receiver).ok_or_else(|| unknown_receiver(&settings, receiver))?;
        let notification = intake::parse(&body)?;
        let now = self.parts.clock.now().timestamp();
        let plan = routes::plan(routing, &notification, now, &settings.time_zone);
        let (alerts, unrouted) = (notification.alerts.len(), plan.unrouted);
        let acceptance = self
            .store(Accepted {
                endpoint: receiver.to_owned(),
                notification,
                payload: body,
                deliveries: plan.deliveries,
            })
            .await?;
        let metrics = &self.parts.metrics;
        metrics.notification(receiver, matches!(acceptance, Acceptance::Duplicate { .. }));
        if unrouted > 0 {
            metrics.unrouted_alerts(receiver, unrouted);
        }
        Ok(Receipt { alerts, unrouted, acceptance })
    }

    /// Notes a sign of life. The body may be anything; only Alertmanager's word that the Watchdog has ended does not count.
    pub(crate) fn beat(&self, name: &str, body: &[u8]) -> Result<Beat, Refusal> {
        let settings = self.settings();
        if !settings.heartbeats.contains_key(name) {
            let known = settings.heartbeats.keys().map(String::as_str).collect();
            return Err(Refusal::Unknown(no_such("heartbeat", name, &known)));
        }
        let has_ended = intake::parse(body).is_ok_and(|notification| {
            notification.alerts.iter().all(|alert| alert.status == Status::Resolved)
        });
        if has_ended {
            return Ok(Beat::Ended);
        }
        self.heartbeats.beat(name, self.parts.clock.now());
        Ok(Beat::Heard)
    }

    /// Reads the settings file again. With mistakes in it nothing changes, and all of them are logged and returned. Once begun
    /// it goes on to its end, also if whoever asked for it does not wait: half of the relay under new settings would be worse
    /// than either.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<(), Vec<Problem>> {
        let relay = Arc::clone(self);
        let reloaded = tokio::spawn(async move { relay.try_reload().await }).await;
        let reloaded = reloaded.unwrap_or_else(|panicked| Err(vec![self.cannot_reload(&panicked)]));
        for problem in reloaded.as_ref().err().into_iter().flatten() {
            warn!("reload refused: {problem}");
        }
        reloaded
    }

    async fn try_reload(&self) -> Result<(), Vec<Problem>> {
        let deliverer = self.deliverer.lock().await;
        let file = self.file.clone();
        // Reads files, which may be on a slow disk.
        let loaded = tokio::task::spawn_blocking(move || Settings::load(&file)).await;
        let settings = match loaded {
            Ok(loaded) => loaded.map_err(|rejected| rejected.problems)?,
            Err(panicked) => return Err(vec![self.cannot_reload(&panicked)]),
        };
        for key in settings.needs_restart(&self.settings()) {
            warn!(key, "`{key}` has changed and needs a restart");
        }
        if let Some(deliverer) = deliverer.as_ref() {
            let of_file = |error: TargetsError| Problem::of_file(&self.file, None, error.to_string());
            deliverer
                .reload(&settings)
                .await
                .map_err(|errors| errors.into_iter().map(of_file).collect::<Vec<_>>())?;
        }
        self.heartbeats.configure(&settings.heartbeats, self.parts.clock.now());
        self.settings.store(Arc::new(settings));
        info!(file = %self.file.display(), "settings reloaded");
        Ok(())
    }

    fn cannot_reload(&self, panicked: &JoinError) -> Problem {
        Problem::of_file(&self.file, None, format!("reading it failed: {panicked}"))
    }

    /// Lets sends under way finish within `limit` and begins no more. What waits stays in the store.
    pub(crate) async fn stop_delivering(&self, limit: Duration) {
        let end = Instant::now() + limit;
        // A reload may hold it that reads its files from a disk that hangs.
        let Ok(mut deliverer) = tokio::time::timeout_at(end, self.deliverer.lock()).await else {
            warn!("a reload did not finish in time; sends under way are cut off and may arrive twice");
            return;
        };
        let Some(deliverer) = deliverer.take() else { return };
        let cut_short = deliverer.stop(end.saturating_duration_since(Instant::now())).await;
        if cut_short > 0 {
            warn!(
                cut_short,
                "{cut_short} sends did not finish in time; they are tried again after the next start"
            );
        }
    }

    async fn store(&self, accepted: Accepted) -> Result<Acceptance, StoreError> {
        let stored = self.parts.outbox.accept(accepted).await;
        stored.inspect_err(|error| self.parts.metrics.store_error(error))
    }

    /// Tells of heartbeats that have gone silent or come back, for ever.
    pub(crate) async fn watch_heartbeats(&self) -> Infallible {
        loop {
            let mut again = None;
            let now = self.parts.clock.now();
            for due in self.heartbeats.due(now) {
                match self.tell(&due).await {
                    Ok(()) => self.heartbeats.told(&due, now),
                    Err(error) => {
                        error!(heartbeat = due.name, %error, "cannot store the alarm of heartbeat `{}`: {error}", due.name);
                        again = Some(now.plus(STORE_AGAIN_AFTER));
                    }
                }
            }
            let deadline = async {
                match again.or_else(|| self.heartbeats.next_deadline()) {
                    Some(at) => self.parts.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = deadline => {}
                () = self.heartbeats.changed() => {}
            }
        }
    }

    /// Reloads at every SIGHUP, for ever.
    pub(crate) async fn reload_on(self: &Arc<Self>, mut hangup: Signal) -> Infallible {
        while hangup.recv().await.is_some() {
            // What was wrong is in the log.
            let _ = self.reload().await;
        }
        // No more signals can come.
        std::future::pending().await
    }

    async fn tell(&self, due: &Due) -> Result<(), StoreError> {
        let settings = self.settings();
        let Some(heartbeat) = settings.heartbeats.get(&due.name) else { return Ok(()) };
        if due.is_alarm() {
            warn!(heartbeat = due.name, "heartbeat `{}` is missing", due.name);
        } else {
            info!(heartbeat = due.name, "heartbeat `{}` is heard", due.name);
        }
        let now = self.parts.clock.now().timestamp();
        let (notification, deliveries) = due.notification(heartbeat, settings.language, now);
        if deliveries.is_empty() {
            return Ok(());
        }
        let payload = intake::write(&notification);
        // No receiver can have this name: a name has no slash.
        let endpoint = format!("heartbeats/{}", due.name);
        self.store(Accepted { endpoint, notification, payload, deliveries }).await?;
        Ok(())
    }
}

fn unknown_receiver(settings: &Settings, receiver: &str) -> Refusal {
    let known = settings.receivers.keys().map(String::as_str).collect();
    Refusal::Unknown(no_such("receiver", receiver, &known))
}

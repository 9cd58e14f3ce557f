//! The running relay, as its endpoints and timers see it: accept, beat, reload.
//!
//! Owns the settings in force and the order of accepting: parse, route, make durable, and only then say yes. Leaves out
//! HTTP (`endpoints`) and sending (`deliver`).

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::signal::unix::Signal;
use tokio::sync::{Mutex, watch};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::heartbeat::{Due, Heartbeats};
use crate::intake::{self, IntakeError};
use crate::notification::Status;
use crate::outbox::{Acceptance, Accepted, Outbox, StoreError};
use crate::routes;
use crate::settings::{Problem, Settings, no_such};

/// What could not be stored for a heartbeat is tried again after this long.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// One relay, shared by all requests.
#[derive(Debug)]
pub(crate) struct Relay {
    file: PathBuf,
    settings: watch::Sender<Arc<Settings>>,
    /// Held during a reload, so that two of them end with the newer file.
    reloading: Mutex<()>,
    outbox: Outbox,
    clock: Clock,
    heartbeats: Heartbeats,
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
    pub(crate) fn new(file: &Path, settings: Settings, outbox: Outbox, clock: Clock) -> Self {
        let heartbeats = Heartbeats::default();
        heartbeats.configure(&settings.heartbeats, clock.now());
        Self {
            file: file.to_owned(),
            settings: watch::Sender::new(Arc::new(settings)),
            reloading: Mutex::default(),
            outbox,
            clock,
            heartbeats,
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// The settings in force and each change of them.
    pub(crate) fn watch_settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// The store.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What was heard when.
    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Accepts one webhook for `receiver`. `Ok` means that it is on disk.
    pub(crate) async fn accept(&self, receiver: &str, body: Bytes) -> Result<Receipt, Refusal> {
        let settings = self.settings();
        let Some(routing) = settings.receivers.get(receiver) else {
            let known = settings.receivers.keys().map(String::as_str).collect();
            return Err(Refusal::Unknown(no_such("receiver", receiver, &known)));
        };
        let notification = intake::parse(&body)?;
        let now = self.clock.now().timestamp();
        let plan = routes::plan(routing, &notification, now, &settings.time_zone);
        let (alerts, unrouted) = (notification.alerts.len(), plan.unrouted);
        let acceptance = self
            .outbox
            .accept(Accepted {
                endpoint: receiver.to_owned(),
                notification,
                payload: body,
                deliveries: plan.deliveries,
            })
            .await?;
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
        self.heartbeats.beat(name, self.clock.now());
        Ok(Beat::Heard)
    }

    /// Reads the settings file again. With mistakes in it nothing changes, and all of them are logged and returned.
    pub(crate) async fn reload(&self) -> Result<(), Vec<Problem>> {
        let reloaded = self.try_reload().await;
        for problem in reloaded.as_ref().err().into_iter().flatten() {
            warn!("reload refused: {problem}");
        }
        reloaded
    }

    async fn try_reload(&self) -> Result<(), Vec<Problem>> {
        let _one_at_a_time = self.reloading.lock().await;
        let file = self.file.clone();
        // Reads files, which may be on a slow disk.
        let loaded = tokio::task::spawn_blocking(move || Settings::load(&file)).await;
        let settings = match loaded {
            Ok(loaded) => loaded?,
            Err(panicked) => {
                return Err(vec![Problem::of_file(
                    &self.file,
                    None,
                    format!("reading it failed: {panicked}"),
                )]);
            }
        };
        for key in settings.needs_restart(&self.settings()) {
            warn!(key, "`{key}` has changed and needs a restart");
        }
        self.heartbeats.configure(&settings.heartbeats, self.clock.now());
        self.settings.send_replace(Arc::new(settings));
        info!(file = %self.file.display(), "settings reloaded");
        Ok(())
    }

    /// Tells of heartbeats that have gone silent or come back, for ever.
    pub(crate) async fn watch_heartbeats(&self) -> Infallible {
        loop {
            let mut again = None;
            let now = self.clock.now();
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
                    Some(at) => self.clock.sleep_until(at).await,
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
    pub(crate) async fn reload_on(&self, mut hangup: Signal) -> Infallible {
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
        let now = self.clock.now().timestamp();
        let (notification, deliveries) = due.notification(heartbeat, settings.language, now);
        if deliveries.is_empty() {
            return Ok(());
        }
        let payload = intake::write(&notification);
        // No receiver can have this name: a name has no slash.
        let endpoint = format!("heartbeats/{}", due.name);
        self.outbox.accept(Accepted { endpoint, notification, payload, deliveries }).await?;
        Ok(())
    }
}

//! New settings without a restart, or none of them.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinError;
use tracing::{info, warn};

use crate::relay::{Relay, Role};
use crate::settings::{Problem, Settings, removal};

impl Relay {
    /// Reads the settings file again. With mistakes in it nothing changes, and all of them are logged and returned. Once begun
    /// it goes on to its end, also if whoever asked for it does not wait: half of the relay under new settings would be worse
    /// than either.
    ///
    /// Nothing changes either if the new settings take away what is in use ([`removal`]), unless this `is_forced`.
    pub(crate) async fn reload(self: &Arc<Self>, is_forced: bool) -> Result<(), Vec<Problem>> {
        let relay = Arc::clone(self);
        let reloaded = tokio::spawn(async move { relay.try_reload(is_forced).await }).await;
        let reloaded = reloaded.unwrap_or_else(|panicked| Err(vec![self.cannot_reload(&panicked)]));
        self.parts.metrics.reloaded(reloaded.is_ok());
        for problem in reloaded.as_ref().err().into_iter().flatten() {
            warn!("reload refused: {problem}");
        }
        reloaded
    }

    /// Before a webhook: a standby takes the file as it is now. With mistakes in it, the settings in force tell of it.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if self.role == Role::Standby && self.refreshed.is_due(self.parts.clock.passed()) {
            // What was wrong is in the log.
            let _ = self.reload(false).await;
        }
    }

    async fn try_reload(&self, is_forced: bool) -> Result<(), Vec<Problem>> {
        let deliverer = self.deliverer.lock().await;
        let file = self.file.clone();
        // Reads files, which may be on a slow disk.
        let loaded = tokio::task::spawn_blocking(move || Settings::load(&file)).await;
        let settings = match loaded {
            Ok(loaded) => self.role.of(loaded.map_err(|rejected| rejected.problems)?),
            Err(panicked) => return Err(vec![self.cannot_reload(&panicked)]),
        };
        let losses = self.losses(&settings).await;
        if is_forced {
            for loss in losses {
                warn!("the reload is forced: {loss}");
            }
        } else if !losses.is_empty() {
            let refused = |loss| {
                let message =
                    format!("{loss}; `alert-relay reload --force` takes these settings all the same");
                Problem::of_file(&self.file, None, message)
            };
            return Err(losses.into_iter().map(refused).collect());
        }
        for key in settings.needs_restart(&self.settings()) {
            warn!(key, "`{key}` has changed and needs a restart");
        }
        for warning in settings.warnings() {
            warn!("{warning}");
        }
        if let Some(deliverer) = deliverer.as_ref() {
            deliverer.reload(&settings).await;
        }
        let now = self.parts.clock.reading();
        for receiver in self.removed.note(&self.settings(), &settings, now.wall) {
            warn!(
                receiver,
                "the receiver `{receiver}` is gone: webhooks for it are answered 503 for an hour, so that Alertmanager tries again, and 404 then"
            );
        }
        let settings = Arc::new(settings);
        self.settings.store(Arc::clone(&settings));
        // Last: what this makes due is told by the settings in force.
        self.heartbeats.configure(&settings.heartbeats, |name| settings.called_now(name), now);
        let file = self.file.display();
        info!(%file, "settings reloaded from {file}");
        Ok(())
    }

    /// What the new settings would take away. A store that cannot be asked strands nothing that is known.
    pub(super) async fn losses(&self, settings: &Settings) -> Vec<String> {
        let counts = self.parts.outbox.counts().await.unwrap_or_default();
        let waiting = counts.into_iter().map(|(target, count)| (target, count.pending)).collect();
        removal::losses(&self.settings(), settings, &waiting)
    }

    pub(super) fn cannot_reload(&self, panicked: &JoinError) -> Problem {
        Problem::of_file(&self.file, None, format!("reading it failed: {panicked}"))
    }

    /// Reloads at every SIGHUP, for ever.
    pub(crate) async fn reload_on(self: &Arc<Self>, mut hangup: Signal) -> Infallible {
        while hangup.recv().await.is_some() {
            // What was wrong is in the log.
            let _ = self.reload(false).await;
        }
        // No more signals can come.
        std::future::pending().await
    }
}

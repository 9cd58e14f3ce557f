//! New settings without a restart, or none of them.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinError;
use tracing::{info, warn};

use crate::relay::Relay;
use crate::settings::{Problem, Settings};

impl Relay {
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
            deliverer.reload(&settings).await;
        }
        self.heartbeats.configure(&settings.heartbeats, self.parts.clock.now());
        self.settings.store(Arc::new(settings));
        let file = self.file.display();
        info!(%file, "settings reloaded from {file}");
        Ok(())
    }

    fn cannot_reload(&self, panicked: &JoinError) -> Problem {
        Problem::of_file(&self.file, None, format!("reading it failed: {panicked}"))
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
}

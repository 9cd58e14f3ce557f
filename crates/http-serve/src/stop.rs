//! When to stop: at the first SIGTERM or SIGINT gracefully, at the second one at once.
//!
//! The first signal asks for a graceful stop: [`Stop::requested`] resolves and servers drain. The second one asks to leave
//! at once: [`Stop::or_leave`] drops the work and `main` returns. Nothing here exits the process, so destructors run; `main`
//! ends its runtime with `shutdown_background`, so that a blocked thread can't delay the end.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The order to stop. Clones receive the same one.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Asked>);

/// How often a stop was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    NotYet,
    Once,
    Again,
}

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel refused to install a handler.
    pub fn on_signals() -> io::Result<Self> {
        let (stopper, stop) = Self::by_hand();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            for consequence in ["stopping; a second signal leaves at once", "second signal: leaving at once"]
            {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                tracing::info!(signal = name, "received {name}: {consequence}");
                stopper.stop();
            }
        });
        Ok(stop)
    }

    /// A stop that is asked for through the other half: for tests and for programs inside programs.
    pub fn by_hand() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(Asked::NotYet);
        (Stopper(sender), Self(receiver))
    }

    /// Resolves once a stop was asked for, at once if it already was. Cheap to call again.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reached(Asked::Once)
    }

    /// Whether a stop was asked for. One that waits for it may be woken a moment after another.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Asked::Once
    }

    /// Runs `work` to its end, or gives `None` as soon as a stop is asked for a second time. `work` is dropped then:
    /// connections close, deliveries in flight are cut.
    pub async fn or_leave<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.reached(Asked::Again) => None,
            done = work => Some(done),
        }
    }

    fn reached(&self, level: Asked) -> impl Future<Output = ()> + Send + 'static {
        let mut asked = self.0.clone();
        async move {
            if asked.wait_for(|now| *now >= level).await.is_err() {
                // Nobody is left who could ask: wait for ever.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The half that asks for the stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Asked>);

impl Stopper {
    /// Asks for a graceful stop; asked again, for leaving at once.
    pub fn stop(&self) {
        self.0.send_modify(|asked| {
            *asked = if *asked == Asked::NotYet { Asked::Once } else { Asked::Again };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_drains_and_the_second_leaves() {
        let (stopper, stop) = Stop::by_hand();
        stopper.stop();
        stop.requested().await;
        assert_eq!(stop.or_leave(async { "drained" }).await, Some("drained"));
        stopper.stop();
        assert_eq!(stop.or_leave(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn every_clone_hears_it() {
        let (stopper, stop) = Stop::by_hand();
        let waiting = [stop.clone().requested(), stop.requested()].map(tokio::spawn);
        stopper.stop();
        for waiter in waiting {
            waiter.await.unwrap();
        }
    }
}

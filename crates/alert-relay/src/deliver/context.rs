//! The context of one deliverer: its store, metrics, clock and state, for the dispatcher, the deliveries under way and the
//! housekeeping.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::deliver::observer::Observer;
use crate::deliver::pace::Pace;
use crate::deliver::state::DeliveryState;
use crate::deliver::tried::Tried;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::outbox::{Outbox, StoreError};
use crate::retry::Jitter;

/// What all that runs in one deliverer uses.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) outbox: Outbox,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) memory: Memory,
    pub(super) pace: Pace,
    pub(super) state: DeliveryState,
    pub(super) jitter: Jitter,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) is_stopping: AtomicBool,
    pub(super) tried: Mutex<Tried>,
}

impl Context {
    /// Tries until the store takes it, or the relay stops or delivers no more (`None`). What was claimed stays claimed meanwhile. `what` completes
    /// "could not … for TARGET".
    pub(super) async fn insist<T, F>(&self, what: &str, target: &str, ask: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Some(answer),
                Err(StoreError::Closed | StoreError::Deposed) => return None,
                Err(error) => self.store_failed(what, target, &error),
            }
            if self.is_stopping() {
                return None;
            }
            self.clock.sleep_until(self.clock.now().plus(STORE_RETRY)).await;
        }
    }

    /// What was accepted before this has been tried for as long as `span` at least: a relay ran for so long since, whatever the clock was
    /// set to.
    pub(super) fn accepted_before(&self, span: Duration) -> Millis {
        let now = self.clock.reading();
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.note(now);
        tried.accepted_before(now.wall, span)
    }

    /// Whether nothing more is to begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Counts and logs a request that the store did not take.
    pub(super) fn store_failed(&self, what: &str, target: &str, error: &StoreError) {
        self.metrics.store_error(error);
        tracing::error!(%target, %error, "could not {what} for {target}: {error}");
    }
}

/// Between two tries to reach the store.
pub(super) const STORE_RETRY: Duration = Duration::from_secs(1);

//! Activity timeouts: what a connection is doing, since when, and when that has taken too long.
//!
//! One small state per connection. It changes with the bytes that pass (`observed`) and with requests that start and
//! end ([`InFlight`]). The connection asks it from time to time whether a time limit has passed, so that no timer is set
//! per request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::Limits;

/// The state of one connection. Clones are the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    state: Arc<Mutex<State>>,
    is_free: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// When each request started whose response is not handed over yet, by a number that grows: the first is the oldest.
    in_flight: BTreeMap<u64, Instant>,
    /// The number of the next request.
    next: u64,
    /// The last end of a request.
    since: Instant,
    /// A request's head began to arrive and is not complete.
    head_since: Option<Instant>,
    /// The peer does not take what we have to send.
    stalled_since: Option<Instant>,
    /// Bytes after a response begin the next head: true for HTTP/1, while HTTP/2 sends frames of other kinds as well.
    bytes_begin_a_head: bool,
}

impl State {
    /// When the time limit of what the connection does now passes, and the reason to close it then.
    fn deadline(&self, limits: &Limits, idle: Duration) -> (Instant, &'static str) {
        let stalled =
            self.stalled_since.map(|since| (since + limits.write_timeout, "the peer does not read"));
        // A request itself is bounded by its own time-out; this bounds a body that nobody takes. A later request of the same connection
        // does not renew it.
        let oldest = self.in_flight.first_key_value().map(|(_, start)| {
            (*start + limits.request_timeout + limits.write_timeout, "the response is not taken")
        });
        if let Some(nearest) = [stalled, oldest].into_iter().flatten().min_by_key(|(deadline, _)| *deadline) {
            return nearest;
        }
        if let Some(since) = self.head_since {
            return (since + limits.header_timeout, "the request's head does not arrive");
        }
        (self.since + idle, "idle")
    }
}

impl Activity {
    /// A new connection: its first head is due from now on. `is_free` is notified whenever it has nothing in flight any more.
    pub(crate) fn start(bytes_begin_a_head: bool, is_free: Arc<Notify>) -> Self {
        let now = Instant::now();
        let state = State {
            in_flight: BTreeMap::new(),
            next: 0,
            since: now,
            head_since: Some(now),
            stalled_since: None,
            bytes_begin_a_head,
        };
        Self { state: Arc::new(Mutex::new(state)), is_free }
    }

    /// The handshake is over; the first head is due from now on.
    pub(crate) fn connected(&self, bytes_begin_a_head: bool) {
        let mut state = self.state();
        state.head_since = Some(Instant::now());
        state.bytes_begin_a_head = bytes_begin_a_head;
    }

    /// Since when the connection has waited for its next request; `None` while one is in flight or its response is being sent.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_waiting = state.in_flight.is_empty() && state.stalled_since.is_none();
        is_waiting.then(|| state.head_since.unwrap_or(state.since))
    }

    /// Why the connection must be closed now, if it must, when it may be `idle` for so long.
    pub(crate) fn expired(&self, limits: &Limits, idle: Duration) -> Option<&'static str> {
        let (deadline, reason) = self.state().deadline(limits, idle);
        (deadline <= Instant::now()).then_some(reason)
    }

    /// When to ask again. No later than the shortest time limit from now, since what the peer does next may have a
    /// nearer deadline than what it does at this moment.
    pub(crate) fn look_again_at(&self, limits: &Limits, idle: Duration) -> Instant {
        let (deadline, _) = self.state().deadline(limits, idle);
        let shortest = limits.header_timeout.min(limits.write_timeout);
        deadline.min(Instant::now() + shortest)
    }

    /// A request's head is complete.
    pub(crate) fn request_starts(&self) -> InFlight {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.in_flight.insert(number, Instant::now());
        state.head_since = None;
        drop(state);
        InFlight { activity: self.clone(), number }
    }

    pub(super) fn bytes_arrived(&self) {
        let mut state = self.state();
        if state.bytes_begin_a_head && state.in_flight.is_empty() && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    pub(super) fn peer_takes_nothing(&self) {
        self.state().stalled_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn all_taken(&self) {
        self.state().stalled_since = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole after each line, so a poisoned state is still a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. Its end is when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Activity,
    number: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.in_flight.remove(&self.number);
        state.since = Instant::now();
        if state.in_flight.is_empty() {
            self.activity.is_free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(100);

    fn limits() -> Limits {
        Limits {
            header_timeout: SECOND,
            write_timeout: 2 * SECOND,
            request_timeout: 4 * SECOND,
            ..Limits::default()
        }
    }

    /// Checks that the connection may stay for a little less than `limit` from now and no longer.
    async fn check(activity: &Activity, limit: Duration, reason: &str) {
        tokio::time::advance(limit.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(activity.expired(&limits(), IDLE), None, "{reason}, too early");
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(activity.expired(&limits(), IDLE), Some(reason));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_peer_must_speak() {
        let activity = Activity::start(true, Arc::default());
        check(&activity, SECOND, "the request's head does not arrive").await;
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_peer_may_be_idle_until_a_head_begins() {
        let activity = Activity::start(true, Arc::default());
        drop(activity.request_starts());
        check(&activity, IDLE, "idle").await;
        drop(activity.request_starts());
        activity.bytes_arrived();
        check(&activity, SECOND, "the request's head does not arrive").await;
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_begin_no_head() {
        let activity = Activity::start(false, Arc::default());
        drop(activity.request_starts());
        activity.bytes_arrived();
        check(&activity, IDLE, "idle").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_is_taken_in_time() {
        let activity = Activity::start(true, Arc::default());
        let in_flight = activity.request_starts();
        check(&activity, 6 * SECOND, "the response is not taken").await;
        drop(in_flight);
        activity.peer_takes_nothing();
        tokio::time::advance(SECOND).await;
        activity.peer_takes_nothing();
        check(&activity, SECOND, "the peer does not read").await;
        activity.all_taken();
        assert_eq!(activity.expired(&limits(), IDLE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_request_does_not_renew_an_older_ones_deadline() {
        let activity = Activity::start(false, Arc::default());
        let older = activity.request_starts();
        tokio::time::advance(5 * SECOND).await;
        let later = activity.request_starts();
        check(&activity, SECOND, "the response is not taken").await;
        drop(older);
        assert_eq!(activity.expired(&limits(), IDLE), None);
        drop(later);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_without_a_request_waits() {
        let activity = Activity::start(true, Arc::default());
        let start = Instant::now();
        assert_eq!(activity.waits_since(), Some(start));
        let in_flight = activity.request_starts();
        assert_eq!(activity.waits_since(), None);
        tokio::time::advance(SECOND).await;
        drop(in_flight);
        assert_eq!(activity.waits_since(), Some(start + SECOND));
        activity.peer_takes_nothing();
        assert_eq!(activity.waits_since(), None, "it sends a response");
    }
}

//! Activity timeouts: what a connection is doing, since when, and when that has taken too long.
//!
//! One small state per connection. It changes with the bytes that pass ([`Observed`]) and with requests that start and
//! end ([`InFlight`]). The connection asks it from time to time whether a time limit has passed, so that no timer is set
//! per request.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::Limits;

/// The state of one connection. Clones are the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests that started and whose response is not handed over yet.
    in_flight: usize,
    /// The last start or end of a request.
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
        if let Some(since) = self.stalled_since {
            return (since + limits.write_timeout, "the peer does not read");
        }
        if self.in_flight > 0 {
            // The request itself is bounded by its own time-out; this bounds a body that nobody takes.
            return (self.since + limits.request_timeout + limits.write_timeout, "the response is not taken");
        }
        if let Some(since) = self.head_since {
            return (since + limits.header_timeout, "the request's head does not arrive");
        }
        (self.since + idle, "idle")
    }
}

impl Activity {
    /// A new connection: its first head is due from now on.
    pub(crate) fn start(bytes_begin_a_head: bool) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            in_flight: 0,
            since: now,
            head_since: Some(now),
            stalled_since: None,
            bytes_begin_a_head,
        })))
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
        state.in_flight += 1;
        state.since = Instant::now();
        state.head_since = None;
        drop(state);
        InFlight(self.clone())
    }

    fn bytes_arrived(&self) {
        let mut state = self.state();
        if state.bytes_begin_a_head && state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    fn peer_takes_nothing(&self) {
        self.state().stalled_since.get_or_insert_with(Instant::now);
    }

    fn all_taken(&self) {
        self.state().stalled_since = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole after each line, so a poisoned state is still a true one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. Its end is when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Activity);

impl InFlight {
    /// Keeps the request in flight until its response's body was handed over or dropped.
    pub(crate) fn until_sent<B>(self, body: B) -> Sending<B> {
        Sending { body, _in_flight: self }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.since = Instant::now();
    }
}

/// A response's body whose request is in flight as long as it exists.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    body: B,
    _in_flight: InFlight,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes in [`Activity`] what passes.
#[derive(Debug)]
pub(crate) struct Observed<T> {
    stream: T,
    activity: Activity,
}

impl<T> Observed<T> {
    pub(crate) fn new(stream: T, activity: Activity) -> Self {
        Self { stream, activity }
    }

    fn writing<R>(&self, polled: Poll<R>) -> Poll<R> {
        if polled.is_pending() {
            self.activity.peer_takes_nothing();
        }
        polled
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Observed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_arrived();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.writing(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.writing(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once everything it has is written, so a flush that ends means that the peer took it all.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            self.activity.all_taken();
        }
        self.writing(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.writing(polled)
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
        let activity = Activity::start(true);
        check(&activity, SECOND, "the request's head does not arrive").await;
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_peer_may_be_idle_until_a_head_begins() {
        let activity = Activity::start(true);
        drop(activity.request_starts());
        check(&activity, IDLE, "idle").await;
        drop(activity.request_starts());
        activity.bytes_arrived();
        check(&activity, SECOND, "the request's head does not arrive").await;
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_begin_no_head() {
        let activity = Activity::start(false);
        drop(activity.request_starts());
        activity.bytes_arrived();
        check(&activity, IDLE, "idle").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_is_taken_in_time() {
        let activity = Activity::start(true);
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
}

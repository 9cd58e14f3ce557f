//! The next connection, from any of a server's listeners.
//!
//! Owns fairness between listeners, and the pause after an error of the machine (no descriptors, no memory). Leaves out how
//! many connections may be open, which is `server`'s.

use std::{io, net::SocketAddr, task::Poll, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

/// The listeners as one source of connections.
pub(crate) struct Accepting {
    listeners: Vec<TcpListener>,
    /// Which listener is asked first: moves on, so that a busy one can't starve the others.
    first: usize,
    /// After an error of the machine (no descriptors left, no memory): not before this moment.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Accepting {
    const FIRST_PAUSE: Duration = Duration::from_millis(10);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);

    pub(crate) fn new(listeners: Vec<TcpListener>) -> Self {
        Self { listeners, first: 0, not_before: None, pause: Self::FIRST_PAUSE }
    }

    /// The next connection and its peer. May be dropped and asked again without losing one.
    pub(crate) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(moment) = self.not_before {
                sleep_until(moment).await;
                self.not_before = None;
            }
            match self.accept().await {
                Ok(accepted) => {
                    self.pause = Self::FIRST_PAUSE;
                    return accepted;
                }
                Err(error) if of_the_peer(&error) => {}
                Err(error) => {
                    if self.pause == Self::FIRST_PAUSE {
                        tracing::warn!(%error, "cannot accept connections; trying again (hint: `ulimit -n` bounds open files)");
                    }
                    self.not_before = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
                }
            }
        }
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let count = self.listeners.len();
        self.first = (self.first + 1) % count;
        std::future::poll_fn(|context| {
            let order = (0..count).map(|offset| &self.listeners[(self.first + offset) % count]);
            for listener in order {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The peer was gone before we took its connection: nothing to wait for (accept(2)).
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

//! A server from its sockets to its end: bind, accept, drain.
//!
//! Owns the listeners, how many connections may be open, and the graceful stop. Leaves out what happens on one
//! connection, which is `connection`'s, and when to stop, which the caller says.

use std::{io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Handler,
    connection::{self, Shared},
    listen::{ListenAddress, ListenError, listen},
    web_config::{Live, WebConfigError},
};

/// What to serve on and within which bounds.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Every address to listen on; all serve the same.
    pub listen: Vec<ListenAddress>,
    /// A file in Prometheus' web-config format: TLS, basic auth, headers. `None` is plain HTTP for everyone.
    pub web_config: Option<PathBuf>,
    /// The bounds.
    pub limits: Limits,
}

impl ServerConfig {
    /// Plain HTTP on these addresses with the default limits.
    pub fn listening_on(listen: Vec<ListenAddress>) -> Self {
        Self { listen, web_config: None, limits: Limits::default() }
    }
}

/// How much one peer, and all peers together, may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections over all listeners. More wait in the kernel's queue until one closes.
    pub max_connections: usize,
    /// Bytes of a request's body; beyond it the answer is 413.
    pub max_body_bytes: usize,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a connection's start, or the first byte of its next request, to the end of that request's head.
    pub header_timeout: Duration,
    /// From a request's head to the start of its response, its body included; beyond it the answer is 503.
    pub request_timeout: Duration,
    /// From the first byte of a response that the peer did not take to the last.
    pub write_timeout: Duration,
    /// How long a connection may stay open between two requests. Longer than any scrape interval, so that a
    /// Prometheus keeps its connection.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_body_bytes: 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(5),
        }
    }
}

/// A server could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Some addresses could not be opened; each is named.
    #[error("{}", lines(.0))]
    Listen(Vec<ListenError>),
    /// The web-config file can't be used.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// No address was given.
    #[error("there is no address to listen on (hint: `:9100` listens on every address of the machine)")]
    NoAddress,
}

fn lines(errors: &[ListenError]) -> String {
    errors.iter().map(ListenError::to_string).collect::<Vec<_>>().join("\n")
}

/// Open sockets, not yet accepting.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    limits: Limits,
    web: Live,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open at the stop and ended by themselves.
    pub finished: usize,
    /// Connections that were still busy at the drain limit and were closed on their peers.
    pub cut: usize,
}

impl Server {
    /// Opens every socket before anything is served, so that a start either listens everywhere or fails whole.
    ///
    /// # Errors
    /// What is wrong with the web-config file, or each address that can't be opened, all at once.
    pub async fn bind(config: ServerConfig) -> Result<Self, BindError> {
        if config.listen.is_empty() {
            return Err(BindError::NoAddress);
        }
        let web = Live::load(config.web_config)?;
        let (mut listeners, mut addresses, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for address in &config.listen {
            match listen(address).await {
                Ok((listener, real)) => {
                    listeners.push(listener);
                    addresses.push(real);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(BindError::Listen(errors));
        }
        Ok(Self { listeners, addresses, limits: config.limits, web })
    }

    /// Whether connections are encrypted: the scheme of this server's URLs is then `https`.
    pub fn is_tls(&self) -> bool {
        self.web.current().tls.is_some()
    }

    /// The addresses the kernel gave, in the order they were asked for.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop` resolves, then closes the sockets and waits up to `drain_limit` for what is in flight.
    ///
    /// Dropping the future closes every connection at once.
    pub async fn serve<H: Handler>(
        self,
        handler: H,
        stop: impl Future<Output = ()>,
        drain_limit: Duration,
    ) -> Drained {
        let Self { listeners, limits, web, .. } = self;
        let max_connections = limits.max_connections;
        let (announce, stopping) = watch::channel(false);
        let shared = Arc::new(Shared::new(limits, web));
        let mut connections = JoinSet::new();
        let mut accepting = Accepting::new(listeners);
        let mut full = FullNotice::default();
        let mut stop = pin!(stop);
        let mut following = pin!(shared.web().follow());
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                never = &mut following => match never {},
                Some(_ended) = connections.join_next() => {}
                stream = accepting.next(), if connections.len() < max_connections => {
                    connections.spawn(connection::serve(
                        stream,
                        handler.clone(),
                        Arc::clone(&shared),
                        stopping.clone(),
                    ));
                    if connections.len() == max_connections {
                        full.say(max_connections);
                    }
                }
            }
        }
        drop(accepting);
        announce.send_replace(true);
        drain(connections, drain_limit).await
    }
}

async fn drain(mut connections: JoinSet<()>, limit: Duration) -> Drained {
    while connections.try_join_next().is_some() {}
    let open = connections.len();
    let all_end = async { while connections.join_next().await.is_some() {} };
    // Out of time or not: what is left in the set tells.
    let _ = timeout(limit, all_end).await;
    let cut = connections.len();
    connections.shutdown().await;
    Drained { finished: open - cut, cut }
}

/// The listeners as one source of connections.
struct Accepting {
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

    fn new(listeners: Vec<TcpListener>) -> Self {
        Self { listeners, first: 0, not_before: None, pause: Self::FIRST_PAUSE }
    }

    /// The next connection. May be dropped and asked again without losing one.
    async fn next(&mut self) -> TcpStream {
        loop {
            if let Some(moment) = self.not_before {
                sleep_until(moment).await;
                self.not_before = None;
            }
            match self.accept().await {
                Ok(stream) => {
                    self.pause = Self::FIRST_PAUSE;
                    return stream;
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

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let count = self.listeners.len();
        self.first = (self.first + 1) % count;
        std::future::poll_fn(|context| {
            let order = (0..count).map(|offset| &self.listeners[(self.first + offset) % count]);
            for listener in order {
                if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                    return std::task::Poll::Ready(accepted.map(|(stream, _peer)| stream));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The peer was gone before we took its connection: nothing to wait for (accept(2)).
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Says that every slot is taken, once a minute at most.
#[derive(Default)]
struct FullNotice {
    last: Option<Instant>,
}

impl FullNotice {
    fn say(&mut self, max_connections: usize) {
        if self.last.is_none_or(|last| last.elapsed() >= Duration::from_mins(1)) {
            self.last = Some(Instant::now());
            tracing::warn!(max_connections, "every connection slot is taken; new peers wait");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use http_body_util::Full;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
    };

    use super::*;
    use crate::{RequestBody, Stop, Stopper, read_body, response};

    const LONG: Duration = Duration::from_secs(20);

    /// A running server on a free port of loopback.
    struct Running {
        address: SocketAddr,
        stopper: Stopper,
        ended: tokio::task::JoinHandle<Drained>,
    }

    async fn start<H: Handler + Sync>(limits: Limits, drain_limit: Duration, handler: H) -> Running {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let server =
            Server::bind(ServerConfig { limits, ..ServerConfig::listening_on(listen) }).await.unwrap();
        let address = server.local_addresses()[0];
        let (stopper, stop) = Stop::by_hand();
        let ended = tokio::spawn(server.serve(handler, stop.requested(), drain_limit));
        Running { address, stopper, ended }
    }

    async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(match read_body(request.into_body()).await {
            Ok(body) => response::text(StatusCode::OK, body),
            Err(refusal) => refusal,
        })
    }

    /// Sends `bytes` and reads until the server closes.
    async fn converse(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the server closes in time");
        String::from_utf8(answer).unwrap()
    }

    const LAST_GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_body_within_the_limit_arrives_and_one_beyond_is_refused_with_the_reason() {
        let running =
            start(Limits { max_body_bytes: 1000, ..Limits::default() }, LONG, tower::service_fn(echo)).await;
        let post = |length: usize| {
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
                "x".repeat(length)
            )
        };
        let within = converse(running.address, post(1000).as_bytes()).await;
        assert!(within.starts_with("HTTP/1.1 200 OK\r\n"), "{within}");
        let beyond = converse(running.address, post(1001).as_bytes()).await;
        assert!(beyond.starts_with("HTTP/1.1 413 "), "{beyond}");
        assert!(beyond.ends_with("the body has 1001 bytes, this server accepts at most 1000\n"), "{beyond}");
        let large = converse(running.address, post(20_000_000).as_bytes()).await;
        assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    }

    #[tokio::test]
    async fn a_body_of_unannounced_length_is_refused_at_the_limit() {
        let running =
            start(Limits { max_body_bytes: 10, ..Limits::default() }, LONG, tower::service_fn(echo)).await;
        let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
        let answer = converse(running.address, chunked).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    #[tokio::test]
    async fn a_head_that_never_ends_costs_its_own_connection() {
        let limits =
            Limits { header_timeout: Duration::from_millis(100), max_connections: 1, ..Limits::default() };
        let running = start(limits, LONG, tower::service_fn(echo)).await;
        // The only slot is taken by a peer that stops in the middle: closed without an answer …
        assert_eq!(converse(running.address, b"GET / HTTP/1.1\r\nHost:").await, "");
        // … and so is one that never speaks; then the slot is free again.
        assert_eq!(converse(running.address, b"").await, "");
        assert!(converse(running.address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
    }

    #[tokio::test]
    async fn garbage_is_answered_400_or_closed() {
        let running = start(Limits::default(), LONG, tower::service_fn(echo)).await;
        let answer = converse(running.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
        let header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(connection_head_bytes() * 2));
        let answer = converse(running.address, header.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(converse(running.address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
    }

    fn connection_head_bytes() -> usize {
        64 * 1024
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_is_answered_for() {
        let limits = Limits { request_timeout: Duration::from_millis(50), ..Limits::default() };
        let silent = tower::service_fn(async |_| {
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        });
        let running = start(limits, LONG, silent).await;
        let answer = converse(running.address, LAST_GET).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("not answered within 0.05 seconds\n"), "{answer}");
    }

    #[tokio::test]
    async fn peers_beyond_the_limit_wait_for_a_free_slot() {
        let running =
            start(Limits { max_connections: 2, ..Limits::default() }, LONG, tower::service_fn(echo)).await;
        let mut holders = Vec::new();
        for _ in 0..2 {
            let mut holder = TcpStream::connect(running.address).await.unwrap();
            holder.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            holder.read_exact(&mut [0; 12]).await.unwrap();
            holders.push(holder);
        }
        let mut third = TcpStream::connect(running.address).await.unwrap();
        third.write_all(LAST_GET).await.unwrap();
        let mut first = [0];
        let waits = timeout(Duration::from_millis(200), third.read(&mut first)).await;
        assert!(waits.is_err(), "the third is not served while both slots are taken");
        drop(holders.pop());
        timeout(LONG, third.read(&mut first)).await.expect("served once a slot is free").unwrap();
        assert_eq!(first, *b"H");
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_cut_off() {
        let limits =
            Limits { write_timeout: Duration::from_millis(200), max_connections: 1, ..Limits::default() };
        // More than the kernel's buffers of both sides take.
        let endless = tower::service_fn(async |_| {
            Ok::<_, Infallible>(response::text(StatusCode::OK, vec![b'x'; 64 * 1024 * 1024]))
        });
        let running = start(limits, LONG, endless).await;
        let mut deaf = TcpStream::connect(running.address).await.unwrap();
        deaf.write_all(LAST_GET).await.unwrap();
        let mut next = TcpStream::connect(running.address).await.unwrap();
        next.write_all(LAST_GET).await.unwrap();
        let mut first = [0];
        timeout(LONG, next.read(&mut first)).await.expect("the slot of the deaf peer is free again").unwrap();
        drop(deaf);
    }

    #[tokio::test]
    async fn a_stop_lets_the_response_in_flight_finish_and_closes_the_idle() {
        let (started, mut starts) = mpsc::channel(1);
        let (release, released) = watch::channel(false);
        let slow = tower::service_fn(move |_| {
            let (started, mut released) = (started.clone(), released.clone());
            async move {
                started.send(()).await.unwrap();
                released.wait_for(|go| *go).await.unwrap();
                Ok::<_, Infallible>(response::text(StatusCode::OK, "whole"))
            }
        });
        let running = start(Limits::default(), LONG, slow).await;
        let mut silent = TcpStream::connect(running.address).await.unwrap();
        let busy = tokio::spawn(converse(running.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        starts.recv().await.unwrap();
        running.stopper.stop();
        // The socket closes first: a new peer is refused while the old response is still being made.
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        release.send_replace(true);
        assert!(busy.await.unwrap().ends_with("whole"));
        let _ = silent.read_to_end(&mut Vec::new()).await;
        let drained = running.ended.await.unwrap();
        assert_eq!(drained.cut, 0);
        assert!(drained.finished >= 1, "{drained:?}");
    }

    #[tokio::test]
    async fn a_stop_cuts_what_outlasts_the_drain_limit() {
        let (started, mut starts) = mpsc::channel(1);
        let stuck = tower::service_fn(move |_| {
            let started = started.clone();
            async move {
                started.send(()).await.unwrap();
                std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
            }
        });
        let running = start(Limits::default(), Duration::from_millis(50), stuck).await;
        let busy = tokio::spawn(converse(running.address, LAST_GET));
        starts.recv().await.unwrap();
        running.stopper.stop();
        assert_eq!(running.ended.await.unwrap(), Drained { finished: 0, cut: 1 });
        assert_eq!(busy.await.unwrap(), "");
    }

    #[tokio::test]
    async fn all_listeners_serve_and_all_failures_are_named() {
        let listen = vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        let server = Server::bind(ServerConfig::listening_on(listen)).await.unwrap();
        let addresses = server.local_addresses().to_vec();
        let taken: Vec<ListenAddress> = addresses.iter().map(|a| a.to_string().parse().unwrap()).collect();
        let refused = Server::bind(ServerConfig::listening_on(taken)).await.err().unwrap().to_string();
        for address in &addresses {
            assert!(refused.contains(&format!("cannot listen on `{address}`")), "{refused}");
        }
        let (_stopper, stop) = Stop::by_hand();
        tokio::spawn(server.serve(tower::service_fn(echo), stop.requested(), LONG));
        for address in addresses {
            assert!(converse(address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
        }
    }
}

//! A server from its sockets to its end: bind, accept, drain.
//!
//! Owns how many connections may be open, and the graceful stop. Leaves out what happens on one connection, which is
//! `connection`'s, and when to stop, which the caller says.

use std::{net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use http::{Method, Response, Uri};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    AllowedHosts, AllowedSources, Closing, Handler, Limits, Peer, Refusal, Whole,
    accepting::Accepting,
    admission::Admission,
    closing::Closings,
    connection::{self, Activity, Shared},
    listen::{ListenAddress, ListenError, listen},
    own_address,
    refusal::{self, Wording},
    slots::{Room, Slots},
    web_config::{Live, WebConfigError},
};

/// What to serve on and within which bounds.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Every address to listen on; all serve the same.
    pub listen: Vec<ListenAddress>,
    /// A file in Prometheus' web-config format: TLS, basic auth, headers. `None` is plain HTTP for everyone.
    pub web_config: Option<PathBuf>,
    /// The names this server is reached by; all others are refused. Empty: any.
    pub allowed_hosts: AllowedHosts,
    /// The networks whose peers are answered, beside this machine itself. Empty: everyone.
    pub allowed_sources: AllowedSources,
    /// What the service's own settings call the two lists, for who is refused by one.
    pub list_names: ListNames,
    /// The bounds.
    pub limits: Limits,
}

/// Where an operator sets whom a server answers.
#[derive(Debug, Clone, Copy)]
pub struct ListNames {
    /// Of [`ServerConfig::allowed_hosts`].
    pub hosts: &'static str,
    /// Of [`ServerConfig::allowed_sources`].
    pub sources: &'static str,
}

impl Default for ListNames {
    fn default() -> Self {
        Self { hosts: "the list of allowed hosts", sources: "the list of allowed sources" }
    }
}

impl ServerConfig {
    /// Plain HTTP on these addresses with the default limits.
    pub fn listening_on(listen: Vec<ListenAddress>) -> Self {
        Self {
            listen,
            web_config: None,
            allowed_hosts: AllowedHosts::default(),
            allowed_sources: AllowedSources::default(),
            list_names: ListNames::default(),
            limits: Limits::default(),
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
    /// A socket that was opened for this program cannot be used.
    #[error("a socket that systemd has passed cannot be used: {0}")]
    Inherited(std::io::Error),
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
    allowed_hosts: AllowedHosts,
    allowed_sources: AllowedSources,
    list_names: ListNames,
    /// Whether a peer's address is this machine's, whose processes are always answered.
    is_own: fn(SocketAddr) -> bool,
    wording: Wording,
    closings: Closings,
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
        let web = Live::load(config.web_config.clone())?;
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
        Ok(Self::of(config, web, listeners, addresses))
    }

    /// Serves on sockets that were opened for this program instead of opening some.
    ///
    /// # Errors
    /// What is wrong with the web-config file, or with a socket.
    pub fn inherit(config: ServerConfig, sockets: Vec<std::net::TcpListener>) -> Result<Self, BindError> {
        let web = Live::load(config.web_config.clone())?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for socket in sockets {
            socket.set_nonblocking(true).map_err(BindError::Inherited)?;
            addresses.push(socket.local_addr().map_err(BindError::Inherited)?);
            listeners.push(TcpListener::from_std(socket).map_err(BindError::Inherited)?);
        }
        Ok(Self::of(config, web, listeners, addresses))
    }

    fn of(config: ServerConfig, web: Live, listeners: Vec<TcpListener>, addresses: Vec<SocketAddr>) -> Self {
        let ServerConfig { limits, allowed_hosts, allowed_sources, list_names, .. } = config;
        let (wording, closings) = (refusal::as_text(), Closings::default());
        Self {
            listeners,
            addresses,
            limits,
            web,
            allowed_hosts,
            allowed_sources,
            list_names,
            is_own: own_address::is_own,
            wording,
            closings,
        }
    }

    /// Answers refused requests (a wrong password, a body too large, …) with what `wording` returns instead of one line of
    /// text, so that the service can log and count them. Headers like `Retry-After` are added to it; its status may be another
    /// than the refusal's.
    #[must_use]
    pub fn refusing_with(
        mut self,
        wording: impl Fn(&Method, &Uri, &Refusal) -> Response<Whole> + Send + Sync + 'static,
    ) -> Self {
        self.wording = Arc::new(wording);
        self
    }

    /// Tells `count` of each connection that this server closed on its peer to keep a bound.
    #[must_use]
    pub fn counting_closings_with(mut self, count: impl Fn(Closing) + Send + Sync + 'static) -> Self {
        self.closings = Closings::counted_by(count);
        self
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
        let Self {
            listeners,
            limits,
            web,
            allowed_hosts,
            allowed_sources,
            list_names,
            is_own,
            wording,
            closings,
            ..
        } = self;
        let max_connections = limits.max_connections;
        let (announce, stopping) = watch::channel(false);
        let foreign = foreign(list_names.sources);
        let admission = Admission::new(&limits, web, allowed_hosts, list_names.hosts, wording);
        let shared = Arc::new(Shared::new(limits.clone(), admission));
        let mut connections = JoinSet::new();
        let mut accepting = Accepting::new(listeners);
        let mut slots = Slots::new(&limits);
        let is_free = Arc::new(Notify::new());
        // Accepted, and not served before there is a slot.
        let mut next: Option<(TcpStream, SocketAddr)> = None;
        let mut full = FullNotice::default();
        let mut stop = pin!(stop);
        let mut following = pin!(shared.web().follow());
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                never = &mut following => match never {},
                Some(ended) = connections.join_next_with_id() => {
                    slots.ended(ended.map_or_else(|failed| failed.id(), |(id, ())| id));
                }
                () = is_free.notified(), if next.is_some() => {}
                (stream, address) = accepting.next(), if next.is_none() => {
                    if allowed_sources.allow(address.ip()) || is_own(address) {
                        next = Some((stream, address));
                    } else {
                        closings.note(Closing::ForeignSource, Peer::at(address.ip()));
                        turn_away(&stream, &shared, foreign.as_bytes());
                    }
                }
            }
            let Some((stream, address)) = next.take() else { continue };
            let peer = Peer::at(address.ip());
            match slots.make_room(peer, |reason, peer| closings.note(reason, peer)) {
                Room::Free => {
                    let activity = Activity::start(true, Arc::clone(&is_free));
                    let handler = handler.clone();
                    let served = connection::serve(
                        stream,
                        address,
                        activity.clone(),
                        handler,
                        Arc::clone(&shared),
                        stopping.clone(),
                    );
                    slots.opened(peer, activity, connections.spawn(served));
                }
                Room::PeerFull => {
                    closings.note(Closing::PeerFull, peer);
                    turn_away(&stream, &shared, PEER_FULL);
                }
                // Tried again when a connection ends or has nothing under way.
                Room::Full => {
                    full.say(max_connections);
                    next = Some((stream, address));
                }
            }
        }
        drop(next);
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

/// Closes a connection before anything is read from it. Over plain HTTP the peer is told why, as far as the socket takes it at once:
/// no slot and no time is spent on it.
fn turn_away(stream: &TcpStream, shared: &Shared, answer: &[u8]) {
    if shared.web().current().tls.is_none() {
        // It is closed next, whatever became of it.
        let _ = stream.try_write(answer);
    }
}

/// The answer to who is not in the list of this name.
fn foreign(list: &str) -> String {
    format!(
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         this server does not answer your address (hint: {list})\n"
    )
}

const PEER_FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nyour address has as many connections as one peer may have\n";

/// Says that every slot is taken, once a minute at most.
#[derive(Default)]
struct FullNotice {
    last: Option<Instant>,
}

impl FullNotice {
    fn say(&mut self, max_connections: usize) {
        if self.last.is_none_or(|last| last.elapsed() >= Duration::from_mins(1)) {
            self.last = Some(Instant::now());
            tracing::warn!(
                max_connections,
                "every connection slot is taken by a request under way; new peers wait"
            );
        }
    }
}

#[cfg(test)]
mod tests;

//! One connection, from the accepted socket to its close.
//!
//! Owns the protocol and the time limits of a slow peer (`connection::activity`). Leaves out the checks of a request, which
//! are `admission`'s. A peer that stalls costs its own connection slot for a bounded time and nothing else.

mod activity;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::activity::{Activity, Observed};
use crate::{Handler, Limits, PeerAddress, admission::Admission, web_config::Live};

/// What all connections of a server share.
pub(crate) struct Shared {
    limits: Limits,
    admission: Admission,
    /// Every connection slot is taken.
    full: AtomicBool,
}

impl Shared {
    pub(crate) fn new(limits: Limits, admission: Admission) -> Self {
        Self { admission, limits, full: AtomicBool::new(false) }
    }

    /// Notes whether every connection slot is taken.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// How long a connection may stay open with nothing in flight.
    fn idle_timeout(&self, draining: bool) -> Duration {
        if draining {
            IDLE_WHILE_DRAINING
        } else if self.full.load(Ordering::Relaxed) {
            // Others wait for a slot: an idle connection is closed sooner.
            self.limits.header_timeout.min(self.limits.idle_timeout)
        } else {
            self.limits.idle_timeout
        }
    }

    /// The web-config in force.
    pub(crate) fn web(&self) -> &Live {
        self.admission.web()
    }
}

/// Which protocol both sides agreed on: HTTP/2 only by ALPN, as Go's servers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Requests that one HTTP/2 connection may have in flight.
const STREAMS: u32 = 100;

/// Bytes of a request's head: enough for a browser's cookies.
pub(crate) const HEAD_BYTES: u32 = 64 * 1024;

/// How long a connection with nothing in flight stays open once the server drains: HTTP/2 sends its GOAWAY frame in it.
const IDLE_WHILE_DRAINING: Duration = Duration::from_millis(100);

/// Serves one accepted connection to its end.
pub(crate) async fn serve<H: Handler>(
    stream: TcpStream,
    handler: H,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
) {
    // Responses leave in one write: waiting for more to send only adds 40 ms. A socket that refuses is closed already.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    match shared.web().current().tls.clone() {
        None => exchange(stream, peer, Protocol::Http1, handler, shared, stopping).await,
        Some(config) => {
            let handshake = timeout(shared.limits.handshake_timeout, handshake(stream, config));
            let mut stopped = stopping.clone();
            let encrypted = tokio::select! {
                encrypted = handshake => encrypted,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            match encrypted {
                Ok(Ok((stream, protocol))) => {
                    exchange(stream, peer, protocol, handler, shared, stopping).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
                Err(_elapsed) => tracing::debug!("the TLS handshake took too long"),
            }
        }
    }
}

/// Makes an accepted socket an encrypted stream.
async fn handshake(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<(TlsStream<TcpStream>, Protocol)> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_uppercase() {
        // A method where a handshake is expected: say so, as Go does, instead of an alert nobody can read.
        // The request is taken off the socket first: closing over unread bytes would reset our answer away.
        let _ = stream.read(&mut [0; 8 * 1024]).await?;
        stream.write_all(NOT_HTTPS).await?;
        stream.shutdown().await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP on an HTTPS port"));
    }
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok((stream, protocol))
}

const NOT_HTTPS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nthis port speaks HTTPS: use https://\n";

/// Requests and responses over an open stream, encrypted or not.
async fn exchange<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<SocketAddr>,
    protocol: Protocol,
    handler: H,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    let activity = Activity::start(protocol == Protocol::Http1);
    let service = service_fn({
        let (activity, shared) = (activity.clone(), Arc::clone(&shared));
        move |mut request: Request<Incoming>| {
            // The socket is closed already if it does not say.
            if let Some(peer) = peer {
                request.extensions_mut().insert(PeerAddress(peer));
            }
            let in_flight = activity.request_starts();
            let (handler, shared) = (handler.clone(), Arc::clone(&shared));
            async move {
                let response = shared.admission.answer(handler, request).await;
                Ok::<_, Infallible>(response.map(|body| in_flight.until_sent(body)))
            }
        }
    });
    let limits = &shared.limits;
    let builder = builder(protocol);
    let stream = TokioIo::new(Observed::new(stream, activity.clone()));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut draining = false;
    loop {
        let wake = activity.look_again_at(limits, shared.idle_timeout(draining));
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            // An error means that the server is gone, which is a stop as well.
            _ = stopping.wait_for(|stop| *stop), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(wake) => {
                if let Some(reason) = activity.expired(limits, shared.idle_timeout(draining)) {
                    tracing::debug!(reason, "connection closed: {reason}");
                    return;
                }
            }
        }
    }
}

fn builder(protocol: Protocol) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    };
    // hyper's own timer can't tell a late head from an idle connection: `activity` bounds each by its own limit.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEAD_BYTES);
    builder
}

//! One connection, from the accepted socket to its close.
//!
//! Owns the protocol and the time limits of a slow peer (`connection::activity`). Leaves out the checks of a request, which
//! are `admission`'s. A peer that stalls costs its own connection slot for a bounded time and nothing else.

mod activity;
mod gathered;
mod observed;
mod sending;
mod unreadable;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{Method, Request};
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

pub(crate) use self::activity::Activity;
use self::observed::Observed;
use crate::{Handler, Limits, Peer, PeerAddress, admission::Admission, response, web_config::Live};

/// What all connections of a server share.
pub(crate) struct Shared {
    limits: Limits,
    admission: Admission,
}

impl Shared {
    pub(crate) fn new(limits: Limits, admission: Admission) -> Self {
        Self { limits, admission }
    }

    /// How long a connection may stay open with nothing in flight.
    fn idle_timeout(&self, draining: bool) -> Duration {
        if draining { IDLE_WHILE_DRAINING } else { self.limits.idle_timeout }
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
const STREAMS: u32 = 16;

/// Bytes of one HTTP/2 response that wait for the connection.
const UNSENT_BYTES: usize = 64 * 1024;

/// Bytes of a request's head: enough for a browser's cookies.
pub(crate) const HEAD_BYTES: u32 = 64 * 1024;

/// How long a connection with nothing in flight stays open once the server drains: HTTP/2 sends its GOAWAY frame in it.
const IDLE_WHILE_DRAINING: Duration = Duration::from_millis(100);

/// Serves one accepted connection to its end.
pub(crate) async fn serve<H: Handler>(
    stream: TcpStream,
    address: SocketAddr,
    activity: Activity,
    handler: H,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
) {
    // Responses leave in one write: waiting for more to send only adds 40 ms. A socket that refuses is closed already.
    let _ = stream.set_nodelay(true);
    // What a connection holds is large, and would else be part of each future around it, which move on the stack before they run.
    match shared.web().current().tls.clone() {
        None => {
            Box::pin(exchange(stream, address, Protocol::Http1, activity, handler, shared, stopping)).await;
        }
        Some(config) => {
            let handshake = timeout(shared.limits.handshake_timeout, handshake(stream, config));
            let mut stopped = stopping.clone();
            let encrypted = tokio::select! {
                encrypted = handshake => encrypted,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            match encrypted {
                Ok(Ok((stream, protocol))) => {
                    Box::pin(exchange(stream, address, protocol, activity, handler, shared, stopping)).await;
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
    address: SocketAddr,
    protocol: Protocol,
    activity: Activity,
    handler: H,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    activity.connected(protocol == Protocol::Http1);
    let service = service_fn({
        let (activity, shared) = (activity.clone(), Arc::clone(&shared));
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(address));
            let in_flight = activity.request_starts();
            let (handler, shared) = (handler.clone(), Arc::clone(&shared));
            let is_head = request.method() == Method::HEAD;
            async move {
                let mut response = shared.admission.answer(handler, Peer::at(address.ip()), request).await;
                // hyper leaves a body out of an answer to HEAD over HTTP/1 alone.
                if is_head && protocol == Protocol::Http2 {
                    response = response::without_body(response);
                }
                let body = |body| match protocol {
                    Protocol::Http1 => in_flight.until_sent(body),
                    Protocol::Http2 => in_flight.until_sent_in_pieces(body),
                };
                Ok::<_, Infallible>(response.map(body))
            }
        }
    });
    let limits = &shared.limits;
    let builder = builder(protocol);
    let stream = TokioIo::new(Observed::new(stream, activity.clone(), protocol == Protocol::Http1));
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
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(UNSENT_BYTES)
        .max_header_list_size(HEAD_BYTES);
    builder
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Response, StatusCode};
    use http_body_util::{BodyExt as _, Empty};
    use hyper::client::conn::http2;
    use tokio::{io::DuplexStream, sync::Notify, task::JoinHandle, time::advance};

    use super::*;
    use crate::{AllowedHosts, RequestBody, Whole, refusal};

    /// `/large` has more bytes than any window here.
    async fn by_path(request: Request<RequestBody>) -> Result<Response<Whole>, Infallible> {
        let body = if request.uri().path() == "/large" { vec![b'x'; 200_000] } else { b"small".to_vec() };
        Ok(response::text(StatusCode::OK, body))
    }

    /// A peer of a server that speaks HTTP/2 by these limits, the server, and what keeps it from being stopped.
    fn serve(limits: &Limits) -> (DuplexStream, JoinHandle<()>, watch::Sender<bool>) {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let admission = Admission::new(
            limits,
            Live::load(None).unwrap(),
            AllowedHosts::default(),
            "",
            refusal::as_text(),
        );
        let shared = Arc::new(Shared::new(limits.clone(), admission));
        let (announce, stopping) = watch::channel(false);
        let activity = Activity::start(false, Arc::new(Notify::new()));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let service = tower::service_fn(by_path);
        let served =
            tokio::spawn(exchange(ours, address, Protocol::Http2, activity, service, shared, stopping));
        (theirs, served, announce)
    }

    /// hyper sends the body of an answer to HEAD over HTTP/2, which clients take for a broken connection.
    #[tokio::test]
    async fn head_is_answered_without_a_body() {
        let (theirs, _served, _announce) = serve(&Limits::default());
        let client = http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) = client.handshake(TokioIo::new(theirs)).await.unwrap();
        tokio::spawn(connection);
        for (method, body) in [(Method::HEAD, ""), (Method::GET, "small")] {
            let request =
                Request::builder().method(&method).uri("https://a/").body(Empty::<Bytes>::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(
                (answer.status(), &answer.headers()["content-length"]),
                (StatusCode::OK, &"5".parse().unwrap())
            );
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body, "{method}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_ends_its_connection_whatever_else_is_asked() {
        let limits = Limits::default();
        let (theirs, served, _announce) = serve(&limits);
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(100).timer(TokioTimer::new());
        let (mut sender, connection) = client.handshake(TokioIo::new(theirs)).await.unwrap();
        tokio::spawn(connection);
        let ask = |path| Request::get(format!("https://a{path}")).body(Empty::<Bytes>::new()).unwrap();
        // Its body is not read, so its stream has no window after the first 100 bytes.
        let stalled = sender.send_request(ask("/large")).await.unwrap();
        let mut asked = Duration::ZERO;
        while asked < limits.request_timeout + limits.write_timeout {
            assert!(!served.is_finished(), "closed after {asked:?}");
            let small = sender.send_request(ask("/")).await.unwrap();
            assert_eq!(small.into_body().collect().await.unwrap().to_bytes(), "small");
            advance(Duration::from_secs(10)).await;
            asked += Duration::from_secs(10);
        }
        timeout(Duration::from_secs(20), served).await.expect("closed in time").unwrap();
        drop(stalled);
    }
}

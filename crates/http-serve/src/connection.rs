//! One connection, from the accepted socket to its close.
//!
//! Owns the protocol and the clock that bounds a slow peer. Leaves out what a request passes before it is answered,
//! which is `gate`'s. A peer that stalls costs its own slot for a bounded time and nothing else.

mod pulse;

use std::{convert::Infallible, pin::pin, sync::Arc};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::sleep_until,
};

use self::pulse::{Observed, Pulse};
use crate::{Handler, Limits, gate::Gate};

/// What all connections of a server share.
pub(crate) struct Shared {
    limits: Limits,
    gate: Gate,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { gate: Gate::new(&limits), limits }
    }
}

/// Which protocol both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
}

/// Requests in the head of a connection may not outgrow this: cookies of a browser fit, an attack doesn't.
const HEAD_BYTES: usize = 64 * 1024;

/// Serves one accepted connection to its end.
pub(crate) async fn serve<H: Handler>(
    stream: TcpStream,
    handler: H,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
) {
    // Responses leave in one write: waiting for more to send only adds 40 ms. A socket that refuses is closed already.
    let _ = stream.set_nodelay(true);
    exchange(stream, Protocol::Http1, handler, shared, stopping).await;
}

/// Requests and responses over an open stream, encrypted or not.
async fn exchange<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    protocol: Protocol,
    handler: H,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    let pulse = Pulse::start(protocol == Protocol::Http1);
    let service = service_fn({
        let (pulse, shared) = (pulse.clone(), Arc::clone(&shared));
        move |request: Request<Incoming>| {
            let in_flight = pulse.request_starts();
            let (handler, shared) = (handler.clone(), Arc::clone(&shared));
            async move {
                let response = shared.gate.answer(handler, request).await;
                Ok::<_, Infallible>(response.map(|body| in_flight.until_sent(body)))
            }
        }
    });
    let limits = &shared.limits;
    let builder = builder();
    let stream = TokioIo::new(Observed::new(stream, pulse.clone()));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut draining = false;
    loop {
        let wake = pulse.look_again_at(limits, draining);
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
                if let Some(reason) = pulse.expired(limits, draining) {
                    tracing::debug!(reason, "connection closed on its peer");
                    return;
                }
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    // The pulse bounds heads and idleness together, which hyper's own timer can't tell apart.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES);
    builder
}

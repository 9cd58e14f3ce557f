//! The relay's server without a store: the same HTTP, the same room for bodies, the webhook read as the relay reads it, and 200.
//!
//! It runs as a process of its own, `bench storeless ADDRESS`, so that the kernel counts it as it counts the relay beside it.

use std::net::SocketAddr;
use std::time::Duration;

use alert_relay::count_alerts;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use http::StatusCode;
use http_serve::{BodyRoom, Limits, Peer, PeerAddress, Server, ServerConfig, Stop, response};
use serde_json::json;
use tokio::net::TcpStream;

/// The mode of this program in which it is this server.
pub(crate) const MODE: &str = "storeless";

/// A server that runs.
pub(super) struct Storeless {
    _process: Process,
    port: Port,
}

impl Storeless {
    pub(super) async fn start(folder: &std::path::Path) -> Result<Self> {
        let port = Port::free()?;
        let program = std::env::current_exe().context("failed to find this program")?;
        let process = Launch::new(MODE, &program).arg(MODE).arg(port.address().to_string()).start(folder)?;
        let address = port.address();
        let listens = async || TcpStream::connect(address).await.ok();
        until("the server without a store to listen", Duration::from_secs(30), listens).await?;
        Ok(Self { _process: process, port })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

/// Runs until it is killed.
pub(crate) fn serve(address: &str) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        let listen = address.parse().with_context(|| format!("`{address}` is no address"))?;
        let server = Server::bind(ServerConfig::listening_on(vec![listen])).await?;
        let bodies = BodyRoom::new(Limits::default().max_body_bytes);
        let router = Router::new().route("/api/v1/alerts/{receiver}", post(accept)).with_state(bodies);
        let stop = Stop::on_signals().context("failed to listen for signals")?;
        server.serve(router, stop.requested(), Duration::ZERO).await;
        Ok(())
    })
}

async fn accept(
    State(bodies): State<BodyRoom>,
    Extension(PeerAddress(address)): Extension<PeerAddress>,
    body: Body,
) -> Response {
    let Ok(body) = bodies.receive(body, Peer::at(address.ip())).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (status, answer) = match count_alerts(&body.bytes) {
        Ok(alerts) => (StatusCode::OK, json!({ "status": "accepted", "alerts": alerts })),
        Err(error) => (StatusCode::BAD_REQUEST, json!({ "status": "error", "message": error })),
    };
    response::json(status, answer.to_string() + "\n").into_response()
}

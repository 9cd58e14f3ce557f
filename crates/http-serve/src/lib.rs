//! The HTTP server of both services.
//!
//! Owns addresses and listeners, who may connect, connections and their limits, TLS, client certificates, basic auth
//! and response headers in the format of Prometheus' `--web.config.file`, and the graceful stop. Leaves out
//! routing and everything a path means: a service is a [`tower::Service`], an axum router or a plain function
//! wrapped by `tower::service_fn`.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{convert::Infallible, time::Duration};
//!
//! use http_serve::{Server, ServerConfig, Stop, response};
//!
//! let stop = Stop::on_signals()?;
//! let server = Server::bind(ServerConfig::listening_on(vec![":9100".parse()?])).await?;
//! let service = tower::service_fn(async |_request| {
//!     Ok::<_, Infallible>(response::text(http::StatusCode::OK, "hello\n"))
//! });
//! let drained = server.serve(service, stop.requested(), Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```

mod accepting;
mod admission;
mod auth;
mod body_room;
mod closing;
mod connection;
mod cross_site;
mod files;
mod handler;
mod headers;
mod host;
mod inherited;
mod limits;
mod listen;
mod own_address;
mod peer;
mod rate_limit;
mod refusal;
mod request;
pub mod response;
mod server;
mod slots;
mod sources;
mod stop;
mod tls;
mod web_config;
mod whole;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use auth::User;
pub use body_room::{BodyError, BodyRoom, HeldBody, SMALL_BYTES};
pub use closing::Closing;
pub use handler::Handler;
pub use host::{AllowedHosts, AllowedHostsError};
pub use inherited::{InheritError, inherited_sockets};
pub use limits::Limits;
pub use listen::{ListenAddress, ListenAddressError, ListenError};
pub use peer::Peer;
pub use refusal::Refusal;
pub use request::{PeerAddress, RequestBody, read_body};
pub use server::{BindError, Drained, ListNames, Server, ServerConfig};
pub use sources::{AllowedSources, AllowedSourcesError};
pub use stop::{Stop, Stopper};
pub use web_config::{WebConfigError, validate};
pub use whole::Whole;

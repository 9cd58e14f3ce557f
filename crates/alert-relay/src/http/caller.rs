//! Who sends a request: a user whom the web-config file has, anybody, or a command on the same machine.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use http_serve::{PeerAddress, User};

use crate::operation::audit_trail::Who;

/// Who sends the request.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Who);

/// Marks requests that came through the control socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThroughControlSocket;

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let extensions = &parts.extensions;
        if extensions.get::<ThroughControlSocket>().is_some() {
            return Ok(Self(Who::LocalCommand));
        }
        let address = address(extensions);
        Ok(Self(match extensions.get::<User>() {
            Some(User(name)) => Who::User { name: name.clone(), address },
            None => Who::Anonymous { address },
        }))
    }
}

/// Where the connection came from; this machine for one through the control socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(address(&parts.extensions)))
    }
}

/// The server says it of every request.
fn address(extensions: &Extensions) -> IpAddr {
    let this_machine = IpAddr::V4(Ipv4Addr::LOCALHOST);
    extensions.get::<PeerAddress>().map_or(this_machine, |PeerAddress(address)| address.ip())
}

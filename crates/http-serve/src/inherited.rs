//! Sockets that systemd opened before it started this program (socket activation; `sd_listen_fds(3)`).

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// Sockets were to be passed and cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// There is none.
    #[error("systemd has passed no socket (hint: start the .socket unit; it starts this service)")]
    None,
    /// One is no TCP socket.
    #[error(
        "socket {number} of those that systemd has passed cannot be listened on: {source} (hint: ListenStream= with a port)"
    )]
    Unusable {
        /// From 1, in the order of the .socket unit.
        number: usize,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// Takes the sockets over. To be called once, before there are threads: the variables that announce the sockets are removed, so that no
/// child believes them to be its own, and the sockets are not passed on to children.
///
/// # Errors
/// There is none, or one is no TCP socket.
pub fn inherited_sockets() -> Result<Vec<TcpListener>, InheritError> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let unusable = |source| InheritError::Unusable { number: index + 1, source };
        sockets.extend(passed.take_tcp_listener(index).map_err(unusable)?);
    }
    if sockets.is_empty() { Err(InheritError::None) } else { Ok(sockets) }
}

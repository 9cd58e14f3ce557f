//! Loopback ports, kept for a program until it listens there itself.
//!
//! The port is bound with `SO_REUSEADDR` and never listened on: the kernel then hands it to nobody else, while a program
//! that sets the same option (Go's and Rust's servers do) can still bind and listen. So nothing races between choosing a
//! port, writing it into three configuration files and starting the program.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::net::TcpSocket;

/// A loopback port that is ours as long as this lives.
#[derive(Debug)]
pub struct Port {
    _kept: TcpSocket,
    address: SocketAddr,
    /// The port asked for, when it was taken and this is another one.
    moved_from: Option<u16>,
}

impl Port {
    /// Any free port.
    pub fn free() -> Result<Self> {
        Self::keep(0).context("failed to reserve a port on 127.0.0.1")
    }

    /// This port, or any free one when somebody has it.
    pub fn preferred(port: u16) -> Result<Self> {
        match Self::keep(port) {
            Ok(kept) => Ok(kept),
            Err(_taken) => Ok(Self { moved_from: Some(port), ..Self::free()? }),
        }
    }

    fn keep(port: u16) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(Self { address: socket.local_addr()?, _kept: socket, moved_from: None })
    }

    /// Where the program is to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that was asked for, when it was taken.
    pub fn moved_from(&self) -> Option<u16> {
        self.moved_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kept_port_can_be_listened_on_by_its_program() {
        let port = Port::free().unwrap();
        let program = tokio::net::TcpListener::bind(port.address()).await.unwrap();
        assert_eq!(program.local_addr().unwrap(), port.address());
    }

    #[tokio::test]
    async fn a_taken_port_is_left_alone_and_said() {
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wanted = other.local_addr().unwrap().port();
        let port = Port::preferred(wanted).unwrap();
        assert_eq!(port.moved_from(), Some(wanted));
        assert_ne!(port.address().port(), wanted);
    }
}

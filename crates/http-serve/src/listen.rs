//! Where a server listens: reading an address as users write it, and opening the socket.
//!
//! Owns the three spellings (`:9100`, `127.0.0.1:9100`, `[::1]:9100`, and a host name in place of the number)
//! and the words for a socket that can't be opened. Leaves out accepting, which is `server`'s.

use std::{fmt, io, net::Ipv6Addr, net::SocketAddr, str::FromStr};

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections the kernel may hold for us while every slot is taken (the kernel caps it at `somaxconn`).
const BACKLOG: u32 = 1024;

/// An address to listen on, as written in a flag or a settings file.
///
/// `:9100` means every address of the machine: IPv6 and IPv4 on one socket, IPv4 alone where the kernel has no
/// IPv6, as Go's listeners do. Port 0 lets the kernel choose; `Server::local_addresses` tells what it chose.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress(Spelling);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Spelling {
    EveryAddress { port: u16 },
    Literal(SocketAddr),
    Named { host: String, port: u16 },
}

/// What was written is no address to listen on.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{written}` is not an address to listen on: {wrong} (hint: write `:9100`, `127.0.0.1:9100` or `[::1]:9100`)"
)]
pub struct ListenAddressError {
    written: String,
    wrong: &'static str,
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let refuse = |wrong| ListenAddressError { written: written.to_owned(), wrong };
        if let Ok(literal) = written.parse::<SocketAddr>() {
            return Ok(Self(Spelling::Literal(literal)));
        }
        let (host, port) = written.rsplit_once(':').ok_or_else(|| refuse("it has no `:PORT`"))?;
        let port = port.parse().map_err(|_| refuse("the port is not a number from 0 to 65535"))?;
        if host.is_empty() {
            return Ok(Self(Spelling::EveryAddress { port }));
        }
        if host.contains([':', '[', ']']) {
            return Err(refuse("an IPv6 address goes into brackets"));
        }
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if !host.chars().all(of_a_name) {
            return Err(refuse("the host is neither an address nor a name"));
        }
        Ok(Self(Spelling::Named { host: host.to_owned(), port }))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ListenAddressError;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        written.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Spelling::EveryAddress { port } => write!(f, ":{port}"),
            Spelling::Literal(address) => address.fmt(f),
            Spelling::Named { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A socket that could not be opened, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}`: {source} (hint: {})", hint(.source))]
pub struct ListenError {
    address: ListenAddress,
    source: io::Error,
}

/// Opens the socket of one address and tells the address it really has.
pub(crate) async fn listen(address: &ListenAddress) -> Result<(TcpListener, SocketAddr), ListenError> {
    let opened = match &address.0 {
        Spelling::EveryAddress { port } => on_every_address(*port),
        Spelling::Literal(literal) => on_address(*literal),
        Spelling::Named { host, port } => on_name(host, *port).await,
    };
    opened
        .and_then(|listener| listener.local_addr().map(|real| (listener, real)))
        .map_err(|source| ListenError { address: address.clone(), source })
}

fn on_every_address(port: u16) -> io::Result<TcpListener> {
    match on_dual_stack(port) {
        // A kernel booted with `ipv6.disable=1` has no such sockets; one with all addresses taken away has no `::`.
        Err(error) if no_ipv6(&error) => on_address(SocketAddr::from(([0, 0, 0, 0], port))),
        opened => opened,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::PROTONOSUPPORT)
    )
}

fn on_dual_stack(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    socket.set_reuseaddr(true)?;
    // Said outright because `net.ipv6.bindv6only` may have turned the default round.
    set_ipv6_v6only(&socket, false)?;
    socket.bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}

fn on_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart may bind while connections of the last run are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn on_name(host: &str, port: u16) -> io::Result<TcpListener> {
    let first = lookup_host((host, port)).await?.next();
    on_address(first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?)
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; `ss -ltnp` names it: stop it or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher port or grant it"
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address: `ip addr` lists them"
        }
        _ => "check the host and the port",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: &str) {
        let said = match written.parse::<ListenAddress>() {
            Ok(address) => format!("{:?}", address.0),
            Err(error) => error.wrong.to_owned(),
        };
        assert_eq!(said, expected, "{written}");
    }

    #[test]
    fn addresses_are_read_as_users_write_them() {
        check(":9100", "EveryAddress { port: 9100 }");
        check("127.0.0.1:9100", "Literal(127.0.0.1:9100)");
        check("0.0.0.0:0", "Literal(0.0.0.0:0)");
        check("[::1]:9100", "Literal([::1]:9100)");
        check("localhost:9100", r#"Named { host: "localhost", port: 9100 }"#);
        check("9100", "it has no `:PORT`");
        check("", "it has no `:PORT`");
        check(":", "the port is not a number from 0 to 65535");
        check(":70000", "the port is not a number from 0 to 65535");
        check("::1:9100", "an IPv6 address goes into brackets");
        check("http://localhost:9100", "an IPv6 address goes into brackets");
        check("my host:9100", "the host is neither an address nor a name");
    }

    #[test]
    fn an_address_is_printed_as_it_was_written() {
        for written in [":9100", "127.0.0.1:9100", "[::1]:9100", "localhost:9100"] {
            assert_eq!(written.parse::<ListenAddress>().unwrap().to_string(), written);
        }
    }

    #[tokio::test]
    async fn every_address_answers_ipv4_too() {
        let (listener, real) = listen(&":0".parse().unwrap()).await.unwrap();
        let dial = tokio::net::TcpStream::connect(("127.0.0.1", real.port()));
        let (dialled, accepted) = tokio::join!(dial, listener.accept());
        dialled.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let (_holder, real) = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken: ListenAddress = real.to_string().parse().unwrap();
        let said = listen(&taken).await.unwrap_err().to_string();
        assert!(said.contains(&format!("cannot listen on `{taken}`: Address already in use")), "{said}");
        assert!(said.contains("(hint: another process listens there"), "{said}");
    }
}

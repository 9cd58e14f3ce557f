//! Whether a peer's address is one of this machine's own.
//!
//! A connection to an address of the machine need not come from loopback: firewall rules that rewrite sources (Docker's for each of its
//! networks) give it another of the machine's addresses. Linux takes no packet from outside whose source is its own address, unless
//! `net.ipv4.conf.*.accept_local` is set (RFC 1812, section 5.3.8), so such a peer is a process of this network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Whether `peer` is an address of this network namespace. An address that the kernel has no route to is none.
///
/// Asks the kernel from which address it would send there, which is the same one for its own addresses alone. Sends nothing.
pub(crate) fn is_own(mut peer: SocketAddr) -> bool {
    // On a socket for both families IPv4 peers look like `::ffff:192.0.2.7`.
    peer.set_ip(peer.ip().to_canonical());
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(peer)?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == peer.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_is_its_own() {
        for (peer, expected) in [
            ("127.0.0.1:40000", true),
            ("[::ffff:127.0.0.1]:40000", true),
            // Documentation's, on no machine (RFC 5737, RFC 3849).
            ("203.0.113.9:40000", false),
            ("[::ffff:203.0.113.9]:40000", false),
            ("[2001:db8::5]:40000", false),
        ] {
            assert_eq!(is_own(peer.parse().unwrap()), expected, "{peer}");
        }
    }
}

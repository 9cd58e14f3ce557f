//! The peers a server answers, by their addresses.
//!
//! A listener on one address is reached by whoever has a route to it: Linux answers for every address of the machine on each of its
//! interfaces. So a server that listens on a bridge's address and means that bridge's peers has to look at where they come from.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The networks whose peers are answered, and loopback. Empty: everyone.
///
/// Loopback is always allowed: only processes of this machine (of this network namespace) come from it. That the same holds for the machine's
/// other addresses is `own_address`'s.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources(pub(crate) Vec<IpNet>);

const LOOPBACK: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];

/// What was written is no network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AllowedSourcesError {
    /// Neither an address nor a network.
    #[error("`{0}` is not a network (hint: write `172.30.98.0/24` or `2001:db8::/64`, or one address alone)")]
    NoNetwork(String),
    /// An address that is not the first of its network: either may be meant.
    #[error(
        "`{written}` is one address of a network (hint: write `{network}` for the network, or the address alone)"
    )]
    HostBits {
        /// As it was written.
        written: String,
        /// The network that it is in.
        network: String,
    },
}

impl AllowedSources {
    /// Whether a peer with this address is answered.
    pub(crate) fn allow(&self, peer: IpAddr) -> bool {
        // On a socket for both families IPv4 peers look like `::ffff:192.0.2.7`.
        let peer = peer.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&peer))
    }
}

fn network(written: &str) -> Result<IpNet, AllowedSourcesError> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = written.parse().map_err(|_| AllowedSourcesError::NoNetwork(written.to_owned()))?;
    if network.trunc() != network {
        let (written, network) = (written.to_owned(), network.trunc().to_string());
        return Err(AllowedSourcesError::HostBits { written, network });
    }
    Ok(network)
}

/// A comma-separated list, each `ADDRESS/BITS` or one address; empty text is an empty list.
impl FromStr for AllowedSources {
    type Err = AllowedSourcesError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if written.is_empty() {
            return Ok(Self::default());
        }
        let networks = written.split(',').map(|written| network(written.trim()));
        networks.chain(LOOPBACK.map(Ok)).collect::<Result<_, _>>().map(Self)
    }
}

/// Several lists as one.
impl FromIterator<Self> for AllowedSources {
    fn from_iter<I: IntoIterator<Item = Self>>(lists: I) -> Self {
        Self(lists.into_iter().flat_map(|list| list.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &str, peer: &str, passes: bool) {
        let allowed: AllowedSources = allowed.parse().unwrap();
        assert_eq!(allowed.allow(peer.parse().unwrap()), passes, "{allowed:?} {peer}");
    }

    #[test]
    fn peers_of_the_networks_and_of_loopback_are_answered() {
        check("", "203.0.113.9", true);
        let allowed = "172.30.98.0/24, 192.0.2.7,2001:db8::/64";
        for peer in [
            "172.30.98.1",
            "::ffff:172.30.98.255",
            "192.0.2.7",
            "2001:db8::5",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
        ] {
            check(allowed, peer, true);
        }
        for peer in
            ["172.30.99.1", "::ffff:172.30.97.255", "192.0.2.8", "2001:db8:0:1::5", "::ffff:0:0", "0.0.0.0"]
        {
            check(allowed, peer, false);
        }
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::5", false);
    }

    #[test]
    fn what_is_no_network_is_told() {
        for (written, expected) in [
            ("172.30.98.1/24", "`172.30.98.0/24` for the network"),
            ("172.30.98.0/33", "`172.30.98.0/33` is not a network"),
            ("172.30.98", "`172.30.98` is not a network"),
            ("docker0", "`docker0` is not a network"),
            ("192.0.2.7,,192.0.2.8", "`` is not a network"),
        ] {
            let said = written.parse::<AllowedSources>().unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    }
}

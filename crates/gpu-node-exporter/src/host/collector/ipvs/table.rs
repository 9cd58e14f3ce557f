//! The table of `/proc/net/ip_vs`: each virtual service with its real servers under it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::lines::{Lines, lines};

/// A real server of a virtual service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server<'text> {
    /// `TCP`, `UDP`, `SCTP`, or `FWM` for packets that the firewall marked.
    pub(super) protocol: &'text str,
    /// The mark; empty for a service that has an address.
    pub(super) mark: &'text str,
    /// Where the service is asked; a mark has no address.
    pub(super) local: Option<Endpoint>,
    pub(super) remote: Endpoint,
    /// Weight, active connections and inactive ones.
    pub(super) counts: [u64; 3],
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// What the servers that follow belong to.
#[derive(Clone, Copy)]
struct Service<'text> {
    protocol: &'text str,
    mark: &'text str,
    local: Option<Endpoint>,
}

/// One server for each line that is about one; the other lines are `None`. The servers of a service that cannot be read
/// cannot be told apart from others and are faults.
pub(super) fn parse(text: &str) -> Lines<Option<Server<'_>>> {
    let mut service = None;
    let mut is_first = true;
    lines("net/ip_vs", text, move |line| {
        if std::mem::take(&mut is_first) {
            return line.starts_with("IP Virtual Server").then_some(None);
        }
        let mut words = line.split_ascii_whitespace();
        match words.next()? {
            "Prot" => Some(None),
            "->" => match words.next()? {
                "RemoteAddress:Port" => Some(None),
                remote => server(service?, remote, words).map(Some),
            },
            protocol => {
                service = parse_service(protocol, words.next()?);
                service.map(|_| None)
            }
        }
    })
}

fn parse_service<'text>(protocol: &'text str, word: &'text str) -> Option<Service<'text>> {
    match protocol {
        "TCP" | "UDP" | "SCTP" => Some(Service { protocol, mark: "", local: Some(endpoint(word)?) }),
        "FWM" => Some(Service { protocol, mark: word, local: None }),
        _ => None,
    }
}

/// What comes after the address: how packets are forwarded, and the numbers.
fn server<'text>(
    service: Service<'text>,
    remote: &str,
    words: impl Iterator<Item = &'text str>,
) -> Option<Server<'text>> {
    let mut counts = words.skip(1).map(|word| word.parse().ok());
    let counts = [counts.next()??, counts.next()??, counts.next()??];
    let Service { protocol, mark, local } = service;
    Some(Server { protocol, mark, local, remote: endpoint(remote)?, counts })
}

/// `C0A80016:0CEA` or `[2620:0000:0000:0000:0000:0000:0000:0001]:0050`.
fn endpoint(word: &str) -> Option<Endpoint> {
    let (address, port) = word.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(address) => IpAddr::from(address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => Ipv4Addr::from_bits(u32::from_str_radix(address, 16).ok()?).into(),
    };
    Some(Endpoint { address: address.to_canonical(), port: u16::from_str_radix(port, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    const HEAD: &str = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  \
        -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";

    #[test]
    fn a_server_belongs_to_the_service_above_it() {
        let text = format!(
            "{HEAD}UDP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0035 rr\n  \
             -> [0000:0000:0000:0000:0000:ffff:c0a8:0101]:0036      Masq    1      2          3\n\
             SCTP 0A000001:0016 wlc\n  -> 0A000002:0017      Route   4      5          6\n\
             FWM  00000001 IPv6 wlc\n  -> 0A000003:0018      Route   7      8          9\n"
        );
        let Lines { read, faults } = parse(&text);
        assert_eq!(faults, []);
        let shown = |endpoint: Endpoint| format!("{} {}", endpoint.address, endpoint.port);
        let servers: Vec<_> = read
            .iter()
            .flatten()
            .map(|it| (it.protocol, it.mark, it.local.map(shown), shown(it.remote), it.counts))
            .collect();
        let local = |text: &str| Some(text.to_owned());
        assert_eq!(
            servers,
            [
                ("UDP", "", local("fd00::1 53"), "192.168.1.1 54".to_owned(), [1, 2, 3]),
                ("SCTP", "", local("10.0.0.1 22"), "10.0.0.2 23".to_owned(), [4, 5, 6]),
                ("FWM", "00000001", None, "10.0.0.3 24".to_owned(), [7, 8, 9]),
            ]
        );
    }

    #[test]
    fn servers_of_an_odd_service_belong_to_no_other() {
        let text = format!(
            "{HEAD}TCP  0A000001:0016 rr\nTCP  odd rr\n  -> 0A000002:0017 Route 4 5 6\nUDP  0A000001:0016 rr\n"
        );
        let Lines { read, faults } = parse(&text);
        assert_eq!((read.iter().flatten().count(), faults.len()), (0, 2), "{faults:?}");
    }

    #[test]
    fn garbage_is_a_fault() {
        let service = format!("{HEAD}TCP  0A000001:0016 rr\n");
        check_garbage(
            |text| parse(text).faults,
            &[
                "",
                "Segmentation fault\n",
                &format!("{HEAD}TCP\n"),
                &format!("{HEAD}TCP 0A000001 rr\n"),
                &format!("{HEAD}XYZ 0A000001:0016 rr\n"),
                &format!("{HEAD}  -> 0A000002:0017 Route 4 5 6\n"),
                &format!("{service}  -> 0A000002:0017 Route 4 5\n"),
                &format!("{service}  -> 0A000002:0017 Route -4 5 6\n"),
                &format!("{service}  -> [::1:0017 Route 4 5 6\n"),
                &format!("{service}  -> 0A000002:10017 Route 4 5 6\n"),
            ],
        );
    }
}

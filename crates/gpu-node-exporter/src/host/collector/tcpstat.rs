//! TCP connections by state (see `sock_diag(7)`).
//!
//! Owns the counts and the bytes that wait in the connections' queues. `netstat` and `sockstat` have the protocol's own
//! counters.

use std::path::PathBuf;

use rustix::net::netlink::SOCK_DIAG;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::netlink::{Query, Socket, u32_at};
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "tcpstat",
    help: "TCP connections by state",
    reads: "netlink",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(TcpCollector::new(root)),
};

struct TcpCollector {
    /// Is there when the machine has IPv6.
    tcp6: PathBuf,
    socket: Socket,
}

impl TcpCollector {
    fn new(root: &Root) -> Self {
        Self { tcp6: root.proc.join("net/tcp6"), socket: Socket::of(SOCK_DIAG) }
    }

    fn read(&mut self) -> Result<Connections, Fault> {
        let mut connections = Connections::default();
        let families = if self.tcp6.exists() { &[AF_INET, AF_INET6][..] } else { &[AF_INET] };
        for family in families {
            self.socket.dump_of(SOCKETS, &request(*family), |message| connections.add(message))?;
        }
        Ok(connections)
    }
}

impl Collector for TcpCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.read().map(|connections| vec![connections.family()]).into()
    }
}

/// `SOCK_DIAG_BY_FAMILY`
const SOCKETS: Query = Query { request: 20, answer: 20 };
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// All of [`STATES`].
const ALL_STATES: u32 = 0xfff;

/// By the number of the state (`include/net/tcp_states.h`), from 1 on.
const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// `struct inet_diag_req_v2` of `include/uapi/linux/inet_diag.h`: family, protocol, extensions, the states at 4, and any
/// socket.
fn request(family: u8) -> [u8; 56] {
    let mut request = [0; 56];
    request[0] = family;
    request[1] = IPPROTO_TCP;
    request[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
    request
}

#[derive(Debug, Default, PartialEq)]
struct Connections {
    /// In the order of [`STATES`].
    by_state: [u64; STATES.len()],
    /// In a state that is not known here.
    unknown: u64,
    receive_queue_bytes: u64,
    send_queue_bytes: u64,
}

impl Connections {
    /// Adds the connection of a `struct inet_diag_msg`: the state at 1, the bytes that wait to be read at 56, and those
    /// that wait to be sent or acknowledged at 60.
    fn add(&mut self, message: &[u8]) {
        let (Some(state), Some(received), Some(sent)) =
            (message.get(1), u32_at(message, 56), u32_at(message, 60))
        else {
            return;
        };
        match usize::from(*state).checked_sub(1).and_then(|place| self.by_state.get_mut(place)) {
            Some(count) => *count += 1,
            None => self.unknown += 1,
        }
        self.receive_queue_bytes += u64::from(received);
        self.send_queue_bytes += u64::from(sent);
    }

    /// A state without a connection has no series, as in `node_exporter`.
    fn family(&self) -> Family {
        let mut family = Family::gauge("node_tcp_connection_states", "Number of connection states.");
        let counts = STATES.into_iter().zip(self.by_state).chain([("unknown", self.unknown)]);
        let mut total = 0;
        for (state, count) in counts.filter(|(_, count)| *count > 0) {
            total += count;
            family.push(Labels::new([("state", state)]), count);
        }
        let queues =
            [("rx_queued_bytes", self.receive_queue_bytes), ("tx_queued_bytes", self.send_queue_bytes)];
        for (state, bytes) in queues.into_iter().filter(|_| total > 0) {
            family.push(Labels::new([("state", state)]), bytes);
        }
        family
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::host::garbled;
    use crate::host::testing::{collector, values};

    fn message(state: u8, received: u32, sent: u32) -> [u8; 72] {
        let mut message = [0; 72];
        message[1] = state;
        message[56..60].copy_from_slice(&received.to_ne_bytes());
        message[60..64].copy_from_slice(&sent.to_ne_bytes());
        message
    }

    #[test]
    fn connections_are_counted_by_state() {
        let mut connections = Connections::default();
        assert_eq!(values(&[connections.family()]), [] as [&str; 0]);
        for (state, received, sent) in
            [(1, 3, u32::MAX), (1, 4, u32::MAX), (10, 0, 128), (99, 0, 0), (0, 0, 0)]
        {
            connections.add(&message(state, received, sent));
        }
        connections.add(&[0; 63]);
        assert_eq!(
            values(&[connections.family()]),
            [
                r#"node_tcp_connection_states{state="established"} 2"#,
                r#"node_tcp_connection_states{state="listen"} 1"#,
                r#"node_tcp_connection_states{state="unknown"} 2"#,
                r#"node_tcp_connection_states{state="rx_queued_bytes"} 7"#,
                r#"node_tcp_connection_states{state="tx_queued_bytes"} 8589934718"#,
            ]
        );
    }

    #[test]
    fn the_kernel_tells_of_connections_over_both_protocols() {
        let listeners = ["127.0.0.1:0", "[::1]:0"].map(|address| TcpListener::bind(address).ok());
        let streams = listeners.each_ref().map(|listener| {
            let address = listener.as_ref()?.local_addr().unwrap();
            TcpStream::connect(address).ok()
        });
        assert!(streams[0].is_some());
        let counted = |proc: &str| {
            let none = "/nonexistent".as_ref();
            let Collected { families, faults, .. } = collector(&ENTRY, proc.as_ref(), none, &[]).collect();
            assert_eq!(faults, []);
            let lines = values(&families);
            let of = |state: &str| {
                let begin = format!("node_tcp_connection_states{{state={state:?}}} ");
                lines.iter().find_map(|line| line.strip_prefix(&begin)?.parse::<u64>().ok()).unwrap_or(0)
            };
            (of("established"), of("listen"))
        };
        let (established, listening) = counted("/nonexistent");
        assert!(established >= 2 && listening >= 1, "{established} {listening}");
        if streams[1].is_some() {
            let (established, listening) = counted("/proc");
            assert!(established >= 4 && listening >= 2, "{established} {listening}");
        }
    }

    #[test]
    fn no_message_panics() {
        garbled::messages(&[&message(1, 3, 4)], |bytes| Connections::default().add(bytes));
    }
}

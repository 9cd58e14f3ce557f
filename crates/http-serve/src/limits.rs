//! The bounds of a server, with the defaults that fit both services.

use std::time::Duration;

/// How much one peer, and all peers together, may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections over all listeners. For one more the connection is closed that has waited longest for its next request, of the
    /// peer that has the most; while all are busy, new ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Open connections of one peer. For one more its own is closed that has waited longest; while all are busy, it is answered 503.
    pub max_connections_of_one_peer: usize,
    /// Bytes of a request's target, its path and query; beyond it the answer is 414.
    pub max_target_bytes: usize,
    /// Bytes of a request's body; beyond it the answer is 413.
    pub max_body_bytes: usize,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a connection's start, or the first byte of its next request, to the end of that request's head.
    pub header_timeout: Duration,
    /// From a request's head to the start of its response, its body included; beyond it the answer is 503.
    pub request_timeout: Duration,
    /// From the first byte of a response that the peer did not take to the last.
    pub write_timeout: Duration,
    /// How long a connection may stay open between two requests. Longer than any scrape interval, so that a
    /// Prometheus keeps its connection.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_connections_of_one_peer: 128,
            max_target_bytes: 8 * 1024,
            max_body_bytes: 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(5),
        }
    }
}

//! Who is answered, by address, host and origin.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{AllowedSources, Closing, ListNames};

async fn start_for(hosts: &str, allowed_sources: AllowedSources) -> (SocketAddr, Arc<AtomicUsize>, Stopper) {
    start_on_machine(|_| false, hosts, allowed_sources).await
}

/// On a machine that has the addresses for which `is_own` holds.
async fn start_on_machine(
    is_own: fn(SocketAddr) -> bool,
    hosts: &str,
    allowed_sources: AllowedSources,
) -> (SocketAddr, Arc<AtomicUsize>, Stopper) {
    let config = ServerConfig {
        allowed_hosts: hosts.parse().unwrap(),
        allowed_sources,
        list_names: ListNames { hosts: "server.allowed_hosts", sources: "server.allowed_sources" },
        ..ServerConfig::listening_on(vec!["127.0.0.1:0".parse().unwrap()])
    };
    let mut server = Server::bind(config).await.unwrap();
    server.is_own = is_own;
    let address = server.local_addresses()[0];
    let closed = Arc::new(AtomicUsize::new(0));
    let server = server.counting_closings_with({
        let closed = Arc::clone(&closed);
        move |reason| {
            assert_eq!(reason, Closing::ForeignSource);
            closed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (stopper, stop) = Stop::by_hand();
    tokio::spawn(server.serve(tower::service_fn(echo), stop.requested(), TIMEOUT));
    (address, closed, stopper)
}

#[tokio::test]
async fn requests_are_looked_at_before_the_service_sees_them() {
    let (address, _, _stopper) = start_for("relay.example", AllowedSources::default()).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: relay.example:1\r\n", "200"),
        ("GET / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: relay.example\r\nHost: relay.example\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n", "403"),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: relay.example\r\n", "400"),
        (&format!("GET /{} HTTP/1.1\r\nHost: relay.example\r\n", "a".repeat(8_192)), "414"),
        (&format!("GET /{} HTTP/1.1\r\nHost: relay.example\r\n", "a".repeat(8_191)), "200"),
        ("POST / HTTP/1.1\r\nHost: relay.example\r\nOrigin: http://relay.example\r\n", "200"),
        ("POST / HTTP/1.1\r\nHost: relay.example\r\nOrigin: http://evil.example\r\n", "403"),
        ("POST / HTTP/1.1\r\nHost: relay.example\r\nSec-Fetch-Site: cross-site\r\n", "403"),
    ] {
        let answer = converse(address, format!("{request}Connection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request} {answer}");
    }
}

#[tokio::test]
async fn a_peer_from_elsewhere_is_turned_away_and_counted() {
    let (address, closed, _stopper) = start_for("", "192.0.2.0/24".parse().unwrap()).await;
    let answer = converse(address, LAST_GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "loopback is always allowed: {answer}");
    assert_eq!(closed.load(Ordering::Relaxed), 0);
    // A list without loopback, which nobody can write, makes this test's connections foreign.
    let (address, closed, _stopper) =
        start_for("", AllowedSources(vec!["192.0.2.0/24".parse().unwrap()])).await;
    let answer = converse(address, b"").await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("(hint: server.allowed_sources)\n"),
        "{answer}"
    );
    assert_eq!(closed.load(Ordering::Relaxed), 1);
}

/// Firewall rules may give a process of this machine any of the machine's addresses.
#[tokio::test]
async fn a_peer_with_an_address_of_this_machine_is_answered() {
    let elsewhere = || AllowedSources(vec!["192.0.2.0/24".parse().unwrap()]);
    let (address, closed, _stopper) = start_on_machine(own_address::is_own, "", elsewhere()).await;
    let answer = converse(address, LAST_GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(closed.load(Ordering::Relaxed), 0);
}

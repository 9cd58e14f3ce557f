//! The health check of the images, asking servers that answer all kinds of things.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use crate::files::path;

/// Against a server that gives this answer at `listen`.
fn is_healthy(listen: &str, asked: &str, status: &str) -> bool {
    let listener = TcpListener::bind(listen).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let head = BufReader::new(peer.try_clone().unwrap()).lines().map_while(Result::ok);
        let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
        peer.write_all(answer.as_bytes()).unwrap();
        head
    });
    let asked = asked.replace("PORT", &port);
    let outcome = Command::new(path("deploy/docker/healthcheck")).arg(&asked).status().unwrap();
    let head = server.join().unwrap();
    let host = if asked.starts_with(':') { format!("127.0.0.1{asked}") } else { asked };
    assert!(head.contains(&format!("Host: {host}")), "{head:?}");
    outcome.success()
}

#[test]
fn a_service_that_asks_for_a_password_or_another_peer_is_well_and_one_that_fails_is_ill() {
    for (status, expected) in [
        ("200 OK", true),
        ("401 Unauthorized", true),
        ("403 Forbidden", true),
        ("503 Service Unavailable", false),
        ("500 Internal Server Error", false),
    ] {
        assert_eq!(is_healthy("127.0.0.1:0", "127.0.0.1:PORT", status), expected, "{status}");
    }
}

/// Whoever is turned away is answered before the request is read, and may find the connection closed while writing it.
#[test]
fn a_service_that_closes_on_its_caller_is_well_every_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            peer.unwrap().write_all(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    for attempt in 0..100 {
        let outcome = Command::new(path("deploy/docker/healthcheck")).arg(&asked).status().unwrap();
        assert!(outcome.success(), "attempt {attempt}: {outcome}");
    }
}

#[test]
fn the_health_check_takes_every_form_of_a_listen_address() {
    for (listen, asked) in [
        ("127.0.0.1:0", ":PORT"),
        ("0.0.0.0:0", "0.0.0.0:PORT"),
        ("[::1]:0", "[::1]:PORT"),
        ("[::]:0", "[::]:PORT"),
        ("127.0.0.1:0", "localhost:PORT"),
    ] {
        assert!(is_healthy(listen, asked, "200 OK"), "{listen} asked as {asked}");
    }
}

mod access;
mod slots;

use std::convert::Infallible;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::*;
use crate::{RequestBody, Stop, Stopper, read_body, response};

const TIMEOUT: Duration = Duration::from_mins(1);

/// A running server on a free port of loopback.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    ended: tokio::task::JoinHandle<Drained>,
}

async fn start<H: Handler + Sync>(limits: Limits, drain_limit: Duration, handler: H) -> Running {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let server = Server::bind(ServerConfig { limits, ..ServerConfig::listening_on(listen) }).await.unwrap();
    let address = server.local_addresses()[0];
    let (stopper, stop) = Stop::by_hand();
    let ended = tokio::spawn(server.serve(handler, stop.requested(), drain_limit));
    Running { address, stopper, ended }
}

async fn echo(request: Request<RequestBody>) -> Result<Response<Whole>, Infallible> {
    Ok(match read_body(request.into_body()).await {
        Ok(body) => response::text(StatusCode::OK, body),
        Err(refusal) => refusal,
    })
}

/// Sends `bytes` and reads until the server closes.
async fn converse(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("the server closes in time");
    String::from_utf8(answer).unwrap()
}

/// One request on a connection that stays open, and its whole answer.
async fn round_trip(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let read = timeout(TIMEOUT, stream.read_buf(&mut answer)).await.expect("answered in time").unwrap();
        assert_ne!(read, 0, "the connection stays open");
    }
}

const LAST_GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_body_within_the_limit_arrives_and_one_beyond_is_refused_with_the_reason() {
    let running =
        start(Limits { max_body_bytes: 1000, ..Limits::default() }, TIMEOUT, tower::service_fn(echo)).await;
    let post = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let within = converse(running.address, post(1000).as_bytes()).await;
    assert!(within.starts_with("HTTP/1.1 200 OK\r\n"), "{within}");
    let beyond = converse(running.address, post(1001).as_bytes()).await;
    assert!(beyond.starts_with("HTTP/1.1 413 "), "{beyond}");
    assert!(beyond.ends_with("the body has 1001 bytes, this server accepts at most 1000\n"), "{beyond}");
    let large = converse(running.address, post(20_000_000).as_bytes()).await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
}

#[tokio::test]
async fn a_body_of_unannounced_length_is_refused_at_the_limit() {
    let running =
        start(Limits { max_body_bytes: 10, ..Limits::default() }, TIMEOUT, tower::service_fn(echo)).await;
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    let answer = converse(running.address, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_refusal_reaches_a_peer_that_is_still_sending() {
    let limits = Limits { max_body_bytes: 32 * 1024 * 1024, ..Limits::default() };
    let refuse = tower::service_fn(async |request: Request<RequestBody>| {
        // One piece is read, so that a body that was begun is covered as well.
        if request.uri().path() == "/begun" {
            let _ = request.into_body().frame().await;
        }
        Ok::<_, Infallible>(response::text(StatusCode::NOT_FOUND, "no such page\n"))
    });
    let running = start(limits, TIMEOUT, refuse).await;
    // More than the kernel's buffers of both sides take.
    let piece = "x".repeat(1024 * 1024);
    let announced = format!("Content-Length: {}\r\n\r\n{}", 20 * piece.len(), piece.repeat(20));
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(20));
    for path in ["/", "/begun"] {
        for body in [&announced, &chunked] {
            let mut peer = TcpStream::connect(running.address).await.unwrap();
            let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{body}");
            timeout(TIMEOUT, peer.write_all(request.as_bytes())).await.unwrap().expect("all is taken");
            // The connection is good for the next request.
            peer.write_all(LAST_GET).await.unwrap();
            let mut answers = String::new();
            timeout(TIMEOUT, peer.read_to_string(&mut answers)).await.unwrap().unwrap();
            assert_eq!(answers.matches("HTTP/1.1 404 Not Found\r\n").count(), 2, "{answers}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_asks_before_it_sends_is_refused_at_once() {
    let refuse = tower::service_fn(async |_| {
        Ok::<_, Infallible>(response::text(StatusCode::NOT_FOUND, "no such page\n"))
    });
    let running = start(Limits::default(), TIMEOUT, refuse).await;
    let asking = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    assert!(converse(running.address, asking).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_head_that_never_ends_costs_its_own_connection() {
    let limits =
        Limits { header_timeout: Duration::from_millis(100), max_connections: 1, ..Limits::default() };
    let running = start(limits, TIMEOUT, tower::service_fn(echo)).await;
    // The only slot is taken by a peer that stops in the middle: closed without an answer …
    assert_eq!(converse(running.address, b"GET / HTTP/1.1\r\nHost:").await, "");
    // … and so is one that never speaks; then the slot is free again.
    assert_eq!(converse(running.address, b"").await, "");
    // On a busy machine a good peer may take as long as they may; it comes again.
    let served = async { while !converse(running.address, LAST_GET).await.starts_with("HTTP/1.1 200 OK") {} };
    timeout(TIMEOUT, served).await.expect("a slot is free, and a peer is served");
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let running = start(Limits::default(), TIMEOUT, tower::service_fn(echo)).await;
    for (bytes, status, reason) in [
        ("BREW\r\n\r\n".to_owned(), "400", "this is no request of HTTP/1.1\n"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), "414", "the path and query are longer"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(200_000)), "431", "the headers are longer"),
    ] {
        let answer = converse(running.address, bytes.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        assert!(answer.contains(reason), "{answer}");
    }
    // HTTP/2 without having asked: told in its own frames.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("closed in time").unwrap();
    assert_eq!(answer[..4], [0, 0, 0, 4], "SETTINGS come first");
    assert_eq!((answer[12], answer[25]), (7, 13), "GOAWAY with HTTP_1_1_REQUIRED");
    assert!(answer.ends_with(b"speak HTTP/1.1 on this port"));
}

#[tokio::test]
async fn garbage_is_answered_400_or_closed() {
    let running = start(Limits::default(), TIMEOUT, tower::service_fn(echo)).await;
    let answer = converse(running.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    let header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(connection::HEAD_BYTES as usize * 2));
    let answer = converse(running.address, header.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(converse(running.address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_answered_for() {
    let limits = Limits { request_timeout: Duration::from_millis(50), ..Limits::default() };
    let silent =
        tower::service_fn(async |_| std::future::pending::<Result<Response<Whole>, Infallible>>().await);
    let running = start(limits, TIMEOUT, silent).await;
    let answer = converse(running.address, LAST_GET).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
    assert!(answer.ends_with("not answered within 0.05 seconds\n"), "{answer}");
}

#[tokio::test]
async fn a_service_may_word_refusals_itself() {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let limits = Limits { max_body_bytes: 3, ..Limits::default() };
    let server = Server::bind(ServerConfig { limits, ..ServerConfig::listening_on(listen) }).await.unwrap();
    let address = server.local_addresses()[0];
    let server = server.refusing_with(|method, uri, refusal| {
        let text = format!("{method} {uri} {}: {}", refusal.status.as_u16(), refusal.reason);
        response::text(StatusCode::IM_A_TEAPOT, text)
    });
    let (_stopper, stop) = Stop::by_hand();
    tokio::spawn(server.serve(tower::service_fn(echo), stop.requested(), TIMEOUT));
    let large = b"POST /a?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n1234";
    let answer = converse(address, large).await;
    assert!(answer.starts_with("HTTP/1.1 418 "), "{answer}");
    assert!(
        answer.ends_with("POST /a?b 413: the body has 4 bytes, this server accepts at most 3"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let limits =
        Limits { write_timeout: Duration::from_millis(200), max_connections: 1, ..Limits::default() };
    // More than the kernel's buffers of both sides take.
    let endless = tower::service_fn(async |_| {
        Ok::<_, Infallible>(response::text(StatusCode::OK, vec![b'x'; 64 * 1024 * 1024]))
    });
    let running = start(limits, TIMEOUT, endless).await;
    let mut deaf = TcpStream::connect(running.address).await.unwrap();
    deaf.write_all(LAST_GET).await.unwrap();
    let mut next = TcpStream::connect(running.address).await.unwrap();
    next.write_all(LAST_GET).await.unwrap();
    let mut first = [0];
    timeout(TIMEOUT, next.read(&mut first)).await.expect("the slot of the deaf peer is free again").unwrap();
    drop(deaf);
}

#[tokio::test]
async fn a_stop_lets_the_response_in_flight_finish_and_closes_the_idle() {
    let (started, mut starts) = mpsc::channel(1);
    let (release, released) = watch::channel(false);
    let slow = tower::service_fn(move |_| {
        let (started, mut released) = (started.clone(), released.clone());
        async move {
            started.send(()).await.unwrap();
            released.wait_for(|go| *go).await.unwrap();
            Ok::<_, Infallible>(response::text(StatusCode::OK, "whole"))
        }
    });
    let running = start(Limits::default(), TIMEOUT, slow).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let busy = tokio::spawn(converse(running.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    starts.recv().await.unwrap();
    running.stopper.stop();
    // The socket closes first: a new peer is refused while the old response is still being made.
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.send_replace(true);
    assert!(busy.await.unwrap().ends_with("whole"));
    let _ = silent.read_to_end(&mut Vec::new()).await;
    let drained = running.ended.await.unwrap();
    assert_eq!(drained.cut, 0);
    assert!(drained.finished >= 1, "{drained:?}");
}

#[tokio::test]
async fn a_stop_cuts_what_outlasts_the_drain_limit() {
    let (started, mut starts) = mpsc::channel(1);
    let stuck = tower::service_fn(move |_| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending::<Result<Response<Whole>, Infallible>>().await
        }
    });
    let running = start(Limits::default(), Duration::from_millis(50), stuck).await;
    let busy = tokio::spawn(converse(running.address, LAST_GET));
    starts.recv().await.unwrap();
    running.stopper.stop();
    assert_eq!(running.ended.await.unwrap(), Drained { finished: 0, cut: 1 });
    assert_eq!(busy.await.unwrap(), "");
}

#[tokio::test]
async fn all_listeners_serve_and_all_failures_are_named() {
    let listen = vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    let server = Server::bind(ServerConfig::listening_on(listen)).await.unwrap();
    let addresses = server.local_addresses().to_vec();
    let taken: Vec<ListenAddress> = addresses.iter().map(|a| a.to_string().parse().unwrap()).collect();
    let refused = Server::bind(ServerConfig::listening_on(taken)).await.err().unwrap().to_string();
    for address in &addresses {
        assert!(refused.contains(&format!("cannot listen on `{address}`")), "{refused}");
    }
    let (_stopper, stop) = Stop::by_hand();
    tokio::spawn(server.serve(tower::service_fn(echo), stop.requested(), TIMEOUT));
    for address in addresses {
        assert!(converse(address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
    }
}

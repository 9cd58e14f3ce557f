//! Who gets a connection when there are more than there may be.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{net::TcpSocket, sync::Semaphore};

use super::*;

/// Holds requests for `/held`.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    arrived: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        Self { open: Arc::new(Semaphore::new(0)), arrived: Arc::default() }
    }

    async fn holds(&self, requests: usize) {
        while self.arrived.load(Ordering::Relaxed) < requests {
            tokio::task::yield_now().await;
        }
    }
}

/// A service that answers `/held` when the gate lets it, and everything else at once.
fn holding(gate: &Gate) -> impl Handler + Sync {
    let gate = gate.clone();
    tower::service_fn(move |request: Request<RequestBody>| {
        let gate = gate.clone();
        async move {
            if request.uri().path() == "/held" {
                gate.arrived.fetch_add(1, Ordering::Relaxed);
                gate.open.acquire().await.unwrap().forget();
            }
            Ok::<_, Infallible>(response::text(StatusCode::OK, "answered"))
        }
    })
}

/// A connection from another address of loopback, which is another peer.
async fn connect_from(source: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    socket.connect(address).await.unwrap()
}

const HELD: &[u8] = b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn answer_on(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut answer)).await.expect("answered in time").unwrap();
    answer
}

#[tokio::test]
async fn idle_and_slow_connections_of_one_client_keep_nobody_out() {
    let limits = Limits { max_connections: 20, max_connections_of_one_peer: 10, ..Limits::default() };
    let running = start(limits, TIMEOUT, tower::service_fn(echo)).await;
    let mut greedy = Vec::new();
    for number in 0..200 {
        let mut stream = connect_from([127, 0, 0, 2], running.address).await;
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        }
        greedy.push(stream);
    }
    // None of them is answered or has timed out. A scraper is answered at once, and so is one behind the same address.
    for source in [[127, 0, 0, 1], [127, 0, 0, 2]] {
        let mut scraper = connect_from(source, running.address).await;
        scraper.write_all(LAST_GET).await.unwrap();
        assert!(answer_on(scraper).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_peer_whose_connections_are_all_busy_is_told() {
    let gate = Gate::new();
    let limits = Limits { max_connections_of_one_peer: 2, ..Limits::default() };
    let running = start(limits, TIMEOUT, holding(&gate)).await;
    let busy: Vec<_> = (0..2).map(|_| tokio::spawn(converse(running.address, HELD))).collect();
    gate.holds(2).await;
    let answer = converse(running.address, b"").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("as many connections as one peer may have"), "{answer}");
    gate.open.add_permits(2);
    for asked in busy {
        assert!(asked.await.unwrap().ends_with("answered"));
    }
}

#[tokio::test]
async fn while_all_are_busy_new_peers_wait_for_a_free_slot() {
    let gate = Gate::new();
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let running = start(limits, TIMEOUT, holding(&gate)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        busy.push(stream);
    }
    gate.holds(2).await;
    let mut third = TcpStream::connect(running.address).await.unwrap();
    third.write_all(LAST_GET).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let nothing = third.try_read(&mut [0]).expect_err("the third is not served while both slots are busy");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    // The first answered waits for its next request, so it gives way.
    gate.open.add_permits(1);
    assert!(answer_on(third).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_connection_that_nobody_uses_makes_room() {
    let running =
        start(Limits { max_connections: 1, ..Limits::default() }, TIMEOUT, tower::service_fn(echo)).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    round_trip(&mut idle).await;
    // Long before the idle time-out.
    assert!(converse(running.address, LAST_GET).await.starts_with("HTTP/1.1 200 OK"));
    timeout(TIMEOUT, idle.read_to_end(&mut Vec::new())).await.expect("closed").unwrap();
}

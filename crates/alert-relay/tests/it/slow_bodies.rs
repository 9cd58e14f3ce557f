//! Bodies that never end and sockets that ask for nothing, and what others are answered meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::client::{Answer, get, post_json, request};
use crate::program::{Home, webhook};

#[test]
fn unfinished_bodies_keep_no_webhook_out() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    // As much of each as one body may have, but for its last byte. Together they are more than all bodies may take.
    let announced = 8 * 1024 * 1024;
    let unfinished: Vec<TcpStream> = (0..33)
        .map(|_| {
            let mut stream = TcpStream::connect(serving.address).unwrap();
            write!(
                stream,
                "POST /api/v1/alerts/ops HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(&vec![b' '; announced - 1]).unwrap();
            stream
        })
        .collect();
    // A small webhook is answered, and so are a scrape and a large one.
    assert_small_is_answered(serving.address);
    let mut large = webhook("B");
    large.resize(large.len() + 4 * 1024 * 1024, b' ');
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &large).status, 200);
    // The first that came gave way, and was told so.
    let mut oldest = &unfinished[0];
    oldest.write_all(b" ").unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"}\n") {
        let mut piece = [0; 1024];
        let read = oldest.read(&mut piece).unwrap();
        assert_ne!(read, 0, "the connection stays open");
        told.extend_from_slice(&piece[..read]);
    }
    let told = Answer::parse(&String::from_utf8(told).unwrap());
    assert_eq!(told.status, 503, "{told:?}");
    assert!(told.body.contains("arriving for the longest time"), "{told:?}");
}

/// Another client than this machine's usual one.
const OTHER_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// More sockets of each kind than one client may have (128).
const SOCKETS: usize = 300;

/// The relay ends by itself what has sent no head, or no body, for so long.
const UNTIL_ENDED: Duration = Duration::from_secs(10);

fn assert_small_is_answered(address: SocketAddr) {
    assert_eq!(post_json(address, "/api/v1/alerts/ops", &webhook("A")).status, 200);
    let page = get(address, "/metrics");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("alert_relay_notifications_total"), "{page:?}");
}

/// Opens a socket of the other client, which sends this and no more.
async fn stall(address: SocketAddr, words: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((OTHER_CLIENT, 0).into()).unwrap();
    let stream = socket.connect(address).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    // It may be closed already.
    let _ = (&stream).write_all(words.as_bytes());
    stream
}

#[test]
fn idle_sockets_and_stalled_bodies_of_one_client_keep_no_other_out() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    let begun = "POST /api/v1/alerts/ops HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 8388608\r\n\r\n{";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    // Others are answered while all these are open, and not because the first of them were ended: so it has to be done before that. A
    // machine that is too busy for it gets another try.
    let took = (0..5).map(|_| {
        let start = Instant::now();
        let sockets = |words| (0..SOCKETS).map(move |_| stall(serving.address, words));
        let stalled: Vec<TcpStream> =
            sockets("").chain(sockets(begun)).map(|socket| runtime.block_on(socket)).collect();
        assert_small_is_answered(serving.address);
        let took = start.elapsed();
        drop(stalled);
        took
    });
    let took: Vec<Duration> = took.take_while(|took| *took >= UNTIL_ENDED).collect();
    assert!(took.len() < 5, "others were answered after {took:?}");
}

#[test]
fn a_heartbeats_body_that_is_not_received_is_told_as_a_webhooks_is() {
    let home = Home::new(
        "heartbeats: { watchdog: { expect_every: 1h, targets: [] } }\nreceivers: { ops: { routes: [] } }\n",
    );
    let serving = home.serve();
    for (path, line) in [
        ("alerts/other", "refused a webhook for \"other\" with 404: "),
        ("heartbeats/other", "refused a heartbeat for \"other\" with 404: "),
    ] {
        let answer = post_json(serving.address, &format!("/api/v1/{path}"), b"{}");
        assert_eq!(answer.status, 404, "{answer:?}");
        serving.wait_for(line);
    }
    let mut cut_off = TcpStream::connect(serving.address).unwrap();
    write!(
        cut_off,
        "POST /api/v1/heartbeats/watchdog HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"
    )
    .unwrap();
    cut_off.shutdown(Shutdown::Write).unwrap();
    serving.wait_for("refused a heartbeat for \"watchdog\" with 400: the body could not be read to its end");
}

#[test]
fn a_path_that_can_name_no_receiver_is_not_looked_at() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    let path = format!("/api/v1/alerts/{}", "%1b".repeat(20_000));
    let answer = request(serving.address, "POST", &path, &["Content-Type: application/json"], b"{}");
    assert_eq!(answer.status, 414, "{answer:?}");
    let line = serving.wait_for("with 414");
    assert!(line.len() < 1_000, "{} bytes logged", line.len());
}

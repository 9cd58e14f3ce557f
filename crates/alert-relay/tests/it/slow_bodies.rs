//! Bodies that never end, and what others are answered meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::client::{Answer, post_json, request};
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
    // A small webhook is answered, and so is a large one.
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("A")).status, 200);
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

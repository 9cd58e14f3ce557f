//! A small HTTP client that blocks: one request a connection, nothing added but what is needed to answer it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take; far above what any takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, as they were sent.
    pub head: String,
    /// The body.
    pub body: String,
}

/// A GET.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, &[], b"")
}

/// A POST of JSON.
pub fn post_json(address: SocketAddr, path: &str, body: &[u8]) -> Answer {
    request(address, "POST", path, &["Content-Type: application/json"], body)
}

/// Any request; `headers` are whole lines.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the service listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a socket takes a time-out");
    let headers: Vec<_> = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
        headers.concat(),
        body.len()
    )
    .expect("the service reads requests");
    // A server that refuses a large body answers before it was sent whole, and may close on the rest.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&String::from_utf8(answer).expect("the answer is UTF-8"))
}

impl Answer {
    /// Reads an answer from what came over a connection.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {text:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

//! A robot that answers when the test says so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Listens on a port of its own for as long as the test runs.
pub(crate) struct Robot {
    address: SocketAddr,
    requests: Receiver<Request>,
}

/// A message that waits for the robot's answer.
pub(crate) struct Request {
    pub(crate) body: String,
    stream: TcpStream,
}

impl Robot {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || read(stream.unwrap(), &sender));
            }
        });
        Self { address, requests }
    }

    /// The robot's address, as it goes into the settings.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/robot/send?access_token=t0ken", self.address)
    }

    /// The next message.
    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(Duration::from_secs(30)).expect("the relay sends a message")
    }

    /// Whether no message waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

impl Request {
    /// Says that the message has arrived.
    pub(crate) fn accept(self) {
        self.answer(r#"{"errcode":0,"errmsg":"ok"}"#);
    }

    /// Says this, with status 200, as the vendor does whatever it has to say.
    pub(crate) fn answer(mut self, body: &str) {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        // A relay that was killed meanwhile does not hear it.
        let _ = write!(self.stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
}

fn read(mut stream: TcpStream, sender: &Sender<Request>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                })
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let _ = sender.send(Request { body: body.to_owned(), stream });
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

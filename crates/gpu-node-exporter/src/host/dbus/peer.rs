//! The other end of a connection, for tests: it lets everybody in and answers as the test says.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use super::Listener;
use super::message::{self, Message};
use super::values::{Reader, Writer};

/// A socket that answers until it is dropped.
pub(crate) struct Peer {
    folder: tempfile::TempDir,
}

/// A call that came.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) interface: String,
    pub(crate) member: String,
    pub(crate) arguments: Vec<String>,
}

/// The signature and the values of an answer, or the name of an error.
pub(crate) type Given = Result<(&'static str, Vec<u8>), String>;

impl Peer {
    /// Each connection is answered by itself, as long as it is there.
    pub(crate) fn start(
        listener: Listener,
        answer: impl Fn(&Asked) -> Given + Clone + Send + 'static,
    ) -> Self {
        let peer = Self { folder: tempfile::tempdir().unwrap() };
        let socket = UnixListener::bind(peer.path()).unwrap();
        thread::spawn(move || {
            for connection in socket.incoming() {
                let answer = answer.clone();
                thread::spawn(move || serve(connection.unwrap(), listener, answer));
            }
        });
        peer
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// What an answer's values are written with.
    pub(crate) fn body(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }
}

/// A socket that says these bytes to whoever connects, whatever is asked, and nothing after them.
pub(crate) fn answering(bytes: &[u8]) -> Peer {
    let peer = Peer { folder: tempfile::tempdir().unwrap() };
    let (socket, bytes) = (UnixListener::bind(peer.path()).unwrap(), bytes.to_owned());
    thread::spawn(move || {
        for connection in socket.incoming() {
            let mut connection = connection.unwrap();
            // Who asked may have seen enough and be gone.
            let _ = connection.write_all(&bytes);
            let _ = connection.shutdown(Shutdown::Write);
            let _ = connection.read_to_end(&mut Vec::new());
        }
    });
    peer
}

fn serve(mut connection: UnixStream, listener: Listener, answer: impl Fn(&Asked) -> Given) {
    let mut received = Vec::new();
    take(&mut connection, &mut received, |received| {
        Some(received.windows(2).position(|pair| pair == b"\r\n")? + 2)
    });
    connection.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").unwrap();
    take(&mut connection, &mut received, |received| received.starts_with(b"BEGIN\r\n").then_some(7));
    while let Some(bytes) = take(&mut connection, &mut received, |received| {
        message::length(received).unwrap().filter(|length| received.len() >= *length)
    }) {
        let message = Message::read(&bytes).unwrap();
        let mut body = Reader::new(&message.body);
        let arguments = std::iter::from_fn(|| body.text().map(str::to_owned)).collect();
        let Message { path, interface, member, .. } = &message;
        let asked =
            Asked { path: path.clone(), interface: interface.clone(), member: member.clone(), arguments };
        let is_greeting = listener == Listener::Bus && asked.member == "Hello";
        let given =
            if is_greeting { Ok(("s", Peer::body(|body| body.text(":1.0")))) } else { answer(&asked) };
        // Who asked may have seen enough and be gone.
        let _ = connection.write_all(&message.answer(&given));
    }
}

/// The bytes that `length` finds at the start of what comes; `None` when nothing more does.
fn take(
    connection: &mut UnixStream,
    received: &mut Vec<u8>,
    length: impl Fn(&[u8]) -> Option<usize>,
) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = length(received) {
            return Some(received.drain(..length).collect());
        }
        let mut chunk = [0; 4096];
        match connection.read(&mut chunk) {
            Ok(count @ 1..) => received.extend(&chunk[..count]),
            _ => return None,
        }
    }
}

//! What fuzzers drive of mail: a server that says anything.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use settings_document::Secret;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::channel::email::server::{Login, Security, Server, Smarthost};
use crate::channel::email::starttls;
use crate::channel::email::verdict::Step;
use crate::channel::email::wire::{CONVERSATION_LIMIT, LINE_LIMIT, Wire};
use crate::channel::fuzz;

/// What lettre reads at a time.
const READ_AT_ONCE: usize = 8 * 1024;

/// A mail server's side of a conversation: the first byte says how it is talked to, and a zero stands between what it says to one command and
/// to the next. A mail counts as delivered only by a 250 that is read after the dot behind the mail, TLS begins only behind one plain answer
/// to each command, what is read and kept is bounded, and nothing is waited for once the server has closed.
pub fn mail_reply(bytes: &[u8]) {
    let Some((choice, said)) = bytes.split_first() else { return };
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut pieces: Vec<Vec<u8>> = said.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    pieces.reverse();
    let present = pieces.pop().unwrap_or_default();
    let stream = Scripted { pieces, present, was_written_to: false, heard: Arc::clone(&heard) };
    let wire = Wire::new(stream, ([127, 0, 0, 1], 25).into());
    match choice % 3 {
        0 => plain_part(wire, &heard),
        1 => conversation(wire, None, &heard),
        _ => {
            let password = Secret::new("mail-password-1");
            conversation(wire, Some(Login { username: "relay".to_owned(), password }), &heard);
        }
    }
    let read = heard.lock().unwrap_or_else(PoisonError::into_inner).read;
    assert!(read <= CONVERSATION_LIMIT + READ_AT_ONCE, "{read} bytes were read");
}

/// The part before TLS.
fn plain_part(mut wire: Wire<Scripted>, heard: &Mutex<Heard>) {
    let hello = ClientId::Domain("relay.example".to_owned());
    let Ok(ready) = at_once(starttls::negotiate(&mut wire, &hello)) else { return };
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(heard.written, b"EHLO relay.example\r\nSTARTTLS\r\n", "sent in the clear");
    assert_eq!(heard.since_written, ready, "something else was heard before TLS");
    assert!(ready.ends_with(b"\n") && matches!(ready[0], b'2' | b'3'), "{ready:?} is not one reply");
}

/// All of it, over a stream that is secure already or need not be.
fn conversation(wire: Wire<Scripted>, login: Option<Login>, heard: &Mutex<Heard>) {
    let smarthost = Smarthost { host: "mail.example".to_owned(), port: 25 };
    let hello = Some("relay.example".to_owned());
    // Who was not told the password may make the word up.
    let knows_password = login.is_some();
    let server = Server::new(smarthost, hello, login, Security::None, Duration::from_mins(1));
    let mail = lettre::Message::builder()
        .from("relay@example.com".parse().expect("an address"))
        .to("ops@example.com".parse().expect("an address"))
        .body("GPU 3 memory 97% used\r\n.\r\n".to_owned())
        .expect("a mail");
    let (mut connection, mut step) = (None, Step::Session);
    let outcome = at_once(server.converse(Box::new(wire), &mail, &mut connection, &mut step));
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let has_sent = |words: &[u8]| heard.written.windows(words.len()).any(|window| window == words);
    let has_ended_a_mail =
        has_sent(b"RCPT TO:<ops@example.com>\r\nDATA\r\n") && heard.written.ends_with(b"\r\n.\r\n");
    let proven = has_ended_a_mail && heard.since_written.starts_with(b"250");
    fuzz::check(&outcome, proven);
    assert!(!(knows_password && outcome.detail().contains("mail-password-1")), "{outcome:?}");
}

/// The other end is there, or has closed: nothing has to be waited for.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let work = std::pin::pin!(work);
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("waits for a server that has closed"),
    }
}

/// What passed between relay and server.
#[derive(Debug, Default)]
struct Heard {
    /// All that was sent.
    written: Vec<u8>,
    /// What was read since.
    since_written: Vec<u8>,
    /// Bytes read in all.
    read: usize,
}

/// A server that says a piece to each command, and closes where it has none.
#[derive(Debug)]
struct Scripted {
    /// The next one last.
    pieces: Vec<Vec<u8>>,
    present: Vec<u8>,
    was_written_to: bool,
    heard: Arc<Mutex<Heard>>,
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let server = self.get_mut();
        if std::mem::take(&mut server.was_written_to) {
            // Behind what is not read yet.
            server.present.extend(server.pieces.pop().unwrap_or_default());
        }
        let count = server.present.len().min(buffer.remaining()).min(LINE_LIMIT);
        let mut heard = server.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.since_written.extend(&server.present[..count]);
        heard.read += count;
        buffer.put_slice(&server.present[..count]);
        server.present.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let server = self.get_mut();
        server.was_written_to = true;
        let mut heard = server.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.written.extend(bytes);
        heard.since_written.clear();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

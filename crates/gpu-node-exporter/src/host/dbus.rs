//! Asking a service on the system bus (see <https://dbus.freedesktop.org/doc/dbus-specification.html>).
//!
//! Owns the connection: who this is, calls of methods and their answers, and how long an answer is waited for. `dbus/message.rs` owns how
//! messages are written and read, `dbus/values.rs` what is in them. Leaves out signals, file descriptors and whatever else a bus is for. By hand: two collectors that are off
//! by default call a dozen methods of fixed signatures, for which zbus, the crate of the field, was measured to add 1.2 MB to a program
//! and fifty crates to its build.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::collector::Fault;

mod message;
#[cfg(test)]
pub(crate) mod peer;
mod values;

pub(crate) use message::Call;
use message::{Kind, Message};
pub(crate) use values::{Reader, Value};

/// All that one reading asks has to be answered within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bus lets a connection have 128 calls under way (`max_replies_per_connection` of dbus-daemon's `system.conf`).
const UNDER_WAY: usize = 64;

/// A list of ten thousand units is 3 MB.
const MOST_OF_A_MESSAGE: usize = 16 * 1024 * 1024;

/// Lines of authentication are short.
const MOST_OF_A_LINE: usize = 4096;

/// Where the bus listens, by the address in `DBUS_SYSTEM_BUS_ADDRESS`, if there is one.
pub(crate) fn system_bus(address: Option<OsString>) -> PathBuf {
    let address = address.unwrap_or_default();
    let entries = address.to_str().unwrap_or_default().split(';');
    let paths = entries.filter_map(|entry| {
        entry.strip_prefix("unix:")?.split(',').find_map(|pair| pair.strip_prefix("path="))
    });
    let path = paths.map(|path| OsString::from_vec(percent_decode_str(path).collect())).next();
    path.map_or_else(|| "/var/run/dbus/system_bus_socket".into(), PathBuf::from)
}

/// What answers on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// A bus, which passes calls on to services.
    Bus,
    /// A service itself.
    Service,
}

/// A connection, for one reading.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: UnixStream,
    /// What has come and is not taken yet.
    received: Vec<u8>,
    serial: u32,
    until: Instant,
}

/// What a method gave: its values, or the name of an error.
pub(crate) type Answer = Result<Values, String>;

/// The values of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Values {
    signature: String,
    body: Vec<u8>,
}

impl Values {
    /// Reads them, if they are of these types; `None` for others and for what is garbled.
    pub(crate) fn read<'v, T>(
        &'v self,
        signature: &str,
        read: impl FnOnce(&mut Reader<'v>) -> Option<T>,
    ) -> Option<T> {
        (self.signature == signature).then(|| read(&mut Reader::new(&self.body))).flatten()
    }

    /// The value of a property, as `org.freedesktop.DBus.Properties.Get` gives it.
    pub(crate) fn property(&self) -> Option<Value> {
        self.read("v", Reader::variant)
    }
}

/// The fault of a collector whose service did not give what it was asked for. That nobody has the service's name says that the machine
/// does not run it.
pub(crate) fn refused(collector: &str, answer: &Answer) -> Fault {
    match answer {
        Ok(_) => Fault::new(format!("{collector}: the answer is garbled")),
        Err(error) if error.ends_with(".NameHasNoOwner") || error.ends_with(".ServiceUnknown") => {
            Fault::no_data(format!("{collector}: {error}"))
        }
        Err(error) => Fault::new(format!("{collector}: {error}")),
    }
}

/// The fault of a collector whose socket, at this path, cannot be asked.
pub(crate) fn unreachable(collector: &str, path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Fault::no_data(format!("{collector}: there is no {path}")),
        _ => Fault::new(format!("{collector}: {path}: {error}")),
    }
}

impl Connection {
    /// Says who this is: the user it runs as.
    pub(crate) fn open(path: &Path, listener: Listener) -> io::Result<Self> {
        Self::open_until(path, listener, Instant::now() + PATIENCE)
    }

    fn open_until(path: &Path, listener: Listener, until: Instant) -> io::Result<Self> {
        let socket = connected(path, until)?;
        let mut connection = Self { socket, received: Vec::new(), serial: 0, until };
        connection.authenticate()?;
        if listener == Listener::Bus {
            // A bus passes on nothing before it was greeted.
            let bus = "org.freedesktop.DBus";
            let hello = Call::new(Some(bus), "/org/freedesktop/DBus", bus, "Hello");
            connection.call(&hello)?.map_err(|error| io::Error::other(format!("Hello: {error}")))?;
        }
        Ok(connection)
    }

    /// The mechanism `EXTERNAL`: the kernel tells the other end who this is, too.
    fn authenticate(&mut self) -> io::Result<()> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let mut line = "\0AUTH EXTERNAL ".to_owned();
        for digit in user.bytes() {
            write!(line, "{digit:02x}").expect("writing to a String cannot fail");
        }
        line.push_str("\r\n");
        self.send(line.as_bytes())?;
        let line = loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                break self.received.drain(..end + 2).collect::<Vec<u8>>();
            }
            if self.received.len() > MOST_OF_A_LINE {
                return Err(garbled());
            }
            self.receive()?;
        };
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "this user is not let in"));
        }
        self.send(b"BEGIN\r\n")
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> io::Result<Answer> {
        let mut answers = self.calls(std::slice::from_ref(call))?;
        answers.pop().ok_or_else(garbled)
    }

    /// Calls methods, many at a time, and waits for the answers, which are in the order of the calls.
    pub(crate) fn calls(&mut self, calls: &[Call<'_>]) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(calls.len());
        for calls in calls.chunks(UNDER_WAY) {
            let mut bytes = Vec::new();
            let mut places = HashMap::with_capacity(calls.len());
            for (place, call) in calls.iter().enumerate() {
                self.serial = self.serial.wrapping_add(1).max(1);
                places.insert(self.serial, place);
                bytes.extend(call.encoded(self.serial));
            }
            self.send(&bytes)?;
            let mut given: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
            while !places.is_empty() {
                let message = self.next()?;
                let place = message.reply_to.and_then(|serial| places.remove(&serial));
                if let Some(given) = place.and_then(|place| given.get_mut(place)) {
                    *given = answer(message);
                }
            }
            answers.extend(given.into_iter().flatten());
        }
        Ok(answers)
    }

    /// The next message.
    fn next(&mut self) -> io::Result<Message> {
        loop {
            if let Some(length) = message::length(&self.received).map_err(|_| garbled())? {
                if length > MOST_OF_A_MESSAGE {
                    return Err(io::Error::other(format!(
                        "a message is longer than {MOST_OF_A_MESSAGE} bytes"
                    )));
                }
                if self.received.len() >= length {
                    let bytes: Vec<u8> = self.received.drain(..length).collect();
                    return Message::read(&bytes).ok_or_else(garbled);
                }
            }
            self.receive()?;
        }
    }

    /// Says bytes, as soon as the other end takes them.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.set_write_timeout(Some(left(self.until)?))?;
            match self.socket.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(named(error)),
            }
        }
        Ok(())
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> io::Result<()> {
        self.socket.set_read_timeout(Some(left(self.until)?))?;
        let mut chunk = [0; 16 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed the connection")),
            Ok(count) => {
                self.received.extend(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(named(error)),
        }
    }
}

/// Signals, such as the bus' word about our own name, answer nothing.
fn answer(Message { kind, error, signature, body, .. }: Message) -> Option<Answer> {
    match kind {
        Kind::Return => Some(Ok(Values { signature, body })),
        Kind::Error => Some(Err(error)),
        Kind::Other => None,
    }
}

/// The answers among all that a bus has said before it went away, for tests.
#[cfg(any(test, fuzzing))]
pub(crate) fn answers(bytes: &[u8]) -> io::Result<Vec<Answer>> {
    let (socket, _) = UnixStream::pair()?;
    let until = Instant::now() + PATIENCE;
    let mut connection = Connection { socket, received: bytes.to_owned(), serial: 0, until };
    Ok(std::iter::from_fn(|| connection.next().ok()).filter_map(answer).collect())
}

/// A socket that is connected within the time: one whose other end stands still takes connections until its queue is full, and keeps the
/// next waiting.
fn connected(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(left(until)?))?;
    connect(&socket, &address).map_err(|errno| named(errno.into()))?;
    Ok(socket.into())
}

/// How much of the time is left.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The end of a socket's own time, by its name.
fn named(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is garbled")
}

#[cfg(test)]
mod tests;

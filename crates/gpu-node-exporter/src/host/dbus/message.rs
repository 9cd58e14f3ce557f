//! Messages of D-Bus, in this machine's byte order (see "Message Protocol" in its specification).
//!
//! Owns how a call is written and an answer is read. Their values are `dbus/values.rs`'s.

use super::values::{Reader, Value, Writer, length_of};

/// `l` for little-endian, `B` for big-endian. The other end is on the same machine.
const ORDER: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// No service is started for the sake of a reading.
const NO_AUTO_START: u8 = 2;
const VERSION: u8 = 1;
/// Order, kind, flags, version, then the lengths of the body, the serial number and the length of the fields.
const FIXED: usize = 16;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A call of a method; its arguments are texts.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// `None` where no bus is between.
    destination: Option<&'a str>,
    path: &'a str,
    interface: &'a str,
    member: &'a str,
    arguments: Vec<&'a str>,
}

impl<'a> Call<'a> {
    /// A call without arguments.
    pub(crate) fn new(
        destination: Option<&'a str>,
        path: &'a str,
        interface: &'a str,
        member: &'a str,
    ) -> Self {
        Self { destination, path, interface, member, arguments: Vec::new() }
    }

    /// The same with arguments.
    pub(crate) fn with(self, arguments: &[&'a str]) -> Self {
        Self { arguments: arguments.to_vec(), ..self }
    }

    pub(super) fn encoded(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        self.arguments.iter().for_each(|argument| body.text(argument));
        let signature = "s".repeat(self.arguments.len());
        let mut fields =
            vec![(PATH, "o", self.path), (INTERFACE, "s", self.interface), (MEMBER, "s", self.member)];
        fields.extend(self.destination.map(|destination| (DESTINATION, "s", destination)));
        fields.extend((!signature.is_empty()).then_some((SIGNATURE, "g", &*signature)));
        message(METHOD_CALL, serial, &fields, None, &body.into_bytes())
    }
}

/// A message of these fields and this body.
fn message(
    kind: u8,
    serial: u32,
    fields: &[(u8, &str, &str)],
    reply_to: Option<u32>,
    body: &[u8],
) -> Vec<u8> {
    let mut head = Writer::default();
    head.bytes(&[ORDER, kind, NO_AUTO_START, VERSION]);
    head.u32(length_of(body));
    head.u32(serial);
    head.array(8, |head| {
        for (field, kind, value) in fields {
            head.align(8);
            head.bytes(&[*field]);
            head.signature(kind);
            if *kind == "g" { head.signature(value) } else { head.text(value) }
        }
        if let Some(serial) = reply_to {
            head.align(8);
            head.bytes(&[REPLY_SERIAL]);
            head.signature("u");
            head.u32(serial);
        }
    });
    head.align(8);
    head.bytes(body);
    head.into_bytes()
}

/// What a message is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Return,
    Error,
    /// A call or a signal.
    Other,
}

/// A message that came.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The serial number of the call that it answers.
    pub(super) reply_to: Option<u32>,
    /// The name of an error.
    pub(super) error: String,
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
    /// Of a call.
    pub(super) path: String,
    pub(super) interface: String,
    pub(super) member: String,
    pub(super) serial: u32,
}

/// A message in another byte order, or of another version of the protocol.
#[derive(Debug, PartialEq)]
pub(super) struct Foreign;

/// How long the message is that begins with these bytes; `None` where too few of them have come.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Foreign> {
    let Some(fixed) = bytes.get(..FIXED) else { return Ok(None) };
    if fixed[0] != ORDER || fixed[3] != VERSION {
        return Err(Foreign);
    }
    let mut reader = Reader::from(fixed, 4);
    let (body, _, fields) = (reader.u32(), reader.u32(), reader.u32());
    let length = |of: Option<u32>| of.unwrap_or(u32::MAX) as usize;
    Ok(Some((FIXED + length(fields)).next_multiple_of(8).saturating_add(length(body))))
}

impl Message {
    /// A whole message; `None` for a garbled one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::from(bytes, 4);
        let (body, serial) = (reader.u32()? as usize, reader.u32()?);
        let kind = match bytes[1] {
            METHOD_RETURN => Kind::Return,
            ERROR => Kind::Error,
            _ => Kind::Other,
        };
        let empty = String::new;
        let (error, signature, path, interface, member) = (empty(), empty(), empty(), empty(), empty());
        let mut message = Self {
            kind,
            reply_to: None,
            error,
            signature,
            body: Vec::new(),
            path,
            interface,
            member,
            serial,
        };
        reader.array(8, |reader| {
            reader.align(8)?;
            let field = reader.u8()?;
            match (field, reader.variant()?) {
                (PATH, Value::Text(text)) => message.path = text,
                (INTERFACE, Value::Text(text)) => message.interface = text,
                (MEMBER, Value::Text(text)) => message.member = text,
                (ERROR_NAME, Value::Text(text)) => message.error = text,
                (SIGNATURE, Value::Text(text)) => message.signature = text,
                (REPLY_SERIAL, Value::Whole(serial)) => message.reply_to = u32::try_from(serial).ok(),
                _ => {}
            }
            Some(())
        })?;
        reader.align(8)?;
        message.body.extend(reader.take(body)?);
        Some(message)
    }
}

/// The start of a message with so many bytes of a body, for tests.
#[cfg(test)]
pub(super) fn header(body: u32) -> Vec<u8> {
    let mut bytes = message(METHOD_RETURN, 1, &[], Some(1), &[]);
    bytes[4..8].copy_from_slice(&body.to_ne_bytes());
    bytes
}

/// The other end's messages, for tests.
#[cfg(test)]
impl Message {
    /// The answer to this call.
    pub(super) fn answer(&self, answer: &Result<(&str, Vec<u8>), String>) -> Vec<u8> {
        let to = Some(self.serial);
        match answer {
            Ok((signature, body)) => message(METHOD_RETURN, 1, &[(SIGNATURE, "g", signature)], to, body),
            Err(name) => message(ERROR, 1, &[(ERROR_NAME, "s", name)], to, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;

    #[test]
    fn a_call_is_read_back() {
        let call = Call::new(Some("a.b"), "/a", "a.b", "Get").with(&["x", "yz"]);
        let bytes = call.encoded(7);
        assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        let message = Message::read(&bytes).unwrap();
        assert_eq!((&*message.path, &*message.interface, &*message.member), ("/a", "a.b", "Get"));
        assert_eq!((message.serial, &*message.signature), (7, "ss"));
        let mut body = Reader::new(&message.body);
        assert_eq!((body.text(), body.text(), body.u8()), (Some("x"), Some("yz"), None));
    }

    /// What dbus-daemon 1.14 answers a call of a method that it does not have.
    #[test]
    fn a_message_of_dbus_daemon_is_read() {
        let bytes = b"l\x03\x01\x01<\x00\x00\x00\x03\x00\x00\x00u\x00\x00\x00\x06\x01s\x00\x04\x00\x00\x00:1.0\x00\x00\x00\x00\
            \x04\x01s\x00(\x00\x00\x00org.freedesktop.DBus.Error.UnknownMethod\x00\x00\x00\x00\x00\x00\x00\x00\
            \x05\x01u\x00\x02\x00\x00\x00\x08\x01g\x00\x01s\x00\x00\
            \x07\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00\
            7\x00\x00\x00org.freedesktop.DBus does not understand message NoSuch\x00";
        if cfg!(target_endian = "big") {
            assert_eq!(length(bytes), Err(Foreign));
            return;
        }
        assert_eq!(length(bytes), Ok(Some(bytes.len())));
        let message = Message::read(bytes).unwrap();
        assert_eq!((message.kind, message.reply_to), (Kind::Error, Some(2)));
        assert_eq!((&*message.error, &*message.signature), ("org.freedesktop.DBus.Error.UnknownMethod", "s"));
        let text = Reader::new(&message.body).text();
        assert_eq!(text, Some("org.freedesktop.DBus does not understand message NoSuch"));
    }

    #[test]
    fn another_order_or_version_is_foreign() {
        let bytes = header(0);
        for place in [0, 3] {
            let mut odd = bytes.clone();
            odd[place] = b'X';
            assert_eq!(length(&odd), Err(Foreign));
        }
        assert_eq!(length(&bytes[..15]), Ok(None));
    }

    #[test]
    fn no_message_panics() {
        let call = Call::new(Some("a.b"), "/a", "a.b", "Get").with(&["x", "yz"]).encoded(7);
        let read = Message::read(&call).unwrap();
        let answer = read.answer(&Ok(("s", vec![2, 0, 0, 0, b'y', b'z', 0])));
        let error = read.answer(&Err("a.b.Absent".to_owned()));
        garbled::messages(&[&call, &answer, &error], |bytes| {
            // As many bytes as a message says that it has are there before it is read.
            if length(bytes).is_ok_and(|length| length.is_some_and(|length| length <= bytes.len())) {
                _ = Message::read(bytes);
            }
        });
    }
}

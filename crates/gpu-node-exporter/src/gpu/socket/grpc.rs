//! One gRPC call over a Unix socket (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! The call has one question and one answer, so the protocol is five bytes before each message and a status behind the last; hyper does
//! HTTP/2, and prost writes and reads the messages.

use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::{DEADLINE, Failure, LONGEST};

/// Calls the method of this path with this question.
pub(in crate::gpu) async fn call<A: Message + Default>(
    socket: &Path,
    method: &'static str,
    question: &impl Message,
) -> Result<A, Failure> {
    timeout(DEADLINE, answer(socket, method, encode(question)?)).await.unwrap_or(Err(Failure::Late))
}

async fn answer<A: Message + Default>(
    socket: &Path,
    method: &'static str,
    question: Bytes,
) -> Result<A, Failure> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let mut driving = JoinSet::new();
    // What ends it shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let request = Request::builder()
        .method(Method::POST)
        // A Unix socket has no name; the services' own clients send this one.
        .uri(format!("http://localhost{method}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(question))
        .map_err(|_| Failure::Unreadable)?;
    let (head, mut body) = sender.send_request(request).await?.into_parts();
    if head.status != StatusCode::OK {
        return Err(Failure::Http(head.status));
    }
    let (mut message, mut status) = (BytesMut::new(), status(&head.headers));
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) if message.len() + data.len() > LONGEST => return Err(Failure::TooLong),
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => status = frame.trailers_ref().and_then(self::status).or(status),
        }
    }
    match status.as_deref() {
        Some("0") => decode(message.freeze()),
        Some(status) => Err(Failure::Refused(status.to_owned())),
        None => Err(Failure::Unreadable),
    }
}

/// A number; anything else would be repeated in the log.
fn status(headers: &HeaderMap) -> Option<String> {
    let status = headers.get("grpc-status")?.to_str().ok()?;
    status.parse::<u8>().ok().map(|number| number.to_string())
}

/// The message behind whether it is compressed, which it is not, and its length.
fn encode(question: &impl Message) -> Result<Bytes, Failure> {
    let length = u32::try_from(question.encoded_len()).map_err(|_| Failure::TooLong)?;
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(length);
    framed.extend_from_slice(&question.encode_to_vec());
    Ok(framed.freeze())
}

/// The one message, behind whether it is compressed and its length.
fn decode<A: Message + Default>(mut message: Bytes) -> Result<A, Failure> {
    let is_compressed = message.try_get_u8().map_err(|_| Failure::Unreadable)? != 0;
    let length = message.try_get_u32().map_err(|_| Failure::Unreadable)?;
    if is_compressed || length as usize != message.len() {
        return Err(Failure::Unreadable);
    }
    A::decode(message).map_err(|_| Failure::Unreadable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message as services have them: a list of messages with texts.
    #[derive(Clone, PartialEq, Message)]
    struct List {
        #[prost(message, repeated, tag = "1")]
        items: Vec<Item>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Item {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, repeated, tag = "3")]
        ids: Vec<String>,
    }

    fn framed(ids: &[&str]) -> Vec<u8> {
        encode(&list(ids)).expect("it is short").to_vec()
    }

    fn list(ids: &[&str]) -> List {
        let ids = ids.iter().map(ToString::to_string).collect();
        List { items: vec![Item { name: "pod".to_owned(), ids }] }
    }

    #[test]
    fn one_message_is_read_whole() {
        let framed = framed(&["GPU-1"]);
        let read = |bytes: &[u8]| decode::<List>(Bytes::copy_from_slice(bytes)).ok();
        assert_eq!(read(&framed), Some(list(&["GPU-1"])));
        assert_eq!(read(&[0; 5]), Some(List::default()));
        assert_eq!(read(&framed[..framed.len() - 1]), None);
        assert_eq!(read(&[&framed[..], &[0]].concat()), None);
        assert_eq!(read(&[&[1], &framed[1..]].concat()), None);
        assert_eq!(read(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..60) {
            let _ = decode::<List>(bytes.clone().into());
            let mut damaged = framed(&["GPU-1", "GPU-2"]);
            let at = at.min(damaged.len());
            damaged.splice(at..(at + 1).min(damaged.len()), bytes.into_iter().take(1));
            let _ = decode::<List>(damaged.into());
        }
    }
}

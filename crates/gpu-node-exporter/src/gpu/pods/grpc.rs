//! One gRPC call over a Unix socket (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! The call has an empty question and one answer, so the protocol is five bytes before the message and a status behind it; hyper does HTTP/2,
//! and prost reads the message.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long all of a call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer: what gRPC takes by default. A thousand pods have less than one MiB.
const LONGEST: usize = 4 << 20;

/// A message that is empty, and not compressed.
const EMPTY: &[u8] = &[0; 5];

/// Why there is no answer. Behind the name of who was asked it makes a sentence.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("does not answer within {}", humantime::format_duration(DEADLINE))]
    Late,
    #[error("breaks the call off: {0}")]
    BrokenOff(#[from] hyper::Error),
    #[error("answers with HTTP status {}", .0.as_u16())]
    Http(StatusCode),
    #[error("refuses the call with gRPC status {0}")]
    Refused(String),
    #[error("answers with more than 4 MiB")]
    TooLong,
    #[error("answers with something that is no message of this call")]
    Unreadable,
}

/// Calls the method of this path with an empty question.
pub(super) async fn call<A: Message + Default>(socket: &Path, method: &'static str) -> Result<A, Failure> {
    timeout(DEADLINE, answer(socket, method)).await.unwrap_or(Err(Failure::Late))
}

async fn answer<A: Message + Default>(socket: &Path, method: &'static str) -> Result<A, Failure> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let mut driving = JoinSet::new();
    // What ends it shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let request = Request::builder()
        .method(Method::POST)
        // A Unix socket has no name; kubelet's own clients send this one.
        .uri(format!("http://localhost{method}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(EMPTY)))
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

    use super::super::api::ListPodResourcesResponse;
    use super::super::assignments::tests::list;
    use super::*;

    fn framed(list: &ListPodResourcesResponse) -> Vec<u8> {
        let message = list.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap();
        [&[0][..], &length.to_be_bytes(), &message].concat()
    }

    #[test]
    fn one_message_is_read_whole() {
        let list = list(&[("pod", "nvidia.com/gpu", &["GPU-1"])]);
        let framed = framed(&list);
        let read = |bytes: &[u8]| decode::<ListPodResourcesResponse>(Bytes::copy_from_slice(bytes)).ok();
        assert_eq!(read(&framed), Some(list));
        assert_eq!(read(EMPTY), Some(ListPodResourcesResponse::default()));
        assert_eq!(read(&framed[..framed.len() - 1]), None);
        assert_eq!(read(&[&framed[..], &[0]].concat()), None);
        assert_eq!(read(&[&[1], &framed[1..]].concat()), None);
        assert_eq!(read(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..60) {
            let _ = decode::<ListPodResourcesResponse>(bytes.clone().into());
            let mut damaged = framed(&list(&[("pod", "nvidia.com/gpu", &["GPU-1", "GPU-2"])]));
            let at = at.min(damaged.len());
            damaged.splice(at..(at + 1).min(damaged.len()), bytes.into_iter().take(1));
            let _ = decode::<ListPodResourcesResponse>(damaged.into());
        }
    }
}

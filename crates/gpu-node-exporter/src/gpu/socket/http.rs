//! One question by HTTP/1.1 over a Unix socket.

use std::path::Path;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::{DEADLINE, Failure, LONGEST};

/// Bytes of an answer's head, and of what is read at a time.
const BUFFER: usize = 16 << 10;

/// The body of the answer to a GET of this path, which must be a 200.
pub(in crate::gpu) async fn get(socket: &Path, path: &str) -> Result<Vec<u8>, Failure> {
    timeout(DEADLINE, answer(socket, path)).await.unwrap_or(Err(Failure::Late))
}

async fn answer(socket: &Path, path: &str) -> Result<Vec<u8>, Failure> {
    let stream = UnixStream::connect(socket).await?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut driving = JoinSet::new();
    // What ends it shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let request = Request::get(path)
        // A Unix socket has no name, and HTTP/1.1 wants one.
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::Unreadable)?;
    let (head, mut body) = sender.send_request(request).await?.into_parts();
    if head.status != StatusCode::OK {
        return Err(Failure::Http(head.status));
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are no data.
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + data.len() > LONGEST {
            return Err(Failure::TooLong);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

//! The part of a conversation that is in the clear, up to the answer to STARTTLS.
//!
//! Whoever sits between the relay and the server can put replies into it. lettre keeps what it has read and would believe them once TLS
//! is there, where they look like the server's own (CVE-2011-0411 is the same on the other side). So here every reply is read by itself, and a
//! byte after its end, which no server sends without being asked, ends the conversation.

use std::io;

use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::channel::email::wire::Wire;

/// Why there is no TLS after the plain part.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlainError {
    /// The connection broke, or the server said too much.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server refuses to go on.
    #[error("{}: {}", .0.code(), .0.message().collect::<Vec<_>>().join(" "))]
    Refused(Box<Response>),
    /// What came is no reply.
    #[error("what the server says is no SMTP reply")]
    Garbled,
    /// It speaks without being asked.
    #[error(
        "{0} bytes came after the server's answer to {1}, before TLS: somebody between here and the server may have put them there, \
         so nothing is sent"
    )]
    Unasked(usize, &'static str),
    /// STARTTLS is not among what it offers.
    #[error("STARTTLS is not supported on this server")]
    NotOffered,
}

/// Greeting, EHLO and STARTTLS. Returns the server's answer to the last, as it came: from here on TLS is spoken.
pub(super) async fn negotiate<S>(stream: &mut Wire<S>, hello: &ClientId) -> Result<Vec<u8>, PlainError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    positive(&reply(stream, "the connection").await?)?;
    let offers = positive(&ask(stream, &Ehlo::new(hello.clone()).to_string(), "EHLO").await?)?;
    if !offers.message().skip(1).any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(PlainError::NotOffered);
    }
    let ready = ask(stream, &Starttls.to_string(), "STARTTLS").await?;
    positive(&ready)?;
    Ok(ready.into_bytes())
}

async fn ask<S>(stream: &mut Wire<S>, command: &str, name: &'static str) -> Result<String, PlainError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(command.as_bytes()).await?;
    stream.flush().await?;
    reply(stream, name).await
}

/// One reply, and an error if anything has come after it.
async fn reply<S: AsyncRead + Unpin>(stream: &mut Wire<S>, to: &'static str) -> Result<String, PlainError> {
    let mut bytes = Vec::new();
    loop {
        // The stream bounds what comes.
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match stream.answered() {
            None => {}
            Some(0) => return String::from_utf8(bytes).map_err(|_| PlainError::Garbled),
            Some(unasked) => return Err(PlainError::Unasked(unasked, to)),
        }
    }
}

fn positive(reply: &str) -> Result<Response, PlainError> {
    let response: Response = reply.parse().map_err(|_| PlainError::Garbled)?;
    if response.is_positive() { Ok(response) } else { Err(PlainError::Refused(Box::new(response))) }
}

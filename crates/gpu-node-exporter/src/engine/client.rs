//! Asking an engine over HTTP: one connection a question, with a deadline for the whole of it.
//!
//! A connection is not kept, since the servers of both engines close an idle one after five seconds. Redirects are not followed: what
//! is asked is what the flag names. Answers are bounded as they come. hyper is the client, as it is the server; TLS is rustls with the
//! system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::reading::{PageReader, Reading, TooMuch};
use super::url::PageUrl;

/// How long a page may take, from the first packet to the last; shorter than the time from one look to the next.
pub(super) const PAGE_DEADLINE: Duration = Duration::from_secs(4);

/// Where both engines answer chats, beside their page.
const CHAT: &str = "v1/chat/completions";

/// Bytes of an answer to a chat. One token's has less than one KiB.
const LONGEST_ANSWER: usize = 64 << 10;

/// Bytes of an answer's head, and of what is read at a time.
const BUFFER: usize = 16 << 10;

const PRODUCT: HeaderValue =
    HeaderValue::from_static(concat!("gpu-node-exporter/", env!("CARGO_PKG_VERSION")));

/// Why there is no answer. Behind the name of who was asked it makes a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Failure {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("cannot be talked to by TLS: {0}")]
    Tls(String),
    #[error("does not answer within {}", humantime::format_duration(*.0))]
    Late(Duration),
    #[error("breaks the answer off: {0}")]
    BrokenOff(String),
    #[error("answers with status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("has more than {0}")]
    TooLong(&'static str),
}

/// Asks engines.
#[derive(Clone)]
pub(super) struct Client {
    /// `None` where nothing is asked by TLS: the authorities take half a megabyte.
    tls: Option<TlsConnector>,
}

impl Client {
    /// One that can ask these pages. It reads the authorities if a page needs them.
    pub(super) fn for_pages<'a>(pages: impl IntoIterator<Item = &'a PageUrl>) -> Self {
        Self { tls: pages.into_iter().any(PageUrl::is_tls).then(connector).flatten() }
    }

    /// Reads a page.
    pub(super) async fn page(&self, url: &PageUrl) -> Result<Reading, Failure> {
        let reading = async {
            let request =
                request(url).method("GET").uri(url.target()).header(ACCEPT, "text/plain;version=0.0.4");
            let mut answer = self.ask(url, request, Bytes::new()).await?;
            if answer.head.status() != StatusCode::OK {
                return Err(Failure::Status(answer.head.status()));
            }
            let mut reader = PageReader::default();
            while let Some(piece) = answer.piece().await? {
                reader.take(&piece)?;
            }
            Ok(reader.end())
        };
        tokio::time::timeout(PAGE_DEADLINE, reading).await.unwrap_or(Err(Failure::Late(PAGE_DEADLINE)))
    }

    /// Asks the engine of this page for a chat completion: status and body of its answer. A key takes the place of the page's own user.
    pub(super) async fn chat(
        &self,
        url: &PageUrl,
        api_key: Option<&HeaderValue>,
        question: Bytes,
        within: Duration,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let answering = async {
            let mut request =
                request(url).method("POST").uri(url.beside(CHAT)).header(CONTENT_TYPE, "application/json");
            if let (Some(key), Some(headers)) = (api_key, request.headers_mut()) {
                headers.insert(AUTHORIZATION, key.clone());
            }
            let mut answer = self.ask(url, request, question).await?;
            let mut body = Vec::new();
            while let Some(piece) = answer.piece().await? {
                if body.len() + piece.len() > LONGEST_ANSWER {
                    return Err(Failure::TooLong("64 KiB"));
                }
                body.extend_from_slice(&piece);
            }
            Ok((answer.head.status(), body))
        };
        tokio::time::timeout(within, answering).await.unwrap_or(Err(Failure::Late(within)))
    }

    async fn ask(
        &self,
        url: &PageUrl,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let request = request.body(Full::new(body)).map_err(|error| broken_off(&error))?;
        let unreachable = |error: io::Error| Failure::Unreachable(error.to_string());
        let stream = TcpStream::connect((url.host(), url.port())).await.map_err(unreachable)?;
        if !url.is_tls() {
            return exchange(stream, request).await;
        }
        let tls = self.tls.as_ref().ok_or_else(|| Failure::Tls("it cannot be set up".to_owned()))?;
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| Failure::Tls("no certificate can be for this host".to_owned()))?;
        let stream = tls.connect(name, stream).await.map_err(|error| Failure::Tls(error.to_string()))?;
        exchange(stream, request).await
    }
}

impl From<TooMuch> for Failure {
    fn from(what: TooMuch) -> Self {
        match what {
            TooMuch::Bytes => Self::TooLong("8 MiB"),
            TooMuch::Lines => Self::TooLong("100,000 lines"),
        }
    }
}

fn broken_off(error: &dyn std::error::Error) -> Failure {
    Failure::BrokenOff(error.to_string())
}

/// What every request to the page's server has.
fn request(url: &PageUrl) -> http::request::Builder {
    let request = Request::builder()
        .header(HOST, url.authority())
        .header(USER_AGENT, PRODUCT)
        .header(CONNECTION, "close");
    match url.authorization() {
        Some(authorization) => request.header(AUTHORIZATION, authorization),
        None => request,
    }
}

/// `None` when rustls has no ciphers, which ring always has.
fn connector() -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold certificates that rustls can't parse; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// An answer whose body is still to come. The connection ends with it.
struct Answer {
    head: Response<()>,
    body: Incoming,
    _connection: JoinSet<()>,
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken_off(&error))?;
    let mut driving = JoinSet::new();
    // What ends it shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let (head, body) = sender.send_request(request).await.map_err(|error| broken_off(&error))?.into_parts();
    Ok(Answer { head: Response::from_parts(head, ()), body, _connection: driving })
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are no data.
            if let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

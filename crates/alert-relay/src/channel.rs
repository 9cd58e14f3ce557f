//! The ways a message leaves the house: a closed set, one file each, all of one shape.
//!
//! `render` (pure) turns a [`Message`] into parts that fit the channel's limits, `send` (the only I/O) posts one part,
//! `classify` (pure) turns the reply into an [`Outcome`]. A channel calls nobody and retries nothing.
//!
//! To add a channel:
//! 1. `channel/NAME.rs`: the settings struct with the keys under `NAME:`, and a struct with `new`, `robot`, `render` and `send`
//!    as in [`wecom`]. A robot behind an address is a [`Hook`](hook); a signature gets a small file of its own.
//! 2. Limits as constants with their source; measure in bytes after encoding and leave a margin.
//! 3. `classify`: a table over every code the vendor documents, tested line by line. Success is what the vendor calls success
//!    and nothing else; an unknown code is a retry.
//! 4. A dialect in [`Markup`](crate::render::markup::Markup) if none fits: escaping, links, emphasis. The built-in texts follow.
//! 5. One arm in each `match` below, one variant of [`ChannelSettings`], one section in the settings.
//! 6. Tests: snapshots of every sample, the outcome table, the property test of `split` with the new limits, and the test that
//!    no secret is in any error.

use std::path::PathBuf;
use std::time::SystemTime;

use lettre::address::AddressError;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::channel::dingtalk::{DingTalk, DingTalkSettings};
use crate::channel::email::{Email, EmailSettings};
use crate::channel::texts::Texts;
use crate::channel::wecom::{Wecom, WecomSettings};
use crate::message::{Message, Wording};
use crate::outcome::{Outcome, Reason};
use crate::render::TemplateError;
use crate::settings::TargetSettings;

pub(crate) mod dingtalk;
pub(crate) mod email;
mod hook;
mod reply;
mod roots;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
pub(crate) mod wecom;

/// One target, ready to speak: its templates compiled, its client built.
#[derive(Debug)]
pub(crate) enum Channel {
    /// `dingtalk:`
    DingTalk(DingTalk),
    /// `wecom:`
    Wecom(Wecom),
    /// `email:`
    Email(Email),
    /// In tests of the deliverer.
    #[cfg(test)]
    Scripted(scripted::Scripted),
}

impl Channel {
    /// Builds the channel of one target. Reads its template and its `ca_file`, touches no network.
    pub(crate) fn new(target: &TargetSettings) -> Result<Self, ChannelError> {
        match &target.channel {
            ChannelSettings::DingTalk(settings) => DingTalk::new(settings, target).map(Self::DingTalk),
            ChannelSettings::Wecom(settings) => Wecom::new(settings, target).map(Self::Wecom),
            ChannelSettings::Email(settings) => Email::new(settings, target).map(Self::Email),
            #[cfg(test)]
            ChannelSettings::Scripted(script) => Ok(Self::Scripted(scripted::Scripted::new(script))),
        }
    }

    /// Who is behind this target: targets with the same robot share its budget. A hash, never the address.
    pub(crate) fn robot(&self) -> &RobotId {
        match self {
            Self::DingTalk(channel) => channel.robot(),
            Self::Wecom(channel) => channel.robot(),
            Self::Email(channel) => channel.robot(),
            #[cfg(test)]
            Self::Scripted(channel) => channel.robot(),
        }
    }

    /// Who gets a message of their own each, as [`Part::recipient`] names them; empty where the parts make one message for all.
    pub(crate) fn recipients(&self) -> Vec<String> {
        match self {
            Self::DingTalk(_) | Self::Wecom(_) => Vec::new(),
            Self::Email(channel) => channel.recipients(),
            #[cfg(test)]
            Self::Scripted(channel) => channel.recipients(),
        }
    }

    /// Turns a message into the parts to send, in order; never empty. Pure: the same message and fit give the same parts.
    pub(crate) fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        match self {
            Self::DingTalk(channel) => channel.render(message, wording),
            Self::Wecom(channel) => channel.render(message, wording),
            Self::Email(channel) => channel.render(message, wording),
            #[cfg(test)]
            Self::Scripted(channel) => channel.render(message, wording),
        }
    }

    /// Sends one part, once, within the target's time-out, and says what became of it.
    pub(crate) async fn send(&self, part: &Part, stamp: &Stamp<'_>) -> Outcome {
        match self {
            Self::DingTalk(channel) => channel.send(part, stamp).await,
            Self::Wecom(channel) => channel.send(part, stamp).await,
            Self::Email(channel) => channel.send(part, stamp).await,
            #[cfg(test)]
            Self::Scripted(channel) => channel.send(part, stamp).await,
        }
    }
}

/// The channel section of one target, resolved: secrets read, addresses parsed.
#[derive(Clone, Debug)]
pub(crate) enum ChannelSettings {
    /// `dingtalk:`
    DingTalk(DingTalkSettings),
    /// `wecom:`
    Wecom(WecomSettings),
    /// `email:`
    Email(EmailSettings),
    /// In tests of the deliverer.
    #[cfg(test)]
    Scripted(scripted::Script),
}

/// One request to the channel: what is sent, without the address or the key it is sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What goes over the wire.
    payload: Payload,
}

impl Part {
    /// The part as a person would read it, for `render` and the console: the text itself, and what goes with it.
    pub(crate) fn preview(&self) -> String {
        match &self.payload {
            Payload::Json(body) => preview(body),
            Payload::Mail(mail) => {
                let html = mail.html.as_ref().map_or(String::new(), |html| format!("\n\n{html}"));
                format!("To: {}\nSubject: {}\n\n{}{html}", mail.to, mail.subject, mail.text)
            }
        }
    }

    /// Who alone gets this part, as [`Channel::recipients`] names them; `None` when the parts make one message.
    pub(crate) fn recipient(&self) -> Option<&str> {
        match &self.payload {
            Payload::Json(_) => None,
            Payload::Mail(mail) => Some(&mail.to),
        }
    }

    /// Size on the wire, in bytes; of a mail without its headers and its transfer encoding.
    pub(crate) fn bytes(&self) -> usize {
        match &self.payload {
            Payload::Json(body) => body.len(),
            Payload::Mail(mail) => mail.text.len() + mail.html.as_ref().map_or(0, String::len),
        }
    }

    /// The outcome of a part that another kind of channel rendered: the target's section changed while it was on its way.
    fn foreign() -> Outcome {
        let detail = "rendered for another kind of channel: the target's settings changed".to_owned();
        Outcome::Rejected { reason: Reason::BadRequest, detail }
    }
}

/// A robot's request body with its text as text.
fn preview(body: &str) -> String {
    let Ok(Value::Object(body)) = serde_json::from_str(body) else { return body.to_owned() };
    let mut lines = Vec::new();
    let mut text = "";
    for (section, value) in &body {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(words) if name == "text" || name == "content" => text = words,
                        Value::String(words) => lines.push(format!("{section}.{name}: {words}")),
                        Value::Array(list) if list.is_empty() => {}
                        Value::Bool(false) => {}
                        other => lines.push(format!("{section}.{name}: {other}")),
                    }
                }
            }
            Value::String(words) => lines.insert(0, format!("{section}: {words}")),
            other => lines.push(format!("{section}: {other}")),
        }
    }
    format!("{}\n\n{text}", lines.join("\n"))
}

/// What a channel hands to its own `send`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Payload {
    /// A robot's request body.
    Json(String),
    /// A mail to one recipient.
    Mail(email::Mail),
}

/// What is known only at the moment of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The attempt's time: signatures and the mail's date.
    pub(crate) at: SystemTime,
    /// The delivery's public name: the mail's Message-ID.
    pub(crate) delivery: &'a str,
}

/// The identity of a robot or mail account: equal for targets that share a vendor's limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RobotId(String);

impl RobotId {
    /// From what makes the robot the one it is, in any length.
    fn of(identity: &[&str]) -> Self {
        Self(digest(identity))
    }

    /// The identity as 16 hex digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// 16 hex digits of a hash over the parts.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize();
    hash.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Why a target can't be built: a mistake in its settings. Names the key, never shows an address or another secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// `webhook_url` is no address a robot can have.
    #[error("the address in `webhook_url` {0}")]
    Address(String),
    /// `proxy` is no address.
    #[error("`proxy` is not an address (hint: http://host:port, with user:password@ if it wants a login)")]
    Proxy,
    /// `from` or `to` is no mailbox.
    #[error("`{key}`: `{value}` is not a mailbox: {source} (hint: ops@example.com or Ops <ops@example.com>)")]
    Mailbox {
        /// `from` or `to`.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// `ca_file` can't be used.
    #[error("`ca_file` `{}`: {what}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// `template` can't be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The client can't be built.
    #[error("can't set up the client: {0}")]
    Client(String),
}

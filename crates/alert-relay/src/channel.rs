//! The ways a message leaves the house: a closed set, one file each, all of one shape.
//!
//! `render` (pure) turns a [`Message`] into parts that fit the channel's limits, `send` (the only I/O) posts one part,
//! `classify` (pure) turns the reply into an [`Outcome`]. A channel calls nobody and retries nothing.

use std::time::SystemTime;

use crate::channel::dingtalk::{DingTalk, DingTalkSettings};
use crate::channel::email::{Email, EmailSettings};
use crate::channel::wecom::{Wecom, WecomSettings};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::settings::TargetSettings;

pub(crate) mod dingtalk;
pub(crate) mod email;
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
}

impl Channel {
    /// Builds the channel of one target. Reads its template and its `ca_file`, touches no network.
    pub(crate) fn new(target: &TargetSettings) -> Result<Self, ChannelError> {
        match &target.channel {
            ChannelSettings::DingTalk(settings) => DingTalk::new(settings, target).map(Self::DingTalk),
            ChannelSettings::Wecom(settings) => Wecom::new(settings, target).map(Self::Wecom),
            ChannelSettings::Email(settings) => Email::new(settings, target).map(Self::Email),
        }
    }

    /// Who is behind this target: targets with the same robot share its budget. A hash, never the address.
    pub(crate) fn robot(&self) -> &RobotId {
        match self {
            Self::DingTalk(channel) => channel.robot(),
            Self::Wecom(channel) => channel.robot(),
            Self::Email(channel) => channel.robot(),
        }
    }

    /// Turns a message into the parts to send, in order; never empty. Pure: the same message and fit give the same parts.
    pub(crate) fn render(&self, message: &Message, fit: Fit) -> Vec<Part> {
        match self {
            Self::DingTalk(channel) => channel.render(message, fit),
            Self::Wecom(channel) => channel.render(message, fit),
            Self::Email(channel) => channel.render(message, fit),
        }
    }

    /// Sends one part, once, within the target's time-out, and says what became of it.
    pub(crate) async fn send(&self, part: &Part, stamp: &Stamp<'_>) -> Outcome {
        match self {
            Self::DingTalk(channel) => channel.send(part, stamp).await,
            Self::Wecom(channel) => channel.send(part, stamp).await,
            Self::Email(channel) => channel.send(part, stamp).await,
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
}

/// How a message is to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fit {
    /// As large as the channel allows.
    #[default]
    Normal,
    /// Half of that, after [`Outcome::TooLarge`].
    Smaller,
    /// Plain words without markup or links, after [`Outcome::Rejected`].
    Plain,
}

/// One request to the channel: what is sent, without the address or the key it is sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What goes over the wire.
    payload: Payload,
}

impl Part {
    /// The part as a person would read it, for `render` and the console.
    pub(crate) fn preview(&self) -> String {
        match &self.payload {
            Payload::Json(body) => body.clone(),
            Payload::Mail(mail) => format!("To: {}\nSubject: {}\n\n{}", mail.to, mail.subject, mail.text),
        }
    }

    /// Size on the wire, in bytes, before transfer encoding.
    pub(crate) fn bytes(&self) -> usize {
        match &self.payload {
            Payload::Json(body) => body.len(),
            Payload::Mail(mail) => mail.text.len() + mail.html.as_ref().map_or(0, String::len),
        }
    }
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
    /// Which part of the delivery, from 0.
    pub(crate) part: u32,
}

/// The identity of a robot or mail account: equal for targets that share a vendor's limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RobotId(String);

impl RobotId {
    /// The identity as 16 hex digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a target can't be built: a mistake in its settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// A value that can't be used; the text names the key.
    #[error("{0}")]
    Invalid(String),
}

//! The ways a message leaves the house: a closed set, one file each, all of one shape.
//!
//! `render` (pure) turns a [`Message`](crate::message::Message) into parts that fit the channel's limits, `send` (the only
//! I/O) posts one part, `classify` (pure) turns the reply into an [`Outcome`](crate::outcome::Outcome). A channel calls
//! nobody and retries nothing.

use crate::channel::dingtalk::DingTalkSettings;
use crate::channel::email::EmailSettings;
use crate::channel::wecom::WecomSettings;

pub(crate) mod dingtalk;
pub(crate) mod email;
pub(crate) mod wecom;

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

//! What a channel is, and what is said of each kind of them.

use std::fmt::Debug;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use settings_document::{Secret, Section};

use crate::budget::Budget;
use crate::channel::part::{Part, Stamp};
use crate::channel::reach::{OtherEnd, ReachFuture};
use crate::channel::robot_id::RobotId;
use crate::channel::roots::Roots;
use crate::message::{Language, Message, Wording};
use crate::outcome::Outcome;
use crate::people::Person;
use crate::render::{BuiltIn, TemplateError};

/// The channel of one target, ready to use: its section read, its templates compiled, its client built.
pub(crate) trait Channel: Debug + Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> &'static Kind;

    /// Who is behind this target: targets with the same robot share its budget. A hash, never the address.
    fn robot(&self) -> &RobotId;

    /// Who gets a message of their own each, as [`Part::recipient`] names them; empty where the parts make one message for all.
    fn recipients(&self) -> Vec<String> {
        Vec::new()
    }

    /// Turns a message into the parts to send, in order; never empty. Pure: the same message and wording give the same parts.
    fn render(&self, message: &Message, wording: Wording) -> Vec<Part>;

    /// Who is at the other end, as far as that may be shown.
    fn other_end(&self) -> OtherEnd;

    /// Whether the other end answers, within the target's time-out and without a message to it.
    fn reach(&self) -> ReachFuture<'_>;

    /// Sends one part, once, within the target's time-out, and says what became of it. The only I/O beside [`reach`](Self::reach).
    fn send<'a>(&'a self, part: &'a Part, stamp: &'a Stamp<'_>) -> SendFuture<'a>;
}

/// An attempt under way.
pub(crate) type SendFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A kind of channel: what its section is called, what holds for all of them, and how one is built.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its section under a target.
    pub(crate) key: &'static str,
    /// As people write it.
    pub(crate) label: &'static str,
    /// `budget` unless the target says otherwise.
    pub(crate) budget: Budget,
    /// What the vendor takes of one robot, where it says so.
    pub(crate) vendors_limit: Option<Budget>,
    /// `timeout` unless the target says otherwise: of one attempt, from connecting to the last byte of the reply.
    pub(crate) timeout: Duration,
    /// Whether it can go through an HTTP proxy.
    pub(crate) takes_proxy: bool,
    /// Whether people read it in a chat with a limit on messages: then many groups may be told in one of them.
    pub(crate) takes_digests: bool,
    /// The id by which it mentions a person, beside the phone number; `None`: nobody is mentioned there.
    pub(crate) user_id: Option<fn(&Person) -> Option<&str>>,
    /// Reads its section, notes every mistake in it, and builds the channel if there is none. Reads files, touches no network.
    pub(crate) open: fn(Section<'_>, &Setup<'_>) -> Option<Arc<dyn Channel>>,
}

impl Kind {
    /// Whether a message can ring this person's phone.
    pub(crate) fn can_mention(&self, person: &Person) -> bool {
        self.user_id.is_some_and(|id| id(person).is_some() || person.mobile.is_some())
    }
}

/// What a target says outside of its channel's section.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// The target's section, for mistakes in what stands there.
    pub(crate) target: &'a Section<'a>,
    /// `language`
    pub(crate) language: Language,
    /// `template`: a file that replaces the built-in text.
    pub(crate) template: Option<&'a Path>,
    /// `proxy`: an HTTP proxy; may hold a login.
    pub(crate) proxy: Option<&'a Secret>,
    /// The key it stands under, for mistakes in it: `proxy` or `proxy_file`.
    pub(crate) proxy_said_by: &'static str,
    /// `timeout`
    pub(crate) timeout: Duration,
    /// The authorities that all channels trust.
    pub(crate) roots: &'a Roots,
    /// The texts that all channels share.
    pub(crate) built_in: &'a BuiltIn,
}

impl Setup<'_> {
    /// What was made of the target's template, or nothing once the mistake in it was noted.
    pub(crate) fn compiled<T>(&self, templates: Result<T, TemplateError>) -> Option<T> {
        templates.map_err(|error| self.target.problem("template", error.to_string())).ok()
    }
}

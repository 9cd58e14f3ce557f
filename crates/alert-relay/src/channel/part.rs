//! One request to a channel: what is sent, without the address or the key it is sent with.

use std::any::Any;
use std::fmt::Debug;
use std::time::SystemTime;

use crate::channel::robot_id;
use crate::outcome::{Outcome, Reason};

/// One part of a message.
#[derive(Debug)]
pub(crate) struct Part {
    recipient: Option<String>,
    is_whole: bool,
    content: Box<dyn Content>,
}

/// What goes over the wire, in a channel's own form.
pub(crate) trait Content: Any + Debug + Send + Sync {
    /// Size on the wire, in bytes.
    fn bytes(&self) -> usize;

    /// The content as a person would read it: the text itself, and what goes with it.
    fn preview(&self) -> String;
}

impl Part {
    /// One of the parts that make a message for all.
    pub(super) fn new(content: impl Content) -> Self {
        Self { recipient: None, is_whole: true, content: Box::new(content) }
    }

    /// The same as one of a message that `is_whole` or not.
    pub(super) fn of_message(self, is_whole: bool) -> Self {
        Self { is_whole, ..self }
    }

    /// A message for one recipient.
    pub(super) fn to(recipient: String, content: impl Content) -> Self {
        Self { recipient: Some(recipient), is_whole: true, content: Box::new(content) }
    }

    /// Who alone gets this part, as [`Channel::recipients`](super::kind::Channel::recipients) names them; `None` when the parts make one
    /// message.
    pub(crate) fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref()
    }

    /// Whether the message that this is a part of has everything in it; if not, the channel's limits are too small for it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The part as a person would read it, for `render` and the console.
    pub(crate) fn preview(&self) -> String {
        self.content.preview()
    }

    /// Size on the wire, in bytes; of a mail without its headers and its transfer encoding.
    pub(crate) fn bytes(&self) -> usize {
        self.content.bytes()
    }

    /// The content in the form in which the channel made it. A part of another channel is an outcome: it was rendered before the
    /// target's section changed.
    pub(super) fn content<T: Content>(&self) -> Result<&T, Outcome> {
        let content: &dyn Any = &*self.content;
        content.downcast_ref().ok_or_else(|| {
            let detail = "rendered for another kind of channel: the target's settings changed".to_owned();
            Outcome::Rejected { reason: Reason::BadRequest, detail }
        })
    }
}

/// Hash of what a message for all says, cut into these parts: 16 hex digits, empty for mails.
pub(crate) fn text_hash(parts: &[Part]) -> String {
    if parts.iter().any(|part| part.recipient.is_some()) {
        return String::new();
    }
    let texts: Vec<String> = parts.iter().map(Part::preview).collect();
    robot_id::digest(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What is known only at the moment of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The attempt's time: signatures and the mail's date.
    pub(crate) at: SystemTime,
    /// The delivery's public name: the mail's Message-ID.
    pub(crate) delivery: &'a str,
}

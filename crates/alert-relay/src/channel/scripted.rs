//! A channel for the deliverer's tests: says what it is told to say, and remembers what it was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::channel::{Part, Payload, RobotId, Stamp, email};
use crate::message::Message;
use crate::message::Wording;
use crate::notification::Alert;
use crate::outcome::{Outcome, Reason};

/// Shared between the test, the settings and every channel built from them.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    robot: String,
    /// One mail to each, instead of the parts of one message.
    recipients: Mutex<Vec<String>>,
    parts: Mutex<usize>,
    replies: Mutex<VecDeque<Reply>>,
    /// What every mail to somebody comes to.
    mailboxes: Mutex<BTreeMap<String, Reply>>,
    heard: watch::Sender<Vec<String>>,
}

/// What the next send will come to; when nothing is scripted, it is delivered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This verdict.
    Verdict(Outcome),
    /// No answer, ever.
    Silence,
    /// A fault of ours.
    Panic,
}

impl Script {
    /// A chat behind a robot of this name.
    pub(crate) fn chat(robot: &str) -> Self {
        Self::new(robot, &[])
    }

    /// A mail account that writes to these.
    pub(crate) fn mail(recipients: &[&str]) -> Self {
        Self::new("mail", recipients)
    }

    fn new(robot: &str, recipients: &[&str]) -> Self {
        Self(Arc::new(Inner {
            robot: robot.to_owned(),
            recipients: Mutex::new(names(recipients)),
            parts: Mutex::new(1),
            replies: Mutex::default(),
            mailboxes: Mutex::default(),
            heard: watch::Sender::default(),
        }))
    }

    /// From now on each message has this many parts.
    pub(crate) fn cut_into(&self, parts: usize) {
        *self.0.parts.lock().unwrap() = parts;
    }

    /// From now on the mails go to these.
    pub(crate) fn write_to(&self, recipients: &[&str]) {
        *self.0.recipients.lock().unwrap() = names(recipients);
    }

    /// What the next sends will come to.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.replies.lock().unwrap().extend(replies);
    }

    /// What every mail to somebody will come to, before any other reply.
    pub(crate) fn reply_to(&self, recipient: &str, reply: Reply) {
        self.0.mailboxes.lock().unwrap().insert(recipient.to_owned(), reply);
    }

    /// From now on somebody gets their mail.
    pub(crate) fn accept_to(&self, recipient: &str) {
        self.0.mailboxes.lock().unwrap().remove(recipient);
    }

    /// Everything sent so far, as soon as there are this many.
    pub(crate) async fn heard(&self, count: usize) -> Vec<String> {
        let mut heard = self.0.heard.subscribe();
        let limit = std::time::Duration::from_secs(20);
        let enough = tokio::time::timeout(limit, heard.wait_for(|heard| heard.len() >= count)).await;
        assert!(enough.is_ok(), "only heard {:?}, waited for {count}", self.heard_so_far());
        self.heard_so_far()
    }

    /// Everything sent so far.
    pub(crate) fn heard_so_far(&self) -> Vec<String> {
        self.0.heard.borrow().clone()
    }
}

fn names(recipients: &[&str]) -> Vec<String> {
    recipients.iter().map(|name| (*name).to_owned()).collect()
}

/// A failure that may pass.
pub(crate) fn unreachable() -> Reply {
    Reply::Verdict(Outcome::Retry { reason: Reason::Connect, after: None, detail: "refused".to_owned() })
}

/// The channel.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: Script,
    robot: RobotId,
}

impl Scripted {
    pub(crate) fn new(script: &Script) -> Self {
        Self { script: script.clone(), robot: RobotId(script.0.robot.clone()) }
    }

    pub(crate) fn robot(&self) -> &RobotId {
        &self.robot
    }

    pub(crate) fn recipients(&self) -> Vec<String> {
        self.script.0.recipients.lock().unwrap().clone()
    }

    /// `new a b, still c [plain] (1/2)`, after the banner if there is one.
    pub(crate) fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let text = text(message, wording);
        let recipients = self.recipients();
        if !recipients.is_empty() {
            let mail = |to: &String| Part {
                payload: Payload::Mail(email::Mail {
                    to: to.clone(),
                    subject: String::new(),
                    thread: String::new(),
                    text: text.clone(),
                    html: None,
                }),
            };
            return recipients.iter().map(mail).collect();
        }
        let count = *self.script.0.parts.lock().unwrap();
        let part = |number: usize| {
            let position = if count > 1 { format!(" ({number}/{count})") } else { String::new() };
            Part { payload: Payload::Json(format!("{text}{position}")) }
        };
        (1..=count).map(part).collect()
    }

    pub(crate) async fn send(&self, part: &Part, _stamp: &Stamp<'_>) -> Outcome {
        let words = match &part.payload {
            Payload::Json(text) => text.clone(),
            Payload::Mail(mail) => format!("to {}: {}", mail.to, mail.text),
        };
        let mailbox =
            part.recipient().and_then(|name| self.script.0.mailboxes.lock().unwrap().get(name).cloned());
        let reply = mailbox.or_else(|| self.script.0.replies.lock().unwrap().pop_front());
        self.script.0.heard.send_modify(|heard| heard.push(words));
        match reply {
            None => Outcome::Delivered { receipt: String::new() },
            Some(Reply::Verdict(outcome)) => outcome,
            Some(Reply::Silence) => std::future::pending().await,
            Some(Reply::Panic) => panic!("scripted"),
        }
    }
}

fn text(message: &Message, wording: Wording) -> String {
    let names = |alerts: &[Alert]| -> String {
        alerts.iter().flat_map(|alert| [" ", &alert.fingerprint.0]).collect()
    };
    let changes = &message.changes;
    let lists = [
        ("new", &changes.new),
        ("still", &changes.still),
        ("resolved", &changes.resolved),
        ("vanished", &changes.vanished),
    ];
    let said: Vec<String> = lists
        .into_iter()
        .filter(|(_, alerts)| !alerts.is_empty())
        .map(|(list, alerts)| format!("{list}{}", names(alerts)))
        .collect();
    let mut text = said.join(", ");
    match wording {
        Wording::Normal => {}
        Wording::Smaller => text.push_str(" [smaller]"),
        Wording::Plain => text.push_str(" [plain]"),
    }
    match &message.banner {
        None => text,
        Some(banner) => format!("{banner} | {text}"),
    }
}

//! A channel for the deliverer's tests: says what it is told to say, and remembers what it was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use settings_document::Section;
use tokio::sync::watch;

use crate::budget::Budget;
use crate::channel::kind::{Channel, Kind, SendFuture, Setup};
use crate::channel::part::{Content, Part, Stamp};
use crate::channel::reach::{OtherEnd, ReachFuture};
use crate::channel::robot_id::RobotId;
use crate::message::{Message, Wording};
use crate::notification::Alert;
use crate::outcome::{Outcome, Reason};

/// Shared between the test and every channel made from it.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    robot: String,
    /// One mail to each, instead of the parts of one message.
    recipients: Mutex<Vec<String>>,
    parts: Mutex<usize>,
    /// What each message ends with.
    ending: Mutex<String>,
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
            ending: Mutex::default(),
            replies: Mutex::default(),
            mailboxes: Mutex::default(),
            heard: watch::Sender::default(),
        }))
    }

    /// The channel that does as the script says. What the script is told later holds for it too.
    pub(crate) fn channel(&self) -> Arc<dyn Channel> {
        Arc::new(Scripted { script: self.clone(), robot: RobotId::of(&[&self.0.robot]) })
    }

    /// From now on each message has this many parts.
    pub(crate) fn cut_into(&self, parts: usize) {
        *self.0.parts.lock().unwrap() = parts;
    }

    /// From now on each message ends with this.
    pub(crate) fn end_with(&self, ending: &str) {
        ending.clone_into(&mut self.0.ending.lock().unwrap());
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

const KIND: Kind = Kind {
    key: "scripted",
    label: "a script",
    budget: Budget::ROBOT,
    vendors_limit: None,
    timeout: Duration::from_secs(10),
    takes_proxy: false,
    takes_digests: true,
    user_id: None,
    open: no_section,
};

/// No settings file names a script.
fn no_section(_: Section<'_>, _: &Setup<'_>) -> Option<Arc<dyn Channel>> {
    None
}

/// The channel.
#[derive(Debug)]
struct Scripted {
    script: Script,
    robot: RobotId,
}

/// What a part says.
#[derive(Debug)]
struct Words(String);

impl Content for Words {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn preview(&self) -> String {
        self.0.clone()
    }
}

impl Channel for Scripted {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn robot(&self) -> &RobotId {
        &self.robot
    }

    fn recipients(&self) -> Vec<String> {
        self.script.0.recipients.lock().unwrap().clone()
    }

    /// `new a b, still c [plain] [digest of 3] (1/2)`, after the banner if there is one.
    fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let text = text(message, wording) + &self.script.0.ending.lock().unwrap();
        let recipients = self.recipients();
        if !recipients.is_empty() {
            return recipients.into_iter().map(|to| Part::to(to, Words(text.clone()))).collect();
        }
        let count = if message.digest.is_some() { 1 } else { *self.script.0.parts.lock().unwrap() };
        let part = |number: usize| {
            let position = if count > 1 { format!(" ({number}/{count})") } else { String::new() };
            Part::new(Words(format!("{text}{position}")))
        };
        (1..=count).map(part).collect()
    }

    fn other_end(&self) -> OtherEnd {
        OtherEnd { scheme: "https".to_owned(), host: "scripted".to_owned(), port: 443, proxy: None }
    }

    fn reach(&self) -> ReachFuture<'_> {
        Box::pin(std::future::ready(Err("nobody can be reached by a script".to_owned())))
    }

    fn send<'a>(&'a self, part: &'a Part, _stamp: &'a Stamp<'_>) -> SendFuture<'a> {
        Box::pin(async move {
            let script = &self.script.0;
            let words = match part.recipient() {
                None => part.preview(),
                Some(to) => format!("to {to}: {}", part.preview()),
            };
            let mailbox =
                part.recipient().and_then(|name| script.mailboxes.lock().unwrap().get(name).cloned());
            let reply = mailbox.or_else(|| script.replies.lock().unwrap().pop_front());
            script.heard.send_modify(|heard| heard.push(words));
            match reply {
                None => Outcome::Delivered { receipt: String::new() },
                Some(Reply::Verdict(outcome)) => outcome,
                Some(Reply::Silence) => std::future::pending().await,
                Some(Reply::Panic) => panic!("scripted"),
            }
        })
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
        Wording::Bare => text.push_str(" [bare]"),
    }
    if let Some(digest) = message.digest {
        text = format!("{text} [digest of {}]", digest.groups);
    }
    for person in &message.mentions {
        text.push_str(" @");
        text.push_str(&person.name);
    }
    match &message.banner {
        None => text,
        Some(banner) => format!("{banner} | {text}"),
    }
}

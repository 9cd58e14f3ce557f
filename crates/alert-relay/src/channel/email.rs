//! Mail over SMTP: one recipient a message, `STARTTLS` or implicit TLS, multipart text and HTML.
//!
//! One recipient a message, because one refused address would refuse the mail for all. One connection a mail, without lettre's
//! pool: a pooled connection that was given up in the middle answers the next mail with the last one's reply, and a refused
//! mail counts as sent.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use settings_document::Section;

use crate::budget::Budget;
use crate::channel::email::body::Bodies;
use crate::channel::email::compose::compose;
use crate::channel::email::mail::Mail;
use crate::channel::email::server::Server;
use crate::channel::email::settings::Settings;
use crate::channel::kind::{Channel, Kind, SendFuture, Setup};
use crate::channel::part::{Part, Stamp};
use crate::channel::reach::{OtherEnd, ReachFuture};
use crate::channel::robot_id::{RobotId, digest};
use crate::message::{Message, Wording};
use crate::outcome::{Outcome, Reason};

mod body;
mod compose;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod mail;
mod record;
mod server;
mod settings;
mod starttls;
mod verdict;
mod wire;

/// `email:`
pub(super) const KIND: Kind = Kind {
    key: "email",
    label: "email",
    budget: Budget::MAIL,
    vendors_limit: None,
    // A mail server may look at the greeting, the recipient and the mail for minutes each (RFC 5321, 4.5.3.2).
    timeout: Duration::from_mins(1),
    takes_proxy: false,
    takes_digests: false,
    user_id: None,
    open,
};

/// One mail account with its recipients.
#[derive(Debug)]
struct Email {
    account: RobotId,
    from: Mailbox,
    to: Vec<Mailbox>,
    server: Server,
    bodies: Bodies,
}

fn open(section: Section<'_>, setup: &Setup<'_>) -> Option<Arc<dyn Channel>> {
    let bodies = Bodies::open(setup);
    let Settings { smarthost, hello, from, to, login, account, security } = settings::read(section, setup)?;
    Some(Arc::new(Email {
        account: RobotId::of(&["smtp", &smarthost.host, &smarthost.port.to_string(), &account]),
        from,
        to,
        server: Server::new(smarthost, hello, login, security, setup.timeout),
        bodies: bodies?,
    }))
}

impl Channel for Email {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    /// The account at its server.
    fn robot(&self) -> &RobotId {
        &self.account
    }

    /// Each gets a mail of their own.
    fn recipients(&self) -> Vec<String> {
        self.to.iter().map(ToString::to_string).collect()
    }

    /// One mail for each recipient, in the order of the settings.
    fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let (subject, text, html) = self.bodies.render(message, wording);
        let thread = digest(&[&message.receiver, &message.group_key.0]);
        let mail = |to: &Mailbox| {
            let (to, subject, thread) = (to.to_string(), subject.clone(), thread.clone());
            Part::to(to.clone(), Mail { to, subject, thread, text: text.clone(), html: html.clone() })
        };
        self.to.iter().map(mail).collect()
    }

    fn other_end(&self) -> OtherEnd {
        self.server.other_end()
    }

    /// Up to the login, without a mail.
    fn reach(&self) -> ReachFuture<'_> {
        Box::pin(self.server.reach())
    }

    /// Over a connection of its own.
    fn send<'a>(&'a self, part: &'a Part, stamp: &'a Stamp<'_>) -> SendFuture<'a> {
        Box::pin(async move {
            let mail = match part.content() {
                Ok(mail) => mail,
                Err(outcome) => return outcome,
            };
            match compose(&self.from, mail, stamp) {
                Ok(composed) => self.server.send(&composed).await,
                Err(error) => Outcome::Rejected { reason: Reason::BadRequest, detail: error.to_string() },
            }
        })
    }
}

#[cfg(test)]
mod tests;

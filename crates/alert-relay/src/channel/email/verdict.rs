//! What a mail server's answer means (pure).
//!
//! Only a 5xx says that the mail will never be taken, and 250 after the data that it was. Everything else, a broken
//! connection above all, leaves the outcome unknown: the mail is sent again under its old Message-ID.
//!
//! The step that was refused says what is wrong: before a recipient is named it is the account, the sender or this machine, and
//! no mail will get through; at the recipient it is that mailbox; after that it is this mail.

use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::response::{Response, Severity};

use crate::channel::email::record::Record;
use crate::channel::email::starttls::PlainError;
use crate::channel::email::wire::WireError;
use crate::outcome::{Outcome, Reason};

/// How far a conversation has come: what the next answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Greeting, EHLO, TLS, login.
    Session,
    /// `MAIL FROM`
    Sender,
    /// `RCPT TO`
    Recipient,
    /// `DATA` and the mail itself.
    Content,
}

/// The verdict on a mail the server answered to the end. lettre calls every 2xx and 3xx a success; only 250 is.
pub(super) fn of_response(response: &Response, record: &Record) -> Outcome {
    if response.has_code(250) {
        Outcome::Delivered { receipt: words(response, record) }
    } else {
        of_unproven(response, record)
    }
}

/// The verdict on a mail whose server answers, without a refusal, something that no server should at this step.
pub(super) fn of_unproven(response: &Response, record: &Record) -> Outcome {
    Outcome::Retry { reason: Reason::UnprovenReply, after: None, detail: words(response, record) }
}

fn words(response: &Response, record: &Record) -> String {
    format!("{}: {}", response.code(), record.keep(&response.message().collect::<Vec<_>>().join(" ")))
}

/// The verdict on a mail that was refused at a step, or got lost there.
pub(super) fn of_error(step: Step, error: &smtp::Error, record: &Record) -> Outcome {
    let detail = record.keep(&error.to_string());
    let code = error.status().map_or(0, u16::from);
    if error.is_permanent() {
        return refused(step, code, detail);
    }
    if error.is_client() {
        let detail =
            format!("{detail} (hint: check `tls` and `auth_username` against what the server offers)");
        return Outcome::Misconfigured { reason: Reason::Refused, detail };
    }
    let reason = if error.is_transient() {
        match step {
            // The server itself leaves.
            _ if code == 421 => Reason::Busy,
            Step::Session | Step::Sender => Reason::Busy,
            Step::Recipient | Step::Content => Reason::Mailbox,
        }
    } else if WireError::is_cause_of(error) {
        Reason::BrokenReply
    } else if error.is_timeout() {
        Reason::Timeout
    } else if error.is_response() {
        Reason::BrokenReply
    } else {
        // lettre tells neither a broken connection from a refused one nor TLS from the network; a certificate we do not trust
        // comes out here too, and may be renewed while we wait.
        Reason::Connect
    };
    Outcome::Retry { reason, after: None, detail }
}

/// The verdict on a conversation that ended before it was as secure as it has to be.
pub(super) fn of_plain_error(error: &PlainError, record: &Record) -> Outcome {
    let detail = record.keep(&error.to_string());
    match error {
        PlainError::Refused(response)
            if response.code().severity == Severity::PermanentNegativeCompletion =>
        {
            refused(Step::Session, u16::from(response.code()), detail)
        }
        PlainError::Refused(_) => Outcome::Retry { reason: Reason::Busy, after: None, detail },
        PlainError::NotOffered => {
            let detail = format!("{detail} (hint: check `tls` against what the server offers)");
            Outcome::Misconfigured { reason: Reason::Refused, detail }
        }
        PlainError::Unasked(..) => Outcome::Misconfigured { reason: Reason::Refused, detail },
        PlainError::Garbled => Outcome::Retry { reason: Reason::BrokenReply, after: None, detail },
        PlainError::Io(cause) => {
            let reason = if WireError::is_cause_of(cause) { Reason::BrokenReply } else { Reason::Connect };
            Outcome::Retry { reason, after: None, detail }
        }
    }
}

/// The verdict on a server that did not answer a step in time.
pub(super) fn of_silence(step: Step, limit: Duration) -> Outcome {
    let (reason, before) = match step {
        Step::Session => (Reason::Connect, "no greeting and login"),
        Step::Sender => (Reason::Connect, "no answer to MAIL FROM"),
        // Some servers ask the recipient's own before they answer.
        Step::Recipient => (Reason::Mailbox, "no answer to RCPT TO"),
        Step::Content => (Reason::Timeout, "the mail may have been taken, no answer"),
    };
    Outcome::Retry { reason, after: None, detail: format!("{before} within {limit:?}") }
}

/// A 5xx.
fn refused(step: Step, code: u16, detail: String) -> Outcome {
    let misconfigured = |hint: &str| Outcome::Misconfigured {
        reason: Reason::Refused,
        detail: format!("{detail} (hint: {hint})"),
    };
    match (step, code) {
        (_, 530 | 534 | 535 | 538) => misconfigured(
            "check `auth_username` and `auth_password`; many providers want an authorisation code instead of the password",
        ),
        (Step::Session, _) => {
            misconfigured("the server does not talk to this machine; check `smarthost` and `hello`")
        }
        (Step::Sender, _) => {
            misconfigured("check `from`: the server takes no mail of that sender from `auth_username`")
        }
        (Step::Content, 552) if is_about_size(&detail) => Outcome::TooLarge { detail },
        (Step::Recipient, _) | (Step::Content, 552) => Outcome::Rejected { reason: Reason::Mailbox, detail },
        (Step::Content, 500..=504) => Outcome::Rejected { reason: Reason::BadRequest, detail },
        (Step::Content, _) => Outcome::Rejected { reason: Reason::Content, detail },
    }
}

/// 552 is both "message too big" (5.3.4) and "mailbox full" (5.2.2).
fn is_about_size(detail: &str) -> bool {
    let words = detail.to_lowercase();
    words.contains("5.3.4")
        || words.contains("message size")
        || words.contains("too large")
        || words.contains("too big")
}

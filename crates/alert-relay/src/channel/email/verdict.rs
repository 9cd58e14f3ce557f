//! What a mail server's answer means (pure).
//!
//! Only a 5xx says that the mail will never be taken, and 250 after the data that it was. Everything else, a broken
//! connection above all, leaves the outcome unknown: the mail is sent again under its old Message-ID.

use lettre::transport::smtp;
use lettre::transport::smtp::response::Response;

use crate::outcome::{Outcome, Reason};

/// Bytes of a server's words that are kept.
const RECORD_LIMIT: usize = 500;

/// The verdict on a mail the server answered to the end. lettre calls every 2xx and 3xx a success; only 250 is.
pub(crate) fn of_response(response: &Response) -> Outcome {
    let words = line(&response.message().collect::<Vec<_>>().join(" "));
    let detail = format!("{}: {words}", response.code());
    if response.has_code(250) {
        Outcome::Delivered { receipt: detail }
    } else {
        Outcome::Retry { reason: Reason::UnprovenReply, after: None, detail }
    }
}

/// The verdict on a mail that was refused or got lost.
pub(crate) fn of_error(error: &smtp::Error) -> Outcome {
    let detail = line(&error.to_string());
    if error.is_permanent() {
        let code = error.status().map_or(0, u16::from);
        return refused(code, detail);
    }
    if error.is_client() {
        let detail =
            format!("{detail} (hint: check `tls` and `auth_username` against what the server offers)");
        return Outcome::Misconfigured { reason: Reason::Refused, detail };
    }
    let reason = if error.is_transient() {
        Reason::Busy
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

/// A 5xx. A refused login or sender is the operator's to mend and concerns every mail; a refused recipient or content
/// concerns this one.
fn refused(code: u16, detail: String) -> Outcome {
    match code {
        530 | 534 | 535 | 538 => Outcome::Misconfigured {
            reason: Reason::Refused,
            detail: format!(
                "{detail} (hint: check `auth_username` and `auth_password`; many providers want an authorisation code instead of the password)"
            ),
        },
        552 if is_about_size(&detail) => Outcome::TooLarge { detail },
        554 => Outcome::Rejected { reason: Reason::Content, detail },
        500..=504 => Outcome::Rejected { reason: Reason::BadRequest, detail },
        _ => Outcome::Rejected { reason: Reason::Refused, detail },
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

fn line(words: &str) -> String {
    let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line[..line.floor_char_boundary(RECORD_LIMIT)].trim().to_owned()
}

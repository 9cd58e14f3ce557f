//! One mail as it goes over the wire (pure): headers, the two bodies, names that survive a retry.

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::channel::email::mail::Mail;
use crate::channel::part::Stamp;
use crate::channel::robot_id::digest;

/// Builds the mail. The Message-ID follows from the delivery and the recipient: a second copy after an unknown outcome has the
/// same, and most mail systems show only one.
pub(crate) fn compose(
    from: &Mailbox,
    mail: &Mail,
    stamp: &Stamp<'_>,
) -> Result<lettre::Message, lettre::error::Error> {
    let to: Mailbox = mail.to.parse().map_err(|_| lettre::error::Error::MissingTo)?;
    let domain = from.email.domain();
    let id = digest(&[stamp.delivery, to.email.as_ref()]);
    let thread = format!("<thread-{}@{domain}>", mail.thread);
    let builder = lettre::Message::builder()
        .from(from.clone())
        .to(to)
        .subject(one_line(&mail.subject))
        .date(stamp.at)
        .message_id(Some(format!("<{id}@{domain}>")))
        .in_reply_to(thread.clone())
        .references(thread)
        .header(AutoSubmitted);
    match &mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone())),
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
    }
}

/// A header is one line: labels are written by strangers. What looks like an encoded word (RFC 2047) would be decoded by who reads it;
/// with a character of no width in it, it is none, and is itself encoded.
fn one_line(value: &str) -> String {
    let pieces = value.split(|c: char| c.is_control()).filter(|piece| !piece.is_empty());
    pieces.collect::<Vec<_>>().join(" ").replace("=?", "=\u{2060}?")
}

/// `Auto-Submitted: auto-generated` (RFC 3834): no out-of-office answers, please.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_subject_is_decoded_or_ends_it() {
        assert_eq!(one_line("a\r\nBcc: x@example.com"), "a Bcc: x@example.com");
        assert_eq!(one_line("=?utf-8?q?x?= fires"), "=\u{2060}?utf-8?q?x?= fires");
        assert_eq!(one_line("a = b? c"), "a = b? c");
    }
}

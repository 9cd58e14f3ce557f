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

/// A header is one line: labels are written by strangers.
fn one_line(value: &str) -> String {
    value.split(|c: char| c.is_control()).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
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

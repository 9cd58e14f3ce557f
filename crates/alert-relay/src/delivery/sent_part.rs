//! One part of a message, as a person would read it.

use serde::Serialize;

/// Bytes of a part's text that are kept with its delivery: all of what a robot takes, and the beginning of a long mail.
pub(crate) const MOST_KEPT_BYTES: usize = 20 * 1024;

/// Parts of a chat's message that are kept with its delivery.
const MOST_KEPT_PARTS: u32 = 20;

/// Mails that are kept with a delivery: what most recipients get is the same.
const MOST_KEPT_MAILS: u32 = 3;

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SentPart {
    /// From 1; 0 is a digest.
    pub(crate) part: u32,
    /// Who alone got it, of a mail.
    pub(crate) recipient: Option<String>,
    /// Its size on the wire, in bytes.
    pub(crate) bytes: u64,
    /// As a person would read it.
    pub(crate) text: String,
    /// Only the beginning is here.
    pub(crate) is_cut: bool,
}

impl SentPart {
    /// A part of this many bytes on the wire, and the first `most_bytes` of its text.
    pub(crate) fn new(
        part: u32,
        recipient: Option<&str>,
        bytes: usize,
        mut text: String,
        most_bytes: usize,
    ) -> Self {
        let is_cut = text.len() > most_bytes;
        text.truncate(text.floor_char_boundary(most_bytes));
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { part, recipient: recipient.map(str::to_owned), bytes, text, is_cut }
    }

    /// Whether it is among those that are kept with their delivery.
    pub(crate) fn is_kept(&self) -> bool {
        self.part <= if self.recipient.is_some() { MOST_KEPT_MAILS } else { MOST_KEPT_PARTS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let part = |text: &str| SentPart::new(1, None, 9, text.to_owned(), 7);
        assert_eq!((part("告警1").text.as_str(), part("告警1").is_cut), ("告警1", false));
        assert_eq!((part("告警了").text.as_str(), part("告警了").is_cut), ("告警", true));
    }

    #[test]
    fn of_many_parts_the_first_are_kept_and_of_mails_a_few() {
        let kept = |recipient| {
            (1..100).filter(|part| SentPart::new(*part, recipient, 1, String::new(), 1).is_kept()).count()
        };
        assert_eq!((kept(None), kept(Some("one@example.com"))), (20, 3));
    }
}

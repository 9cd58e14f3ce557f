//! The name of one delivery, the same in messages, in logs and on the command line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A delivery's name outside of the store: `4f2a91-17`.
///
/// The number is the delivery's in its store. The tag is the store's: a relay that starts with a new file counts from 1 again,
/// and must not repeat a mail's Message-ID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PublicId {
    tag: Arc<str>,
    number: i64,
}

impl PublicId {
    /// The delivery with this number in the store with this tag.
    pub(crate) fn new(tag: &Arc<str>, number: i64) -> Self {
        Self { tag: Arc::clone(tag), number }
    }

    /// Of the store.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// In the store.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.tag, self.number)
    }
}

/// As it is written.
impl Serialize for PublicId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no delivery's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a delivery's id such as `4f2a91-17`")]
pub(crate) struct NoPublicId;

impl FromStr for PublicId {
    type Err = NoPublicId;

    fn from_str(text: &str) -> Result<Self, NoPublicId> {
        let (tag, number) = text.split_once('-').ok_or(NoPublicId)?;
        let is_tag = tag.len() == 6 && tag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match number.parse() {
            Ok(number) if is_tag && number > 0 => Ok(Self { tag: tag.into(), number }),
            _ => Err(NoPublicId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let id = PublicId::new(&"4f2a91".into(), 17);
        assert_eq!(id.to_string(), "4f2a91-17");
        assert_eq!("4f2a91-17".parse(), Ok(id));
    }

    #[test]
    fn nothing_else_is_a_name() {
        for text in [
            "",
            "-",
            "17",
            "4f2a91",
            "4f2a91-",
            "4f2a91-0",
            "4f2a91--1",
            "4F2A91-17",
            "test-17",
            "4f2a91-17-2",
            "4f2a91-99999999999999999999",
        ] {
            assert_eq!(text.parse::<PublicId>(), Err(NoPublicId), "{text}");
        }
    }
}

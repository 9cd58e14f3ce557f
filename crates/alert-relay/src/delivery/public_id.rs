//! The name of one delivery, the same in messages, in logs and on the command line.

use std::fmt;
use std::sync::Arc;

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
}

impl fmt::Display for PublicId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.tag, self.number)
    }
}

//! The text of a page, and where in it the lines of each family are: pages that follow each other share or copy what is the same.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::negotiation::Format;

/// A page in one format.
#[derive(Debug)]
pub(crate) struct Written {
    pub(super) format: Format,
    /// What no other page shares: the lines of most families, one after the other.
    pub(crate) own: Arc<String>,
    /// Of the layout's families, in order, and of what ends a page.
    families: Vec<Lines>,
}

/// Where the lines of a family are.
#[derive(Clone, Debug)]
enum Lines {
    /// In the page's own text.
    Own(Range<usize>),
    /// In a text that this page shares with the next, and may share with the one before.
    Shared(Arc<str>),
}

/// The lines of a family of a page that is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'page> {
    Own(&'page str),
    Shared(&'page Arc<str>),
}

/// Bytes. Fewer are copied, since each piece of a page costs its sender some time.
const LEAST_SHARED: usize = 4096;

impl Written {
    /// The lines of the family with this place in the layout.
    pub(super) fn lines(&self, index: usize) -> Option<Known<'_>> {
        Some(match self.families.get(index)? {
            Lines::Own(range) => Known::Own(self.own.get(range.clone())?),
            Lines::Shared(text) => Known::Shared(text),
        })
    }

    /// The page, in pieces that are sent from where they are.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        let own = Bytes::from_owner(Kept(Arc::clone(&self.own)));
        let mut pieces = Vec::new();
        // What stands between two shared texts is one piece.
        let mut between = 0..0;
        for lines in &self.families {
            match lines {
                Lines::Own(range) => between.end = range.end,
                Lines::Shared(text) => {
                    if !between.is_empty() {
                        pieces.push(own.slice(between.clone()));
                    }
                    between.start = between.end;
                    pieces.push(Bytes::from_owner(Kept(Arc::clone(text))));
                }
            }
        }
        if !between.is_empty() {
            pieces.push(own.slice(between));
        }
        pieces
    }

    /// The whole page.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pieces().concat()).expect("made of texts")
    }
}

impl Known<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// A text that is sent while it is kept.
struct Kept<T: ?Sized>(Arc<T>);

impl<T: AsRef<[u8]> + ?Sized> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Text {
    own: String,
    families: Vec<Lines>,
}

impl Text {
    /// With room for about as much as the page before, in the memory of a text that is needed no more.
    pub(super) fn like(before: Option<&Written>, memory: String) -> Self {
        let mut own = memory;
        own.clear();
        let room = before.map_or(0, |before| before.own.len() * 9 / 8);
        // The first page shares nothing, and is larger than those after it.
        if own.capacity() > 2 * room {
            own.shrink_to(room);
        }
        own.reserve(room);
        Self { own, families: Vec::with_capacity(before.map_or(0, |before| before.families.len())) }
    }

    /// Adds the lines of a family, which `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut String)) {
        let begin = self.own.len();
        write(&mut self.own);
        self.families.push(Lines::Own(begin..self.own.len()));
    }

    /// Adds the lines that a family had on the page before.
    pub(super) fn repeat(&mut self, known: Known<'_>) {
        match known {
            Known::Shared(text) => self.families.push(Lines::Shared(Arc::clone(text))),
            // What is said twice is likely to be said again.
            Known::Own(text) if text.len() >= LEAST_SHARED => self.families.push(Lines::Shared(text.into())),
            Known::Own(text) => self.add(|own| own.push_str(text)),
        }
    }

    /// It is done.
    pub(super) fn written(self, format: Format) -> Written {
        Written { format, own: Arc::new(self.own), families: self.families }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_and_said_again_is_shared_and_what_is_short_is_copied() {
        let [long, short] = [LEAST_SHARED, LEAST_SHARED - 1].map(|length| "x".repeat(length));
        let mut first = Text::like(None, String::new());
        for lines in [&short, &long, &short] {
            first.add(|own| own.push_str(lines));
        }
        let first = first.written(Format::Classic);
        assert_eq!(first.pieces(), [[&*short, &long, &short].concat()]);
        let mut page = first;
        let mut shared = Vec::new();
        for _ in 0..3 {
            let mut next = Text::like(Some(&page), String::new());
            for index in 0..3 {
                next.repeat(page.lines(index).expect("it is there"));
            }
            next.add(|own| own.push_str("end"));
            page = next.written(Format::Classic);
            let end = format!("{short}end");
            assert_eq!(page.pieces(), [&short, &long, &end]);
            shared.push(page.pieces()[1].as_ptr());
        }
        shared.dedup();
        assert_eq!(shared.len(), 1, "sent from where it is");
    }

    #[test]
    fn memory_that_was_needed_once_is_given_back() {
        let mut text = Text::like(None, String::with_capacity(1 << 20));
        text.add(|own| own.push_str("a 1\n"));
        assert!(text.written(Format::Classic).own.capacity() < 1 << 10);
    }
}

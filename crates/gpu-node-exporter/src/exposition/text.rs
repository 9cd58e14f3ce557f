//! The text of a page, and where in it the lines of each family are: pages that follow each other share or copy what is the same.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::lines::Lines;
use super::negotiation::Format;

/// A page in one format.
#[derive(Debug)]
pub(crate) struct Written {
    pub(super) format: Format,
    /// What no other page shares: the lines of most families, one after the other.
    pub(crate) own: Arc<String>,
    /// Of the layout's families, in order, and of what ends a page.
    families: Vec<Place>,
    /// Where the values of all samples begin, family after family, each counted from the beginning of its family's lines.
    values: Vec<usize>,
}

/// Where the lines of a family are, and which of the values are theirs.
#[derive(Clone, Debug)]
struct Place {
    lines: Whose,
    values: Range<usize>,
}

/// Whose the lines of a family are.
#[derive(Clone, Debug)]
enum Whose {
    /// In the page's own text.
    Own(Range<usize>),
    /// In a text that this page shares with the next, and may share with the one before.
    Shared(Arc<str>),
}

/// The lines of a family of a page that is written, and where in them the values begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'page> {
    lines: KnownLines<'page>,
    values: &'page [usize],
}

#[derive(Clone, Copy, Debug)]
enum KnownLines<'page> {
    Own(&'page str),
    Shared(&'page Arc<str>),
}

/// Bytes. Fewer are copied, since each piece of a page costs its sender some time.
const LEAST_SHARED: usize = 4096;

impl Written {
    /// The lines of the family with this place in the layout.
    pub(super) fn lines(&self, index: usize) -> Option<Known<'_>> {
        let place = self.families.get(index)?;
        let lines = match &place.lines {
            Whose::Own(range) => KnownLines::Own(self.own.get(range.clone())?),
            Whose::Shared(text) => KnownLines::Shared(text),
        };
        Some(Known { lines, values: self.values.get(place.values.clone())? })
    }

    /// The page, in pieces that are sent from where they are.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        let own = Bytes::from_owner(Kept(Arc::clone(&self.own)));
        let mut pieces = Vec::new();
        // What stands between two shared texts is one piece.
        let mut between = 0..0;
        for place in &self.families {
            match &place.lines {
                Whose::Own(range) => between.end = range.end,
                Whose::Shared(text) => {
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

impl<'page> Known<'page> {
    pub(super) fn text(self) -> &'page str {
        match self.lines {
            KnownLines::Own(text) => text,
            KnownLines::Shared(text) => text,
        }
    }

    /// Where the value of each sample begins.
    pub(super) fn values(self) -> &'page [usize] {
        self.values
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
    families: Vec<Place>,
    values: Vec<usize>,
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
        let (families, values) = before.map_or((0, 0), |before| (before.families.len(), before.values.len()));
        Self { own, families: Vec::with_capacity(families), values: Vec::with_capacity(values) }
    }

    /// Adds the lines of a family, which `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Lines<'_>)) {
        let (begin, first) = (self.own.len(), self.values.len());
        write(&mut Lines::at_end_of(&mut self.own, &mut self.values));
        self.families
            .push(Place { lines: Whose::Own(begin..self.own.len()), values: first..self.values.len() });
    }

    /// Adds the lines that a family had on the page before.
    pub(super) fn repeat(&mut self, known: Known<'_>) {
        let begin = self.own.len();
        let lines = match known.lines {
            KnownLines::Shared(text) => Whose::Shared(Arc::clone(text)),
            // What is said twice is likely to be said again.
            KnownLines::Own(text) if text.len() >= LEAST_SHARED => Whose::Shared(text.into()),
            KnownLines::Own(text) => {
                self.own.push_str(text);
                Whose::Own(begin..self.own.len())
            }
        };
        let first = self.values.len();
        self.values.extend_from_slice(known.values);
        self.families.push(Place { lines, values: first..self.values.len() });
    }

    /// It is done.
    pub(super) fn written(self, format: Format) -> Written {
        Written { format, own: Arc::new(self.own), families: self.families, values: self.values }
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
            first.add(|own| own.text.push_str(lines));
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
            next.add(|own| own.text.push_str("end"));
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
        text.add(|own| own.text.push_str("a 1\n"));
        assert!(text.written(Format::Classic).own.capacity() < 1 << 10);
    }
}

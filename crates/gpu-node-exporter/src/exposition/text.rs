//! The text of a page, and where its families and their lines end: the next page copies what is the same.

use std::sync::Arc;

use super::negotiation::Format;

/// A page in one format.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: Arc<String>,
    pub(super) format: Format,
    families: Vec<Ends>,
    /// In the text of their family: where its head ends, and where each sample's line ends.
    lines: Vec<usize>,
}

/// Where a family ends, in the text and in the list of its lines.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    text: usize,
    lines: usize,
}

/// The text of one family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) text: &'a str,
    /// Where the head ends, and where each sample's line ends.
    pub(super) lines: &'a [usize],
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) out: String,
    families: Vec<Ends>,
    lines: Vec<usize>,
}

impl Written {
    /// The text of the family with this place in the layout.
    pub(super) fn family(&self, index: usize) -> Option<Known<'_>> {
        let from = index
            .checked_sub(1)
            .map_or(Some(Ends::default()), |before| self.families.get(before).copied())?;
        let to = self.families.get(index)?;
        Some(Known { text: self.text.get(from.text..to.text)?, lines: self.lines.get(from.lines..to.lines)? })
    }
}

impl Text {
    /// With room for about as much as the page before, in the memory of a text that is needed no more.
    pub(super) fn like(before: Option<&Written>, memory: String) -> Self {
        let room = |of: fn(&Written) -> usize| before.map_or(0, of);
        let mut out = memory;
        out.clear();
        out.reserve(room(|before| before.text.len() * 9 / 8));
        Self {
            out,
            families: Vec::with_capacity(room(|before| before.families.len())),
            lines: Vec::with_capacity(room(|before| before.lines.len())),
        }
    }

    /// Where the family under way begins.
    fn begin(&self) -> usize {
        self.families.last().map_or(0, |ends| ends.text)
    }

    /// The head or a line of the family under way ends here.
    pub(super) fn end_line(&mut self) {
        self.end_line_after(0);
    }

    /// It ends after so many bytes that are still to be written.
    pub(super) fn end_line_after(&mut self, bytes: usize) {
        self.lines.push(self.out.len() + bytes - self.begin());
    }

    /// Writes the family under way as it was.
    pub(super) fn copy(&mut self, known: Known<'_>) {
        self.out.push_str(known.text);
        self.lines.extend_from_slice(known.lines);
    }

    /// The family under way ends here, and the next begins.
    pub(super) fn end_family(&mut self) {
        self.families.push(Ends { text: self.out.len(), lines: self.lines.len() });
    }

    /// It is done.
    pub(super) fn written(self, format: Format) -> Written {
        let Self { out, families, lines } = self;
        Written { text: Arc::new(out), format, families, lines }
    }
}

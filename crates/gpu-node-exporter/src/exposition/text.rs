//! The text of a page, and where its families end: the next page copies what is the same.

use std::sync::Arc;

use super::negotiation::Format;

/// A page in one format.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: Arc<String>,
    pub(super) format: Format,
    /// Where each family of the layout ends.
    ends: Vec<usize>,
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) out: String,
    ends: Vec<usize>,
}

impl Written {
    /// The text of the family with this place in the layout.
    pub(super) fn family(&self, index: usize) -> Option<&str> {
        let from = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from..*self.ends.get(index)?)
    }
}

impl Text {
    /// With room for about as much as the page before, in the memory of a text that is needed no more.
    pub(super) fn like(before: Option<&Written>, memory: String) -> Self {
        let mut out = memory;
        out.clear();
        out.reserve(before.map_or(0, |before| before.text.len() * 9 / 8));
        Self { out, ends: Vec::with_capacity(before.map_or(0, |before| before.ends.len())) }
    }

    /// The family under way ends here, and the next begins.
    pub(super) fn end_family(&mut self) {
        self.ends.push(self.out.len());
    }

    /// It is done.
    pub(super) fn written(self, format: Format) -> Written {
        Written { text: Arc::new(self.out), format, ends: self.ends }
    }
}

//! From families to the bytes of a page.
//!
//! `exposition/layout.rs` puts the families in order, `exposition/page.rs` finds what a page must leave out, `exposition/repeats.rs` series
//! that are there twice, `exposition/shape.rs` decides under which name and type a family goes out in OpenMetrics,
//! `exposition/negotiation.rs` reads which format a scraper wants, `exposition/openmetrics.rs` and `exposition/classic.rs` write the two.
//! Leaves out HTTP.
//!
//! Pages that follow each other differ in few things. A page is made beside the one before: what was found out of its series holds while
//! they are the same, and the text of a family that says the same is copied.

use std::sync::Arc;

mod lines;
mod negotiation;
mod refused;
mod repeats;
mod shape;

mod layout;
mod page;

mod classic;
mod openmetrics;

mod history;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod succession;

pub(crate) use history::{History, OPENMETRICS};
pub(crate) use negotiation::{Format, accepts_gzip};
pub(crate) use page::Page;
pub(crate) use refused::Refused;

/// A page in one format.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: Arc<String>,
    format: Format,
    /// Where the text of each of the layout's families ends.
    ends: Vec<usize>,
}

impl Written {
    /// The text of the family with this place in the layout.
    fn family(&self, index: usize) -> Option<&str> {
        let from = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from..*self.ends.get(index)?)
    }
}

impl Page {
    /// Writes the page. `before` is the page before, which this one was made beside.
    pub(crate) fn write(&self, format: Format, before: Option<&Written>) -> Written {
        let before = before.filter(|before| before.format == format);
        // The size will be close to that of the page before.
        let mut text = String::with_capacity(before.map_or(0, |before| before.text.len() * 9 / 8));
        let mut ends = Vec::with_capacity(before.map_or(0, |before| before.ends.len()));
        for (index, family) in self.families().enumerate() {
            if let Some(family) = family {
                match (
                    before.filter(|_| family.is_unchanged()).and_then(|before| before.family(index)),
                    format,
                ) {
                    (Some(known), _) => text.push_str(known),
                    (None, Format::OpenMetrics) => openmetrics::write(&mut text, &family),
                    (None, Format::Classic) => classic::write(&mut text, &family),
                }
            }
            ends.push(text.len());
        }
        if format == Format::OpenMetrics {
            text.push_str(openmetrics::END);
        }
        Written { text: Arc::new(text), format, ends }
    }
}

#[cfg(test)]
mod tests;

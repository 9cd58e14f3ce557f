//! From families to the bytes of a page.
//!
//! `exposition/layout.rs` puts the families in order, `exposition/page.rs` finds what a page must leave out, `exposition/repeats.rs` series
//! that are there twice, `exposition/shape.rs` decides under which name and type a family goes out in OpenMetrics,
//! `exposition/negotiation.rs` reads which format a scraper wants, `exposition/openmetrics.rs` and `exposition/classic.rs` write the two.
//! Leaves out HTTP.
//!
//! Pages that follow each other differ in few things. A page is made beside the one before: what was found out of its series holds while
//! they are the same, and the text of a family that says the same is shared or copied (`exposition/text.rs`). Of one whose series have other values, the
//! lines are copied up to these (`exposition/revalued.rs`).

mod lines;
mod negotiation;
mod refused;
mod repeats;
mod shape;

mod layout;
mod page;

mod text;

mod classic;
mod openmetrics;
mod revalued;

mod history;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod succession;

pub(crate) use history::{History, OPENMETRICS};
pub(crate) use negotiation::{Format, accepts_gzip};
pub(crate) use page::Page;
pub(crate) use refused::Refused;
pub(crate) use text::Written;

use crate::family::Kind;
use page::{Likeness, Merged};
use text::Text;

impl Page {
    /// Writes the page. `before` is the page before, which this one was made beside, and its text; `memory` a page's own text that is needed no
    /// more.
    pub(crate) fn write(&self, format: Format, before: Option<(&Self, &Written)>, memory: String) -> Written {
        let before = before.filter(|(_, written)| written.format == format);
        let mut text = Text::like(before.map(|(_, written)| written), memory);
        for (index, family) in self.families().enumerate() {
            let Some(family) = family else {
                text.add(|_| {});
                continue;
            };
            let known = before.and_then(|(page, written)| Some((page, written.lines(index)?)));
            match (known, family.likeness(), format) {
                (Some((_, known)), Likeness::Text, _) => text.repeat(known),
                (Some((page, known)), Likeness::Series, _) if is_told_by_values(&family, format) => {
                    text.add(|out| revalued::write(out, &family, page, known));
                }
                (_, _, Format::OpenMetrics) => text.add(|out| openmetrics::write(out, &family)),
                (_, _, Format::Classic) => text.add(|out| classic::write(out, &family)),
            }
        }
        if format == Format::OpenMetrics {
            text.add(|out| out.text.push_str(openmetrics::END));
        }
        text.written(format)
    }
}

/// Whether lines end with the values of their samples. An info of `OpenMetrics` is 1, whatever its value.
fn is_told_by_values(family: &Merged<'_>, format: Format) -> bool {
    format == Format::Classic || family.shape().kind != Kind::Info
}

#[cfg(test)]
mod tests;

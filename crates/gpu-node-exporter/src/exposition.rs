//! From families to the bytes of a page.
//!
//! `exposition/page.rs` puts the families together, `exposition/repeats.rs` finds series that are there twice,
//! `exposition/shape.rs` decides under which name and type a family goes out in OpenMetrics, `exposition/negotiation.rs` reads which format a scraper wants, `exposition/openmetrics.rs` and
//! `exposition/classic.rs` write the two. Leaves out HTTP.

mod lines;
mod negotiation;
mod repeats;
mod shape;

mod page;

mod classic;
mod openmetrics;

mod history;
#[cfg(test)]
mod oracle;

pub(crate) use history::{History, OPENMETRICS};
pub(crate) use negotiation::{Format, accepts_gzip};
pub(crate) use page::{Page, Refused};

impl Page {
    /// The bytes of the page. `expected` is about how many there will be.
    pub(crate) fn encode(&self, format: Format, expected: usize) -> String {
        match format {
            Format::OpenMetrics => openmetrics::encode(self, expected),
            Format::Classic => classic::encode(self, expected),
        }
    }
}

#[cfg(test)]
mod tests;

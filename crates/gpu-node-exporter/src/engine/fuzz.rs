//! What fuzzers drive of engines' pages.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use super::reading::{LONGEST_MODEL, MOST_MODELS, PageReader};

/// A page, whole and in two pieces: both say the same, and what is kept is bounded.
pub fn engine_page(bytes: &[u8]) {
    let read = |pieces: &[&[u8]]| {
        let mut reader = PageReader::default();
        pieces.iter().try_for_each(|piece| reader.take(piece)).map(|()| reader.end())
    };
    let whole = read(&[bytes]);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(whole.as_ref().ok(), read(&[first, second]).as_ref().ok());
    let Ok(reading) = whole else { return };
    assert!(reading.models.len() <= MOST_MODELS);
    assert!(reading.models.iter().all(|(_, name)| name.len() <= LONGEST_MODEL));
    let numbers = reading.counters.iter().chain([&reading.running, &reading.waiting]);
    assert!(numbers.flatten().all(|number| *number >= 0.0));
}

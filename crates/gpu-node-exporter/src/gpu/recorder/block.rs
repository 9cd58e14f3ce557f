//! Some of one GPU's readings in a row: a line of time and JSON each, taken apart as they come and packed once there are enough.

use std::time::Instant;

use super::packed::{Dictionary, LONGEST_DICTIONARY, Packed};
use super::table::{self, Table};
use crate::gpu::delta::Diff as _;
use crate::gpu::reading::Reading;
use crate::gpu::snapshot::Moment;

/// A block holds so many seconds.
const SECONDS: f64 = 60.0;

/// Or so many bytes before they are packed. Of an H100 with NVLink these are some 17 readings, half of it the first of them. Twice as many readings
/// pack a twentieth better; what waits takes that much more.
const ROOM: usize = 20 << 10;

/// Readings, packed. A block can be read alone.
#[derive(Debug)]
pub(super) struct Block {
    /// How often the clock had been set back.
    pub(super) run: u32,
    /// When the first was taken, in seconds since 1970.
    pub(super) from: f64,
    /// When the last was taken: unlike the times in it, nobody sets this back.
    pub(super) until: Instant,
    packed: Packed,
}

impl Block {
    pub(super) fn size(&self) -> usize {
        self.packed.size()
    }

    /// What [`sweeps`] reads.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        self.packed.unpack()
    }
}

/// The readings of a block with this content: when each was taken, in seconds since 1970, and what leads to it from
/// nothing, as JSON.
pub(super) fn sweeps(content: &[u8]) -> impl Iterator<Item = (f64, String)> {
    table::lines(content).filter_map(|mut line| {
        let (millis, _) = line.split_once(' ')?;
        let at = millis.parse::<f64>().ok()? / 1e3;
        line.drain(..=millis.len());
        Some((at, line))
    })
}

/// The readings that are not packed yet.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenBlock {
    table: Table,
    run: u32,
    /// When the first was taken, in seconds since 1970.
    from: f64,
    /// When the last was taken.
    last: Option<Instant>,
}

impl OpenBlock {
    /// Whether a reading of this run and time belongs into the next block. A clock set back begins one.
    pub(super) fn is_full(&self, run: u32, at: f64) -> bool {
        self.last.is_some() && (self.size() >= ROOM || at - self.from >= SECONDS || run != self.run)
    }

    /// Adds a reading of this time, which has whole milliseconds. What stays the same of one takes next to nothing: each is added whole.
    pub(super) fn add(&mut self, reading: &Reading, run: u32, Moment { at, now }: Moment) {
        // Plain data; one that cannot be written would cost this one reading.
        if let Ok(whole) = serde_json::to_string(&reading.diff(&Reading::default())) {
            if self.last.is_none() {
                (self.run, self.from) = (run, at);
            }
            self.table.add(&format!("{:.0} {whole}", at * 1e3));
            self.last = Some(now);
        }
    }

    pub(super) fn size(&self) -> usize {
        self.table.size()
    }

    /// When the first was taken, in seconds since 1970.
    pub(super) fn from(&self) -> Option<f64> {
        self.last.is_some().then_some(self.from)
    }

    /// A dictionary for blocks of readings like the last.
    pub(super) fn dictionary(&self) -> Option<Dictionary> {
        let content = self.table.last_alone()?.content();
        (content.len() <= LONGEST_DICTIONARY).then(|| content.into())
    }

    /// Takes out what there is, as a block; `None` when there is nothing.
    pub(super) fn close(&mut self, dictionary: &Dictionary) -> Option<Block> {
        let until = self.last.take()?;
        let packed = Packed::new(&self.table.content(), dictionary);
        self.table.clear();
        Some(Block { run: self.run, from: self.from, until, packed })
    }
}

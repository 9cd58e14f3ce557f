//! A minute of one GPU's readings: the time and what changed, a line each, packed as soon as there are some.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::gpu::delta::Diff as _;
use crate::gpu::reading::Reading;
use crate::gpu::snapshot::Moment;

/// A block holds so many seconds.
const SECONDS: f64 = 60.0;

/// Or so many bytes.
const ROOM: usize = 64 << 10;

/// So many bytes of lines are packed together. A sweep of a GPU with NVLink has some KiB, and a minute of eight as text is a megabyte.
const PART: usize = 16 << 10;

/// Readings of one minute, packed. The first is whole, so that a block can be read alone.
#[derive(Debug)]
pub(super) struct Block {
    /// How often the clock had been set back.
    pub(super) run: u32,
    /// When the first was taken, in seconds since 1970.
    pub(super) from: f64,
    /// When the last was taken: unlike the times in it, nobody sets this back.
    pub(super) until: Instant,
    /// Lines of time and JSON, in parts, by gzip (RFC 1952).
    packed: Box<[u8]>,
}

impl Block {
    pub(super) fn size(&self) -> usize {
        self.packed.len()
    }

    /// The lines.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut text = String::new();
        MultiGzDecoder::new(&*self.packed).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// The minute that is not over.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenBlock {
    packed: Vec<u8>,
    /// The lines that are not packed yet.
    text: String,
    run: u32,
    /// When the first was taken, in seconds since 1970.
    from: f64,
    /// The last, and when it was taken.
    last: Option<(Arc<Reading>, Instant)>,
}

impl OpenBlock {
    /// Whether a reading of this run and time belongs into the next block. A clock set back begins one.
    pub(super) fn is_full(&self, run: u32, at: f64) -> bool {
        self.last.is_some() && (self.size() >= ROOM || at - self.from >= SECONDS || run != self.run)
    }

    pub(super) fn add(&mut self, reading: &Arc<Reading>, run: u32, Moment { at, now }: Moment) {
        if self.last.is_none() {
            (self.run, self.from) = (run, at);
        }
        let changes = match &self.last {
            Some((last, _)) => reading.diff(last),
            None => reading.diff(&Reading::default()),
        };
        // Plain data; a number that JSON does not have (NaN) costs this one reading.
        if let Ok(changes) = serde_json::to_string(&changes) {
            if self.text.len() >= PART {
                self.pack();
            }
            self.text.extend([format!("{at:.3} ").as_str(), &changes, "\n"]);
            self.last = Some((Arc::clone(reading), now));
        }
    }

    pub(super) fn size(&self) -> usize {
        self.packed.len() + self.text.len()
    }

    /// When the first was taken, in seconds since 1970.
    pub(super) fn from(&self) -> Option<f64> {
        self.last.is_some().then_some(self.from)
    }

    /// What there is as a block; `None` when there is nothing.
    pub(super) fn close(mut self) -> Option<Block> {
        let (_, until) = self.last.take()?;
        self.pack();
        Some(Block { run: self.run, from: self.from, until, packed: self.packed.into() })
    }

    fn pack(&mut self) {
        let mut encoder = GzEncoder::new(&mut self.packed, Compression::default());
        encoder.write_all(self.text.as_bytes()).expect("writing to a Vec cannot fail");
        encoder.finish().expect("writing to a Vec cannot fail");
        self.packed.shrink_to_fit();
        self.text.clear();
    }
}

//! One GPU's recording, played back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::block::{Block, sweeps};
use crate::family::{Family, Labels};
use crate::gpu::delta::Diff as _;
use crate::gpu::reading::{self, MadeByPart, Reading, ReadingDelta, ShownGpu, Sums};
use crate::gpu::snapshot::SILENCE;
use crate::gpu::subject::Step;
use crate::gpu::xid::Detail;

/// Readings of one GPU, from the oldest on.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) uuid: String,
    /// NVML's index when it last answered.
    pub(crate) index: u32,
    /// UUIDs of others that had this index when they last answered, where the index was asked for.
    pub(crate) others: Vec<String>,
    /// Why it was kept, if it was.
    pub(crate) cause: Option<Cause>,
    /// When its last minutes begin, in seconds since 1970, where there was no room for those before.
    pub(crate) begins: Option<f64>,
    pub(super) blocks: Vec<Arc<Block>>,
}

/// What of a recording is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Seconds since 1970.
    pub(crate) since: f64,
    pub(crate) until: f64,
    /// No more sweeps than this: the last.
    pub(crate) most: usize,
    /// Where the clock was set back, only what came after: its times rise.
    pub(crate) only_newest_run: bool,
    /// A gap longer than this adds nothing to what is summed up: nobody knows what was in it.
    pub(crate) longest_gap: Duration,
}

/// What of a recording was not played, or not as it may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// Sweeps that were too many.
    pub(crate) left_out: usize,
    /// The clock was set back within what was asked for.
    pub(crate) was_set_back: bool,
}

/// What made a recording worth keeping.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cause {
    /// In words: `XID 79`, `does not answer`.
    pub(crate) what: String,
    /// The GPU was lost, hangs, or had a fatal XID. All else may be over in a moment: a call that took too long.
    #[serde(skip)]
    pub(crate) is_loss: bool,
    /// Seconds since 1970.
    pub(crate) at: f64,
    /// The code of an XID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) xid: Option<u32>,
    /// What the kernel log says of an XID, and what of it is understood.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) detail: Detail,
}

impl Cause {
    /// Something that happened at `at`, in seconds since 1970.
    pub(crate) fn new(what: String, at: f64, is_loss: bool) -> Self {
        Self { what, is_loss, at, xid: None, text: String::new(), detail: Detail::default() }
    }

    /// Something has happened since, after so long. Where it is the same that another source tells of, who tells more counts; and the first XID
    /// soon after a loss says why: a sweep may come first.
    pub(super) fn add(&mut self, later: Self, passed: Duration) {
        let says_why = self.xid.is_none() && later.xid.is_some() && passed < SILENCE;
        if says_why {
            (self.xid, self.text, self.detail) = (later.xid, later.text, later.detail);
        } else if later.what == self.what && self.text.is_empty() {
            (self.text, self.detail) = (later.text, later.detail);
        }
    }
}

impl Recording {
    /// Calls `on_sweep` with the time (seconds since 1970) and the families of each sweep that is asked for, in the order in which they
    /// came. What the exporter sums up (busy seconds, joules) begins with 0 at the first.
    pub(crate) fn play(&self, asked: Asked, mut on_sweep: impl FnMut(f64, Vec<Family>)) -> Played {
        // Packed by this program; one that could not be unpacked would be lost memory, and costs its readings.
        let mut contents: Vec<_> =
            self.blocks.iter().filter_map(|block| Some((block.run, block.content()?))).collect();
        let is_asked_for = |at: f64| (asked.since..=asked.until).contains(&at);
        let count = |content: &[u8]| sweeps(content).filter(|(at, _)| is_asked_for(*at)).count();
        contents.retain(|(_, content)| count(content) > 0);
        let newest_run = contents.iter().map(|(run, _)| *run).max().unwrap_or_default();
        let was_set_back = contents.iter().any(|(run, _)| *run != newest_run);
        contents.retain(|(run, _)| !asked.only_newest_run || *run == newest_run);
        let too_many =
            contents.iter().map(|(_, content)| count(content)).sum::<usize>().saturating_sub(asked.most);

        let labels = Labels::new([("gpu", self.index.to_string()), ("uuid", self.uuid.clone())]);
        let (mut sums, mut made) = (Sums::default(), MadeByPart::default());
        let (mut seen, mut before, mut now) = (0, None, Instant::now());
        for (_, content) in &contents {
            for (at, whole) in sweeps(content).filter(|(at, _)| is_asked_for(*at)) {
                seen += 1;
                if seen <= too_many {
                    continue;
                }
                // None where the clock was set back: nobody knows how long it was.
                let passed = Duration::try_from_secs_f64(at - before.unwrap_or(at)).unwrap_or_default();
                before = Some(at);
                now += passed;
                let mut reading = Reading::default();
                if let Ok(Some(changes)) = serde_json::from_str::<Option<ReadingDelta>>(&whole) {
                    reading.apply(changes);
                }
                let gap = if passed <= asked.longest_gap { passed } else { Duration::ZERO };
                reading.subjects.add_to(&mut sums, Step { now, gap });
                let shown = ShownGpu { labels: labels.clone(), reading: &reading, sums: &sums };
                let families = reading::families(&[shown], None, &mut made);
                let families = families.into_iter().flat_map(Arc::unwrap_or_clone);
                on_sweep(at, families.collect());
            }
        }
        Played { left_out: too_many, was_set_back }
    }
}

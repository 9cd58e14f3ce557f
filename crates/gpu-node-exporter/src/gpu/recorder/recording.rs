//! One GPU's recording, played back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::block::Block;
use crate::family::{Family, Labels};
use crate::gpu::delta::Diff as _;
use crate::gpu::reading::{self, MadeBySubject, Reading, ReadingDelta, ShownGpu, Sums};
use crate::gpu::subject::Step;
use crate::gpu::xid::Detail;

/// A gap longer than this adds nothing to what is summed up: nobody knows what was in it.
const LONGEST_GAP: f64 = 60.0;

/// Readings of one GPU, from the oldest on.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) uuid: String,
    /// NVML's index when it last answered.
    pub(crate) index: u32,
    /// Why it was kept, if it was.
    pub(crate) cause: Option<Cause>,
    pub(super) blocks: Vec<Arc<Block>>,
}

/// What made a recording worth keeping.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cause {
    /// In words: `XID 79`, `does not answer`.
    pub(crate) what: String,
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
    pub(crate) fn new(what: String, at: f64) -> Self {
        Self { what, at, xid: None, text: String::new(), detail: Detail::default() }
    }

    /// Something has happened since. Where it is the same that another source tells of, who tells more counts.
    pub(super) fn add(&mut self, later: Self) {
        if later.what == self.what && self.text.is_empty() {
            (self.text, self.detail) = (later.text, later.detail);
        }
    }
}

impl Recording {
    /// Calls `on_sweep` with the time (seconds since 1970) and the families of each sweep from `since` to `until`, of more than `most` the
    /// last. Says how many were left out so. What the exporter sums up (busy seconds, joules) begins with 0 at the first.
    pub(crate) fn play(
        &self,
        since: f64,
        until: f64,
        most: usize,
        mut on_sweep: impl FnMut(f64, Vec<Family>),
    ) -> usize {
        // Packed by this program; one that could not be unpacked would be lost memory, and costs its minute.
        let texts: Vec<_> = self.blocks.iter().filter_map(|block| block.text().ok()).collect();
        let is_asked_for = |at: f64| (since..=until).contains(&at);
        let times = texts.iter().flat_map(|text| text.lines()).filter_map(time);
        let too_many = times.filter(|(at, _)| is_asked_for(*at)).count().saturating_sub(most);

        let labels = Labels::new([("gpu", self.index.to_string()), ("uuid", self.uuid.clone())]);
        let (mut sums, mut made) = (Sums::default(), MadeBySubject::default());
        let (mut seen, mut before, origin) = (0, None, Instant::now());
        for text in &texts {
            let mut reading = Reading::default();
            for (at, changes) in text.lines().filter_map(time) {
                if let Ok(Some(changes)) = serde_json::from_str::<Option<ReadingDelta>>(changes) {
                    reading.apply(changes);
                }
                if !is_asked_for(at) {
                    continue;
                }
                seen += 1;
                if seen <= too_many {
                    continue;
                }
                let (first, last) = *before.get_or_insert((at, at));
                let seconds = |of: f64| Duration::try_from_secs_f64(of).unwrap_or_default();
                let gap = Some(at - last).filter(|gap| *gap <= LONGEST_GAP).map(seconds).unwrap_or_default();
                let now = origin + seconds(at - first);
                reading.subjects.add_to(&mut sums, Step { now, gap });
                before = Some((first, at));
                let shown = ShownGpu { labels: labels.clone(), reading: &reading, sums: &sums };
                let families = reading::families(&[shown], None, &mut made);
                let families = families.into_iter().flat_map(Arc::unwrap_or_clone);
                on_sweep(at, families.collect());
            }
        }
        too_many
    }
}

/// The time of a line, and the rest of it.
fn time(line: &str) -> Option<(f64, &str)> {
    let (at, changes) = line.split_once(' ')?;
    Some((at.parse().ok()?, changes))
}

//! The flight recorder: every reading of the last ten minutes of each GPU, for what everybody asks the morning after.
//!
//! Owns the memory and its bounds. A GPU's recording is kept as it was when the GPU is lost, hangs or has a fatal XID: readings that come
//! after push nothing of it out. Leaves out how a recording is asked for and written (`service`, `exposition`).

mod block;
mod number;
mod packed;
mod recording;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::block::{Block, OpenBlock};
use self::packed::Dictionary;
pub(crate) use self::recording::{Asked, Cause, Played, Recording};
use super::reading::Reading;
use super::snapshot::{Moment, SILENCE};

/// How long a reading is kept.
const LENGTH: Duration = Duration::from_mins(10);

/// Bytes of a GPU's recording. Ten minutes at 1 Hz were measured to take 100 KiB of a busy H100. At 100 ms this is room for nine minutes of one.
/// Beyond it the oldest readings go, and who asks is told.
pub(crate) const ROOM: usize = 512 << 10;

/// More GPUs than a machine has; any beyond are not recorded.
const MOST_GPUS: usize = 64;

/// A dictionary is replaced by one that is longer by an eighth.
const MUCH: usize = 8;

/// What happened once is not pushed out by what it brings with it, for so long, and while that goes on; only by the first loss, where it was
/// none.
const CAUSE_STANDS: Duration = LENGTH;

/// A clock that is set back by more begins a new run.
const LITTLE_BACK_MILLIS: f64 = 1e3;

/// The recordings of all GPUs, for who records and for who asks. Nothing slow is done while it is locked: what is handed out is shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedRecorder(Arc<Mutex<Recorder>>);

impl SharedRecorder {
    /// The recordings, for as long as the answer lives.
    pub(super) fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The recordings of all GPUs.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    by_uuid: BTreeMap<String, Track>,
    /// What the next blocks are packed with. GPUs of one machine mostly have the same to tell.
    dictionary: Dictionary,
}

/// One GPU.
#[derive(Debug, Default)]
struct Track {
    /// NVML's index when it last answered.
    index: u32,
    blocks: VecDeque<Arc<Block>>,
    /// What was let go of last was not too old: there was no room for it.
    is_short: bool,
    open: OpenBlock,
    kept: Option<Kept>,
    /// Of the newest reading, since 1970.
    newest_millis: f64,
    /// When that came.
    newest: Option<Instant>,
    /// How often the clock was set back. The times of one run rise.
    run: u32,
}

/// A recording as it was when something happened.
#[derive(Debug)]
struct Kept {
    cause: Cause,
    /// When that happened: what the clock says may be set back since.
    since: Instant,
    /// When something last happened.
    last: Instant,
    blocks: Vec<Arc<Block>>,
}

impl Recorder {
    /// Takes in a reading of the GPU at this index.
    pub(super) fn record(&mut self, index: u32, reading: &Arc<Reading>, moment: Moment) {
        if !self.by_uuid.contains_key(&reading.uuid) {
            if self.by_uuid.len() >= MOST_GPUS {
                return;
            }
            self.by_uuid.insert(reading.uuid.clone(), Track::default());
        }
        let Some(track) = self.by_uuid.get_mut(&reading.uuid) else { return };
        track.index = index;
        track.newest = Some(moment.now);
        let at = track.own_millisecond(moment.at);
        if track.open.is_full(track.run, at) {
            track.close(&mut self.dictionary);
        }
        track.open.add(reading, track.run, Moment { at, ..moment });
        track.forget(moment.now);
    }

    /// Keeps what there is of a GPU, because of something that happened to it at `now`.
    pub(super) fn keep(&mut self, uuid: &str, cause: Cause, now: Instant) {
        let Some(track) = self.by_uuid.get_mut(uuid) else { return };
        if let Some(kept) = &mut track.kept
            && (kept.cause.is_loss || !cause.is_loss)
            && (now.saturating_duration_since(kept.since) < CAUSE_STANDS
                || now.saturating_duration_since(kept.last) < SILENCE)
        {
            kept.last = now;
            kept.cause.add(cause, now.saturating_duration_since(kept.since));
            return;
        }
        track.close(&mut self.dictionary);
        let blocks = track.blocks.iter().map(Arc::clone).collect();
        track.kept = Some(Kept { cause, since: now, last: now, blocks });
    }

    /// The recording of the GPU with this index or UUID. Of several that had this index it is the one that answered last.
    pub(super) fn recording(&self, gpu: &str) -> Option<Recording> {
        let at_index = || self.by_uuid.iter().filter(|(_, track)| track.index.to_string() == gpu);
        let newest = || at_index().max_by_key(|(_, track)| track.newest);
        let of_uuid = self.by_uuid.get_key_value(gpu);
        let (uuid, track) = of_uuid.or_else(newest)?;
        let others = at_index().map(|(other, _)| other).filter(|other| of_uuid.is_none() && *other != uuid);
        let open = track.open.clone().close(&self.dictionary).map(Arc::new);
        let blocks = track.closed().map(Arc::clone).chain(open).collect();
        Some(Recording {
            uuid: uuid.clone(),
            index: track.index,
            others: others.cloned().collect(),
            cause: track.kept.as_ref().map(|kept| kept.cause.clone()),
            begins: track.begins(),
            blocks,
        })
    }

    /// The GPUs that are recorded: index and UUID.
    pub(super) fn gpus(&self) -> Vec<(u32, String)> {
        let mut gpus: Vec<_> = self.by_uuid.iter().map(|(uuid, track)| (track.index, uuid.clone())).collect();
        gpus.sort();
        gpus
    }

    /// Bytes that all recordings take.
    pub(super) fn size(&self) -> usize {
        self.by_uuid.values().map(Track::size).sum::<usize>() + self.dictionary.len()
    }
}

impl Track {
    /// A time for the next reading, in seconds, that no other has: a busy machine hands over two sweeps within one millisecond, and a clock
    /// may be set back by a little. Who reads the recording takes one value for each time.
    fn own_millisecond(&mut self, at: f64) -> f64 {
        let mut millis = (at * 1e3).round();
        if (0.0..LITTLE_BACK_MILLIS).contains(&(self.newest_millis - millis)) {
            millis = self.newest_millis + 1.0;
        } else if millis < self.newest_millis {
            self.run += 1;
        }
        self.newest_millis = millis;
        millis / 1e3
    }

    /// Closes the block that is open, with another dictionary where the last reading says much that the present one has not.
    fn close(&mut self, dictionary: &mut Dictionary) {
        let own = self.open.dictionary();
        if let Some(own) = own.filter(|own| own.len() > dictionary.len() + dictionary.len() / MUCH) {
            *dictionary = own;
        }
        self.blocks.extend(self.open.close(dictionary).map(Arc::new));
    }

    /// The blocks that were kept and then the others, each once.
    fn closed(&self) -> impl Iterator<Item = &Arc<Block>> {
        // The ring loses its oldest first: what was kept is in it from a block on to the last of them, or not at all.
        let is_in_ring =
            |block: &&Arc<Block>| self.blocks.front().is_some_and(|oldest| Arc::ptr_eq(block, oldest));
        let kept = self.kept.iter().flat_map(|kept| &kept.blocks);
        kept.take_while(move |block| !is_in_ring(block)).chain(&self.blocks)
    }

    /// Lets go of what is too old, or too much.
    fn forget(&mut self, now: Instant) {
        let mut size: usize = self.blocks.iter().map(|block| block.size()).sum();
        while let Some(oldest) = self.blocks.front() {
            let is_young = now.saturating_duration_since(oldest.until) <= LENGTH;
            if is_young && size <= ROOM {
                return;
            }
            self.is_short = is_young;
            size -= oldest.size();
            self.blocks.pop_front();
        }
    }

    /// When the last minutes begin, in seconds since 1970, where there was no room for those before.
    fn begins(&self) -> Option<f64> {
        let first = self.blocks.front().map(|block| block.from).or(self.open.from());
        first.filter(|_| self.is_short)
    }

    fn size(&self) -> usize {
        self.closed().map(|block| block.size()).sum::<usize>() + self.open.size()
    }
}

#[cfg(test)]
mod tests;

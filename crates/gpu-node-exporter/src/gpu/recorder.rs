//! The flight recorder: every reading of the last ten minutes of each GPU, for what everybody asks the morning after.
//!
//! Owns the memory and its bounds. A GPU's recording is kept as it was when the GPU is lost, hangs or has a fatal XID: readings that come
//! after push nothing of it out. Leaves out how a recording is asked for and written (`service`, `exposition`).

mod block;
mod recording;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::block::{Block, OpenBlock};
pub(crate) use self::recording::{Cause, Recording};
use super::reading::Reading;

/// How long a reading is kept.
const LENGTH: Duration = Duration::from_mins(10);

/// Bytes of a GPU's recording. Ten minutes at 1 Hz were measured to take 30 to 60 KiB, so this is room for sweeps at 100 ms; beyond it the
/// oldest minute goes.
const ROOM: usize = 512 << 10;

/// More GPUs than a machine has; any beyond are not recorded.
const MOST_GPUS: usize = 64;

/// What happened once is not pushed out by what it brings with it.
const CAUSE_STANDS: f64 = LENGTH.as_secs_f64();

/// A clock that is set back by more begins a new block.
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
}

/// One GPU.
#[derive(Debug, Default)]
struct Track {
    /// NVML's index when it last answered.
    index: u32,
    blocks: VecDeque<Arc<Block>>,
    open: OpenBlock,
    kept: Option<Kept>,
    /// Of the newest reading, since 1970.
    newest_millis: f64,
}

/// A recording as it was when something happened.
#[derive(Debug)]
struct Kept {
    cause: Cause,
    blocks: Vec<Arc<Block>>,
}

impl Recorder {
    /// Takes in a reading of the GPU at this index; `at` is seconds since 1970.
    pub(super) fn record(&mut self, index: u32, reading: &Arc<Reading>, at: f64) {
        if !self.by_uuid.contains_key(&reading.uuid) {
            if self.by_uuid.len() >= MOST_GPUS {
                return;
            }
            self.by_uuid.insert(reading.uuid.clone(), Track::default());
        }
        let Some(track) = self.by_uuid.get_mut(&reading.uuid) else { return };
        track.index = index;
        let at = track.own_millisecond(at);
        if track.open.is_full(at) {
            track.close();
        }
        track.open.add(reading, at);
        track.forget(at);
    }

    /// Keeps what there is of a GPU, because of something that happened to it.
    pub(super) fn keep(&mut self, uuid: &str, cause: Cause) {
        let Some(track) = self.by_uuid.get_mut(uuid) else { return };
        if let Some(kept) = &mut track.kept
            && cause.at - kept.cause.at < CAUSE_STANDS
        {
            kept.cause.add(cause);
            return;
        }
        track.close();
        let blocks = track.blocks.iter().map(Arc::clone).collect();
        track.kept = Some(Kept { cause, blocks });
    }

    /// The recording of the GPU with this index or UUID.
    pub(super) fn recording(&self, gpu: &str) -> Option<Recording> {
        let by_index = || self.by_uuid.iter().find(|(_, track)| track.index.to_string() == gpu);
        let (uuid, track) = self.by_uuid.get_key_value(gpu).or_else(by_index)?;
        let kept = track.kept.iter().flat_map(|kept| &kept.blocks);
        // What was kept and is in the ring still is one block.
        let gone = kept.filter(|block| !track.blocks.iter().any(|other| Arc::ptr_eq(block, other)));
        let open = track.open.clone().close().map(Arc::new);
        let blocks = gone.chain(&track.blocks).map(Arc::clone).chain(open).collect();
        Some(Recording {
            uuid: uuid.clone(),
            index: track.index,
            cause: track.kept.as_ref().map(|kept| kept.cause.clone()),
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
        self.by_uuid.values().map(Track::size).sum()
    }
}

impl Track {
    /// A time for the next reading, in seconds, that no other has: a busy machine hands over two sweeps within one millisecond, and a clock
    /// may be set back by a little. Who reads the recording takes one value for each time.
    fn own_millisecond(&mut self, at: f64) -> f64 {
        let mut millis = (at * 1e3).round();
        if (0.0..LITTLE_BACK_MILLIS).contains(&(self.newest_millis - millis)) {
            millis = self.newest_millis + 1.0;
        }
        self.newest_millis = millis;
        millis / 1e3
    }

    fn close(&mut self) {
        self.blocks.extend(std::mem::take(&mut self.open).close().map(Arc::new));
    }

    /// Lets go of what is too old, or too much.
    fn forget(&mut self, now: f64) {
        let mut size: usize = self.blocks.iter().map(|block| block.size()).sum();
        while let Some(oldest) = self.blocks.front() {
            if now - oldest.until <= LENGTH.as_secs_f64() && size <= ROOM {
                return;
            }
            size -= oldest.size();
            self.blocks.pop_front();
        }
    }

    fn size(&self) -> usize {
        let gone = self.kept.iter().flat_map(|kept| &kept.blocks);
        let gone = gone.filter(|block| !self.blocks.iter().any(|other| Arc::ptr_eq(block, other)));
        let closed: usize = gone.chain(&self.blocks).map(|block| block.size()).sum();
        closed + self.open.size()
    }
}

#[cfg(test)]
mod tests;

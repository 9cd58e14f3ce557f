//! What crosses the pipe from the probe to the exporter: plain data, versioned, length-prefixed.
//!
//! Owns the shapes and their wire form. Leaves out where readings come from (`nvml`) and what becomes of them (`snapshot`). Any
//! bytes decode to a frame or an error; nothing is allocated beyond [`MAX_LENGTH`].
//!
//! A frame is four bytes of length (little-endian, version byte included), one byte of version, and JSON. A GPU's reading crosses as
//! what changed since the sweep before ([`Diff`]), so both ends keep the readings of the last sweep: an end belongs to one probe.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::delta::Diff;
use super::driver::{Driver, Failure};
use super::fault::FaultReason;
use super::reading::{Reading, ReadingDelta};
use super::xid::XidEvent;

/// Both ends are one binary, so another version means a program mix-up, and is refused.
const VERSION: u8 = 2;

/// The first sweep over sixteen GPUs needs some 60 KiB; a length beyond this is not a frame.
pub(crate) const MAX_LENGTH: u32 = 4 << 20;

/// One message of the probe. `R` is a GPU's reading: whole, or as it crosses the pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Frame<R = Arc<Reading>> {
    /// `nvmlInit` answered.
    Driver(Driver),
    /// The next call is to this GPU: whom to blame should nothing follow.
    Touching {
        /// NVML's index.
        gpu: u32,
    },
    /// A complete sweep over all GPUs.
    Sweep(Sweep<R>),
    /// The driver reported an XID.
    Xid(XidEvent),
    /// The probe cannot go on and leaves.
    Failed(Failure),
}

/// All GPUs of one sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep<R = Arc<Reading>> {
    pub(crate) gpus: Vec<GpuSweep<R>>,
}

/// One GPU of one sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GpuSweep<R = Arc<Reading>> {
    /// NVML's index.
    pub(crate) index: u32,
    pub(crate) outcome: Outcome<R>,
}

/// What came of asking a GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome<R = Arc<Reading>> {
    Read(R),
    /// It answers no more.
    Failed(FaultReason),
    /// Left alone, as the exporter asked.
    Skipped,
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the pipe broke: {0}")]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes is too long or empty")]
    Length(u32),
    #[error("frame version {0}, expected {VERSION}")]
    Version(u8),
    #[error("not a frame: {0}")]
    Content(#[from] serde_json::Error),
    #[error("changes of GPU {0}, of which nothing was told before")]
    NothingBefore(u32),
}

impl<R> Frame<R> {
    /// The frame with another form of each GPU's reading.
    fn map<S>(
        self,
        mut reading: impl FnMut(u32, R) -> Result<S, FrameError>,
    ) -> Result<Frame<S>, FrameError> {
        let mut gpu = |GpuSweep { index, outcome }| {
            let outcome = match outcome {
                Outcome::Read(read) => Outcome::Read(reading(index, read)?),
                Outcome::Failed(reason) => Outcome::Failed(reason),
                Outcome::Skipped => Outcome::Skipped,
            };
            Ok::<_, FrameError>(GpuSweep { index, outcome })
        };
        Ok(match self {
            Self::Driver(driver) => Frame::Driver(driver),
            Self::Touching { gpu } => Frame::Touching { gpu },
            Self::Sweep(sweep) => {
                Frame::Sweep(Sweep { gpus: sweep.gpus.into_iter().map(&mut gpu).collect::<Result<_, _>>()? })
            }
            Self::Xid(event) => Frame::Xid(event),
            Self::Failed(failure) => Frame::Failed(failure),
        })
    }
}

/// The readings of the last sweep by index. A GPU that did not answer then is sent whole.
#[derive(Debug, Default)]
struct LastSweep(BTreeMap<u32, Arc<Reading>>);

/// A reading on the pipe; `None` is that nothing changed.
type Travelling = Option<ReadingDelta>;

impl LastSweep {
    /// The frame as it crosses the pipe.
    fn pack(&mut self, frame: Frame) -> Result<Frame<Travelling>, FrameError> {
        let is_sweep = matches!(frame, Frame::Sweep(_));
        let before = if is_sweep { mem::take(&mut self.0) } else { BTreeMap::new() };
        let nothing = Reading::default();
        frame.map(|index, reading| {
            let changes = reading.diff(before.get(&index).map_or(&nothing, |before| before));
            self.0.insert(index, reading);
            Ok(changes)
        })
    }

    /// The frame as it was before it crossed the pipe.
    fn unpack(&mut self, frame: Frame<Travelling>) -> Result<Frame, FrameError> {
        let is_sweep = matches!(frame, Frame::Sweep(_));
        let mut before = if is_sweep { mem::take(&mut self.0) } else { BTreeMap::new() };
        frame.map(|index, changes| {
            let known = before.remove(&index);
            let reading = match (known, changes) {
                (Some(known), None) => known,
                (Some(known), Some(changes)) => {
                    let mut reading = (*known).clone();
                    reading.apply(changes);
                    Arc::new(reading)
                }
                (None, Some(changes)) if changes.uuid.is_some() => {
                    let mut reading = Reading::default();
                    reading.apply(changes);
                    Arc::new(reading)
                }
                (None, _) => return Err(FrameError::NothingBefore(index)),
            };
            self.0.insert(index, Arc::clone(&reading));
            Ok(reading)
        })
    }
}

/// The probe's end of the pipe.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    output: W,
    last: LastSweep,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, last: LastSweep::default() }
    }

    /// Writes the frame with one call, so that a reader never sees half of one for longer than that.
    pub(crate) fn write(&mut self, frame: Frame) -> Result<(), FrameError> {
        let mut bytes = vec![0, 0, 0, 0, VERSION];
        serde_json::to_writer(&mut bytes, &self.last.pack(frame)?)?;
        let length = u32::try_from(bytes.len() - 4).map_err(|_| FrameError::Length(u32::MAX))?;
        if length > MAX_LENGTH {
            return Err(FrameError::Length(length));
        }
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.output.write_all(&bytes)?;
        Ok(())
    }
}

/// The exporter's end of the pipe.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    input: R,
    /// Kept from frame to frame.
    buffer: Vec<u8>,
    last: LastSweep,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), last: LastSweep::default() }
    }

    /// Reads the next frame; `None` at the end of the pipe between two frames.
    pub(crate) fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        let mut length = [0; 4];
        match self.input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u32::from_le_bytes(length);
        if length == 0 || length > MAX_LENGTH {
            return Err(FrameError::Length(length));
        }
        self.buffer.clear();
        // `take` lets the buffer grow with what arrives, not with what was announced.
        let arrived = (&mut self.input).take(u64::from(length)).read_to_end(&mut self.buffer)?;
        if arrived != length as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match self.buffer.split_first() {
            Some((&VERSION, json)) => Ok(Some(self.last.unpack(serde_json::from_slice(json)?)?)),
            other => Err(FrameError::Version(other.map_or(0, |(version, _)| *version))),
        }
    }
}

#[cfg(test)]
mod tests;

//! What crosses the pipe from the probe to the exporter: plain data, versioned, length-prefixed.
//!
//! Owns the shapes and their wire form. Leaves out where readings come from (`nvml`) and what becomes of them (`snapshot`). Any
//! bytes decode to a frame or an error; nothing is allocated beyond [`MAX_LENGTH`].
//!
//! A frame is four bytes of length (little-endian, version byte included), one byte of version, and JSON. Each GPU has a frame of its
//! own, so that what answers is known before the next GPU is asked. Its reading crosses as what changed since the sweep before
//! ([`Diff`]), so both ends keep the last reading of each GPU: an end belongs to one probe.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::delta::Diff;
use super::driver::{Driver, Failure};
use super::driver_event::{DriverEvent, Watched};
use super::fault::FaultReason;
use super::reading::{Reading, ReadingDelta};
use super::xid::XidEvent;

/// Both ends are one binary, so another version means a program mix-up, and is refused.
const VERSION: u8 = 3;

/// The first reading of a GPU needs some 4 KiB; a length beyond this is not a frame.
pub(crate) const MAX_LENGTH: u32 = 1 << 20;

/// One message of the probe. `R` is a GPU's reading: whole, or as it crosses the pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Frame<R = Arc<Reading>> {
    /// `nvmlInit` answered.
    Driver(Driver),
    /// The driver lists GPUs with the indices below `count`. Told once, and again when it changes.
    Listed { count: u32 },
    /// The next call is to this GPU: whom to blame should nothing follow.
    Touching {
        /// NVML's index.
        gpu: u32,
    },
    /// A GPU was asked.
    Gpu(GpuSweep<R>),
    /// All GPUs of the probe were asked.
    Swept,
    /// The driver reported an XID.
    Xid(XidEvent),
    /// What the driver would report of a GPU beside XIDs, from now on.
    Watched(Watched),
    /// The driver reported something else.
    Event(DriverEvent),
    /// The probe cannot go on and leaves.
    Failed(Failure),
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
    /// The frame with another form of the GPU's reading.
    fn map<S>(self, reading: impl FnOnce(u32, R) -> Result<S, FrameError>) -> Result<Frame<S>, FrameError> {
        Ok(match self {
            Self::Driver(driver) => Frame::Driver(driver),
            Self::Listed { count } => Frame::Listed { count },
            Self::Touching { gpu } => Frame::Touching { gpu },
            Self::Gpu(GpuSweep { index, outcome }) => {
                let outcome = match outcome {
                    Outcome::Read(read) => Outcome::Read(reading(index, read)?),
                    Outcome::Failed(reason) => Outcome::Failed(reason),
                };
                Frame::Gpu(GpuSweep { index, outcome })
            }
            Self::Swept => Frame::Swept,
            Self::Xid(event) => Frame::Xid(event),
            Self::Watched(watched) => Frame::Watched(watched),
            Self::Event(event) => Frame::Event(event),
            Self::Failed(failure) => Frame::Failed(failure),
        })
    }

    /// The GPU that was asked.
    fn asked(&self) -> Option<u32> {
        match self {
            Self::Gpu(gpu) => Some(gpu.index),
            _ => None,
        }
    }
}

/// The last reading of each GPU, by index. One that did not answer the last time is sent whole.
#[derive(Debug, Default)]
struct LastReadings(BTreeMap<u32, Arc<Reading>>);

/// A reading on the pipe; `None` is that nothing changed.
type Travelling = Option<ReadingDelta>;

impl LastReadings {
    /// The frame as it crosses the pipe.
    fn pack(&mut self, frame: Frame) -> Result<Frame<Travelling>, FrameError> {
        let before = frame.asked().and_then(|index| self.0.remove(&index));
        frame.map(|index, reading| {
            let nothing = Reading::default();
            let changes = reading.diff(before.as_deref().unwrap_or(&nothing));
            self.0.insert(index, reading);
            Ok(changes)
        })
    }

    /// The frame as it was before it crossed the pipe.
    fn unpack(&mut self, frame: Frame<Travelling>) -> Result<Frame, FrameError> {
        let before = frame.asked().and_then(|index| self.0.remove(&index));
        frame.map(|index, changes| {
            let reading = match (before, changes) {
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
    last: LastReadings,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, last: LastReadings::default() }
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
    last: LastReadings,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), last: LastReadings::default() }
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

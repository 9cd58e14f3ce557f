//! What crosses the pipe from the probe to the exporter: plain data, versioned, length-prefixed.
//!
//! Owns the shapes and their wire form. Leaves out where readings come from (`nvml`) and what becomes of them
//! (`snapshot`). Any bytes decode to a frame or an error; nothing is allocated beyond [`MAX_LENGTH`].
//!
//! A frame is four bytes of length (little-endian, version byte included), one byte of version, and JSON.

mod reading;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

pub(crate) use self::reading::{
    Clocks, Health, Identity, Load, Memory, Pcie, Power, Reading, Thermal, Throttle,
};
use super::driver::{Driver, Failure};
use super::fault::FaultReason;
use super::xid::XidEvent;

/// Both ends are one binary, so another version means a program mix-up, and is refused.
const VERSION: u8 = 1;

/// Sixteen GPUs need some 60 KiB; a length beyond this is not a frame.
pub(crate) const MAX_LENGTH: u32 = 4 << 20;

/// One message of the probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Frame {
    /// `nvmlInit` answered.
    Driver(Driver),
    /// The next call is to this GPU: whom to blame should nothing follow.
    Touching {
        /// NVML's index.
        gpu: u32,
    },
    /// A complete round over all GPUs.
    Sweep(Sweep),
    /// The driver reported an XID.
    Xid(XidEvent),
    /// The probe cannot go on and leaves.
    Failed(Failure),
}

/// All GPUs of one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    pub(crate) gpus: Vec<GpuSweep>,
}

/// One GPU of one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GpuSweep {
    /// NVML's index.
    pub(crate) index: u32,
    pub(crate) outcome: Outcome,
}

/// What came of asking a GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Read(Box<Reading>),
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
}

impl Frame {
    /// Writes the frame with one call, so that two threads' frames do not mix.
    pub(crate) fn write(&self, out: &mut impl Write) -> Result<(), FrameError> {
        let mut bytes = vec![0, 0, 0, 0, VERSION];
        serde_json::to_writer(&mut bytes, self)?;
        let length = u32::try_from(bytes.len() - 4).map_err(|_| FrameError::Length(u32::MAX))?;
        if length > MAX_LENGTH {
            return Err(FrameError::Length(length));
        }
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        out.write_all(&bytes)?;
        Ok(())
    }

    /// Reads the next frame; `None` at the end of the pipe between two frames. `buffer` is kept from call to call.
    pub(crate) fn read(input: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Option<Self>, FrameError> {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u32::from_le_bytes(length);
        if length == 0 || length > MAX_LENGTH {
            return Err(FrameError::Length(length));
        }
        buffer.clear();
        // `take` lets the buffer grow with what arrives, not with what was announced.
        if input.take(u64::from(length)).read_to_end(buffer)? != length as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match buffer.split_first() {
            Some((&VERSION, json)) => Ok(Some(serde_json::from_slice(json)?)),
            other => Err(FrameError::Version(other.map_or(0, |(version, _)| *version))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Ratio, Watts};
    use proptest::prelude::*;

    fn sweep() -> Frame {
        let mut reading = Reading {
            identity: Identity { uuid: "GPU-1".to_owned(), ..Identity::default() },
            memory: Some(Memory { total: Bytes(10), used: Bytes(7), free: Bytes(3), reserved: None }),
            fans: vec![Some(Ratio(0.5)), None],
            ..Reading::default()
        };
        reading.power.usage = Some(Watts(401.25));
        reading.throttle.reasons = Some(u64::MAX);
        Frame::Sweep(Sweep {
            gpus: vec![
                GpuSweep { index: 0, outcome: Outcome::Read(Box::new(reading)) },
                GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) },
                GpuSweep { index: 2, outcome: Outcome::Skipped },
            ],
        })
    }

    fn bytes(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).expect("memory takes it");
        bytes
    }

    fn read_all(mut input: &[u8]) -> (Vec<Frame>, Option<FrameError>) {
        let (mut frames, mut buffer) = (Vec::new(), Vec::new());
        loop {
            match Frame::read(&mut input, &mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let frames =
            [sweep(), Frame::Touching { gpu: 7 }, Frame::Xid(XidEvent { uuid: "GPU-1".into(), xid: 79 })];
        let pipe: Vec<u8> = frames.iter().flat_map(bytes).collect();
        let (read, error) = read_all(&pipe);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(read, frames);
    }

    #[test]
    fn a_frame_of_another_version_is_refused() {
        let mut bytes = bytes(&sweep());
        bytes[4] = VERSION + 1;
        assert!(matches!(read_all(&bytes).1, Some(FrameError::Version(2))));
    }

    #[test]
    fn an_announced_length_is_not_believed() {
        let mut buffer = Vec::new();
        let announced = [&(MAX_LENGTH - 1).to_le_bytes()[..], b"short"].concat();
        assert!(Frame::read(&mut &announced[..], &mut buffer).is_err());
        assert!(buffer.capacity() < 4096, "{}", buffer.capacity());
        assert!(matches!(read_all(&u32::MAX.to_le_bytes()).1, Some(FrameError::Length(u32::MAX))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(input: Vec<u8>) {
            read_all(&input);
        }

        #[test]
        fn any_content_is_a_frame_or_an_error(content: Vec<u8>) {
            let length = u32::try_from(content.len() + 1).expect("small");
            let input = [&length.to_le_bytes()[..], &[VERSION], &content].concat();
            read_all(&input);
        }

        #[test]
        fn a_damaged_frame_is_a_frame_or_an_error(at in 0..400_usize, with: u8) {
            let mut input = bytes(&sweep());
            let at = at % input.len();
            input[at] = with;
            read_all(&input);
        }
    }
}

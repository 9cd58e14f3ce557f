//! The pipes between the exporter and its probe, from the probe's side.
//!
//! Frames go out; standard input only ever closes, which asks the probe to leave.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::gpu::frame::{Frame, FrameError, FrameWriter};

/// Unbuffered standard output, shared by the two threads.
pub(super) struct Output(Mutex<FrameWriter<File>>);

impl Output {
    /// This process' standard output.
    pub(super) fn open() -> io::Result<Self> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(Mutex::new(FrameWriter::new(File::from(output)))))
    }

    /// Writes one frame; frames of two threads do not mix.
    pub(super) fn write(&self, frame: Frame) -> Result<(), FrameError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(frame)
    }
}

/// Why the probe ends.
pub(super) enum End {
    /// The exporter closed our standard input: it is gone, or wants the driver free.
    Asked,
    /// The driver is not there, or was unloaded under us; only a new process can load it anew.
    DriverGone,
    /// The pipe to the exporter is broken.
    Pipe,
}

impl From<FrameError> for End {
    fn from(_: FrameError) -> Self {
        Self::Pipe
    }
}

/// Announces that the next call is to this GPU. A probe that was asked to leave ends here, between two GPUs, rather than be
/// killed inside the driver.
pub(super) fn touch(output: &Output, gpu: u32) -> Result<(), End> {
    if input_closes_within(Duration::ZERO) {
        return Err(End::Asked);
    }
    Ok(output.write(Frame::Touching { gpu })?)
}

/// Waits that long, unless the exporter closes our standard input first.
pub(super) fn input_closes_within(pause: Duration) -> bool {
    let input = io::stdin();
    let mut watched = [PollFd::new(&input, PollFlags::IN)];
    // Durations are bounded by the settings, so the conversion can't fail; no time-out would only lose the pacing.
    let timeout = Timespec::try_from(pause).ok();
    // An interrupted wait is a short one.
    matches!(poll(&mut watched, timeout.as_ref()), Ok(ready) if ready > 0)
}

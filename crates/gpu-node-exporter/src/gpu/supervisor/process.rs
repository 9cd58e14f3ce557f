//! One probe process and the thread that reads its pipe.

use std::io::{self, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::gpu::frame::{Frame, FrameReader};
use crate::gpu::probe::{PROBE_COMMAND, ProbeSettings};

/// The probe is this very program, even when its file has been replaced by an upgrade in the meantime.
pub(in crate::gpu) const THIS_PROGRAM: &str = "/proc/self/exe";

/// What came out of a probe.
#[derive(Debug)]
pub(in crate::gpu) enum ProbeOutput {
    Frame(Frame),
    /// Nothing more will come; `damage` says why, where it was not the end.
    Closed {
        damage: Option<String>,
    },
}

/// A running (or dying) probe.
#[derive(Debug)]
pub(in crate::gpu) struct Probe(Child);

/// Frames are decoded here; their depth is bounded, so the stack is small.
const READER_STACK: usize = 256 << 10;

impl Probe {
    /// Starts `program` as a probe. `listener` gets all it writes, on a thread of its own; the thread ends with the
    /// pipe, or when `listener` returns false.
    pub(in crate::gpu) fn start(
        program: &Path,
        settings: &ProbeSettings,
        listener: impl Fn(ProbeOutput) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(PROBE_COMMAND)
            .arg(serde_json::to_string(settings)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C, or whoever ends the exporter with its group, does not mean the probe: it is asked to leave.
            .process_group(0)
            .spawn()?;
        let Some(output) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let read = move || {
            let mut frames = FrameReader::new(BufReader::new(output));
            loop {
                let heard = match frames.read() {
                    Ok(Some(frame)) => ProbeOutput::Frame(frame),
                    Ok(None) => ProbeOutput::Closed { damage: None },
                    Err(error) => ProbeOutput::Closed { damage: Some(error.to_string()) },
                };
                let is_last = matches!(heard, ProbeOutput::Closed { .. });
                if !listener(heard) || is_last {
                    return;
                }
            }
        };
        let reader =
            thread::Builder::new().name("gpu-frames".to_owned()).stack_size(READER_STACK).spawn(read);
        match reader {
            Ok(_) => Ok(Self(child)),
            Err(error) => {
                let mut unheard = Self(child);
                unheard.kill();
                unheard.wait(Duration::from_secs(1));
                Err(error)
            }
        }
    }

    pub(in crate::gpu) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Closes its standard input, which it takes as a request to free the driver and leave.
    pub(in crate::gpu) fn ask_to_leave(&mut self) {
        drop(self.0.stdin.take());
    }

    /// Kills it. In uninterruptible sleep that takes effect only when the driver returns, if ever.
    pub(in crate::gpu) fn kill(&mut self) {
        // The only failure is that it is gone already.
        let _ = self.0.kill();
    }

    /// Waits so long at most; `None` when it is still there.
    pub(in crate::gpu) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + limit;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::park_timeout(LOOK_EVERY),
                // An error means that there is no such child, which can't be for one that was not reaped.
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

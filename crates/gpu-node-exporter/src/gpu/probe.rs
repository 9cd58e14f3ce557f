//! The child process that talks to the driver: `gpu-node-exporter gpu-probe SETTINGS`.
//!
//! Owns the loop: announce a GPU, ask it, and after the last write a frame. It may hang or die in any call; the
//! watching parent sees to that. It makes no CUDA context, keeps no history, and ends when the exporter does.

use std::fs::File;
use std::mem;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::footprint;
use super::frame::{Failure, FailureReason, FaultReason, Frame, FrameError, Outcome, Sweep};
use super::nvml::{self, Reader, XidEvents};

/// What the exporter tells its probe, as the one argument in JSON: both are the same binary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProbeSettings {
    /// The driver library; `None` is the system's.
    pub(crate) library: Option<PathBuf>,
    pub(crate) sample_interval: Duration,
    /// Indices of GPUs to leave alone.
    pub(crate) skip: Vec<u32>,
    /// One round, told with what is unsupported, for `--check`.
    pub(crate) once: bool,
}

/// The first argument that makes this program a probe.
pub(crate) const PROBE_COMMAND: &str = "gpu-probe";

/// The process' name as `ps` shows it; started through `/proc/self/exe` it would be `exe`.
const PROCESS_NAME: &std::ffi::CStr = c"gpu-probe";

/// Small: the thread only waits and writes short frames.
const XID_THREAD_STACK: usize = 128 << 10;

/// Runs until standard input closes or standard output breaks: either way the exporter is gone or wants it so.
pub(crate) fn run(settings: &str) -> ExitCode {
    let settings: ProbeSettings = match serde_json::from_str(settings) {
        Ok(settings) => settings,
        Err(error) => return fail(&format!("gpu-probe is started by the exporter, not by hand: {error}")),
    };
    // A probe stuck in the driver never sees its pipe close; the kernel's signal reaches it all the same.
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
    {
        return fail(&format!("gpu-probe: cannot tie itself to the exporter: {error}"));
    }
    footprint::keep_one_heap();
    // Only `ps` would miss it.
    let _ = rustix::thread::set_name(PROCESS_NAME);
    let output = match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(output) => Output(Mutex::new(File::from(output))),
        Err(error) => return fail(&format!("gpu-probe: no standard output: {error}")),
    };
    match serve(&settings, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[expect(clippy::print_stderr, reason = "before the pipe is up there is nowhere else to say it")]
fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(2)
}

/// Unbuffered standard output, shared by the two threads.
struct Output(Mutex<File>);

impl Output {
    fn write(&self, frame: &Frame) -> Result<(), FrameError> {
        frame.write(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(settings: &ProbeSettings, output: &Output) -> Result<(), FrameError> {
    let nvml = match nvml::open(settings.library.as_deref()) {
        Ok(nvml) => nvml,
        Err(failure) => return output.write(&Frame::Failed(failure)),
    };
    output.write(&Frame::Driver(nvml::driver(&nvml)))?;
    let mut reader = Reader::new(super::longest_gap(settings.sample_interval));
    if settings.once {
        return sweep(&nvml, settings, &mut reader, output).map(|_| ());
    }
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let mut xids = XidThread { scope: threads, running: None, tried: None };
        let result =
            rounds(&nvml, settings, output, &mut reader, || xids.keep(&nvml, settings, output, &stop));
        stop.store(true, Ordering::Relaxed);
        result
    })
}

/// The thread that waits for XIDs. All other calls to a GPU are made by the main thread, after its marker, so that a
/// hang or crash is blamed on the right one.
struct XidThread<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    running: Option<thread::ScopedJoinHandle<'scope, ()>>,
    /// When it was last started, or could not be.
    tried: Option<Instant>,
}

/// A lost GPU ends the wait for all, so it is begun again; but not in each round, since it may fail again at once.
const XID_RETRY: Duration = Duration::from_secs(10);

impl<'scope> XidThread<'scope, '_> {
    /// Starts the thread where it does not run. Without it the kernel log still tells of XIDs.
    fn keep(
        &mut self,
        nvml: &'scope Nvml,
        settings: &ProbeSettings,
        output: &'scope Output,
        stop: &'scope AtomicBool,
    ) -> Result<(), FrameError> {
        let is_running = self.running.as_ref().is_some_and(|thread| !thread.is_finished());
        if is_running || self.tried.is_some_and(|tried| tried.elapsed() < XID_RETRY) {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        let Ok(count) = nvml.device_count() else { return Ok(()) };
        let indices = (0..count).filter(|index| !settings.skip.contains(index)).collect();
        let announce = |gpu| output.write(&Frame::Touching { gpu });
        let Some(events) = XidEvents::register(nvml, indices, announce)? else { return Ok(()) };
        // A broken pipe is seen by the main thread, within one interval.
        let wait = move || events.wait(stop, |event| drop(output.write(&Frame::Xid(event))));
        let thread = thread::Builder::new().name("xid".to_owned()).stack_size(XID_THREAD_STACK);
        self.running = thread.spawn_scoped(self.scope, wait).ok();
        Ok(())
    }
}

/// Sweeps until the exporter wants no more; `before` runs before each sweep, whose end ends the watch over both.
fn rounds(
    nvml: &Nvml,
    settings: &ProbeSettings,
    output: &Output,
    reader: &mut Reader,
    mut before: impl FnMut() -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let mut next = Instant::now();
    let mut is_first = true;
    loop {
        before()?;
        if sweep(nvml, settings, reader, output)? == Driving::Gone {
            return Ok(());
        }
        if mem::take(&mut is_first) {
            footprint::give_back();
        }
        next += settings.sample_interval;
        let now = Instant::now();
        // Rounds that were missed are not made up for.
        next = next.max(now);
        if input_closes_within(next - now) {
            return Ok(());
        }
    }
}

#[derive(PartialEq, Eq)]
enum Driving {
    On,
    /// The driver was unloaded under us; only a new process can load it anew.
    Gone,
}

/// One round over all GPUs.
fn sweep(
    nvml: &Nvml,
    settings: &ProbeSettings,
    reader: &mut Reader,
    output: &Output,
) -> Result<Driving, FrameError> {
    let count = match nvml.device_count() {
        Ok(count) => count,
        Err(error) => {
            let message = format!("the driver no longer counts its GPUs: {error}");
            output.write(&Frame::Failed(Failure { reason: FailureReason::Other, message }))?;
            return Ok(Driving::Gone);
        }
    };
    let mut gpus = Vec::with_capacity(count as usize);
    for index in 0..count {
        if settings.skip.contains(&index) {
            gpus.push(super::frame::GpuSweep { index, outcome: Outcome::Skipped });
            continue;
        }
        output.write(&Frame::Touching { gpu: index })?;
        gpus.push(reader.read(nvml, index, settings.once));
    }
    if gpus.iter().any(|gpu| gpu.outcome == Outcome::Failed(FaultReason::DriverGone)) {
        let message =
            "the driver was unloaded or replaced while in use (hint: GPUs return once it is loaded again)";
        let failure = Failure { reason: FailureReason::DriverNotLoaded, message: message.to_owned() };
        output.write(&Frame::Failed(failure))?;
        return Ok(Driving::Gone);
    }
    output.write(&Frame::Sweep(Sweep { gpus }))?;
    Ok(Driving::On)
}

/// Paces the rounds: waits that long, unless the exporter closes our standard input first.
fn input_closes_within(pause: Duration) -> bool {
    let input = std::io::stdin();
    let mut watched = [PollFd::new(&input, PollFlags::IN)];
    // Durations are bounded by the settings, so the conversion can't fail; no time-out would only lose the pacing.
    let timeout = Timespec::try_from(pause).ok();
    // An interrupted wait is a short one.
    matches!(poll(&mut watched, timeout.as_ref()), Ok(ready) if ready > 0)
}

//! The child process that talks to the driver: `gpu-node-exporter gpu-probe SETTINGS`.
//!
//! Owns the loop: announce a GPU, ask it, and after the last write a frame. It may hang or die in any call; the
//! watching parent sees to that. It makes no CUDA context, keeps no history, and ends when the exporter does.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::driver::{Failure, FailureReason};
use super::fault::FaultReason;
use super::frame::{Frame, FrameError, GpuSweep, Outcome, Sweep};
use super::heap;
use super::nvml::{self, Reader, XidEvents};
use super::settings::longest_gap;

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
    heap::keep_one_heap();
    // Only `ps` would miss it.
    let _ = rustix::thread::set_name(PROCESS_NAME);
    let output = match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(output) => Output(Mutex::new(File::from(output))),
        Err(error) => return fail(&format!("gpu-probe: no standard output: {error}")),
    };
    match serve(&settings, &output) {
        Ok(()) | Err(End::Asked | End::DriverGone) => ExitCode::SUCCESS,
        Err(End::Pipe) => ExitCode::FAILURE,
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

/// Why the probe ends.
enum End {
    /// The exporter closed our standard input: it is gone, or wants the driver free.
    Asked,
    /// The driver is not there, or was unloaded under us; only a new process can load it anew.
    DriverGone,
    /// Nobody hears what we write.
    Pipe,
}

impl From<FrameError> for End {
    fn from(_: FrameError) -> Self {
        Self::Pipe
    }
}

/// Tells that the next call is to this GPU. A probe that was asked to leave ends here, between two GPUs, rather than be
/// killed inside the driver.
fn touch(output: &Output, gpu: u32) -> Result<(), End> {
    if input_closes_within(Duration::ZERO) {
        return Err(End::Asked);
    }
    Ok(output.write(&Frame::Touching { gpu })?)
}

fn serve(settings: &ProbeSettings, output: &Output) -> Result<(), End> {
    let nvml = match nvml::open(settings.library.as_deref()) {
        Ok(nvml) => nvml,
        Err(failure) => return gone(output, failure),
    };
    output.write(&Frame::Driver(nvml::driver(&nvml)))?;
    let mut reader = Reader::new(longest_gap(settings.sample_interval));
    if settings.once {
        return sweep(&nvml, settings, &mut reader, output).map(drop);
    }
    thread::scope(|threads| rounds(&nvml, settings, output, &mut reader, XidThread::new(threads, settings)))
}

/// Tells why there is no driver.
fn gone<T>(output: &Output, failure: Failure) -> Result<T, End> {
    output.write(&Frame::Failed(failure))?;
    Err(End::DriverGone)
}

/// The thread that waits for XIDs. All other calls to a GPU are made by the main thread, after its marker, so that a
/// hang or crash is blamed on the right one. Dropping it ends the thread.
struct XidThread<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    running: Option<thread::ScopedJoinHandle<'scope, ()>>,
    stop: Arc<AtomicBool>,
    /// The GPUs that answered when it was last started.
    gpus: BTreeSet<u32>,
    /// Other GPUs have answered since. One that went and came back has to be registered again.
    is_outdated: bool,
    /// When it was last started, or could not be.
    tried: Option<Instant>,
    retry: Duration,
}

/// A lost GPU ends the wait for all, so it is begun again; but not in each round, since it may fail again at once.
const XID_RETRY: Duration = Duration::from_secs(10);
const XID_RETRY_ROUNDS: u32 = 10;

impl<'scope, 'env> XidThread<'scope, 'env> {
    fn new(scope: &'scope thread::Scope<'scope, 'env>, settings: &ProbeSettings) -> Self {
        Self {
            scope,
            running: None,
            stop: Arc::default(),
            gpus: BTreeSet::new(),
            is_outdated: false,
            tried: None,
            retry: XID_RETRY.min(settings.sample_interval * XID_RETRY_ROUNDS),
        }
    }

    /// Starts the thread where it does not run, or runs for other GPUs than `answering`. Without it the kernel log
    /// still tells of XIDs.
    fn keep(
        &mut self,
        nvml: &'scope Nvml,
        output: &'scope Output,
        answering: &BTreeSet<u32>,
    ) -> Result<(), End> {
        self.is_outdated |= *answering != self.gpus;
        let is_running = self.running.as_ref().is_some_and(|thread| !thread.is_finished());
        let is_well = is_running && !self.is_outdated;
        if is_well || self.tried.is_some_and(|tried| tried.elapsed() < self.retry) {
            return Ok(());
        }
        self.end();
        self.tried = Some(Instant::now());
        self.gpus.clone_from(answering);
        self.is_outdated = false;
        let indices = answering.iter().copied().collect();
        let Some(events) = XidEvents::register(nvml, indices, |gpu| touch(output, gpu))? else {
            return Ok(());
        };
        self.stop = Arc::default();
        let stop = Arc::clone(&self.stop);
        // A broken pipe is seen by the main thread, within one interval.
        let wait = move || events.wait(&stop, |event| drop(output.write(&Frame::Xid(event))));
        let thread = thread::Builder::new().name("xid".to_owned()).stack_size(XID_THREAD_STACK);
        self.running = thread.spawn_scoped(self.scope, wait).ok();
        Ok(())
    }
}

impl XidThread<'_, '_> {
    /// Waits for it to end: as long as one wait for an XID.
    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.running.take() {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for XidThread<'_, '_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sweeps until the exporter wants no more.
fn rounds<'scope>(
    nvml: &'scope Nvml,
    settings: &ProbeSettings,
    output: &'scope Output,
    reader: &mut Reader,
    mut xids: XidThread<'scope, '_>,
) -> Result<(), End> {
    let mut next = Instant::now();
    let mut answering = (0..count(nvml, output)?).filter(|index| !settings.skip.contains(index)).collect();
    loop {
        // Registering touches the GPUs too; the end of the sweep ends the watch over both.
        xids.keep(nvml, output, &answering)?;
        answering = sweep(nvml, settings, reader, output)?;
        next += settings.sample_interval;
        let now = Instant::now();
        // Rounds that were missed are not made up for.
        next = next.max(now);
        if input_closes_within(next - now) {
            return Err(End::Asked);
        }
    }
}

fn count(nvml: &Nvml, output: &Output) -> Result<u32, End> {
    nvml.device_count().or_else(|error| {
        let message = format!("the driver no longer counts its GPUs: {error}");
        gone(output, Failure { reason: FailureReason::Other, message })
    })
}

/// One round over all GPUs; returns the indices of those that answered.
fn sweep(
    nvml: &Nvml,
    settings: &ProbeSettings,
    reader: &mut Reader,
    output: &Output,
) -> Result<BTreeSet<u32>, End> {
    let mut gpus = Vec::new();
    for index in 0..count(nvml, output)? {
        if settings.skip.contains(&index) {
            gpus.push(GpuSweep { index, outcome: Outcome::Skipped });
            continue;
        }
        touch(output, index)?;
        gpus.push(reader.read(nvml, index, settings.once));
    }
    if gpus.iter().any(|gpu| gpu.outcome == Outcome::Failed(FaultReason::DriverGone)) {
        let message =
            "the driver was unloaded or replaced while in use (hint: GPUs return once it is loaded again)";
        let failure = Failure { reason: FailureReason::DriverNotLoaded, message: message.to_owned() };
        return gone(output, failure);
    }
    let has_answered = |gpu: &&GpuSweep| matches!(gpu.outcome, Outcome::Read(_));
    let answering = gpus.iter().filter(has_answered).map(|gpu| gpu.index).collect();
    output.write(&Frame::Sweep(Sweep { gpus }))?;
    Ok(answering)
}

/// Waits that long, unless the exporter closes our standard input first.
fn input_closes_within(pause: Duration) -> bool {
    let input = std::io::stdin();
    let mut watched = [PollFd::new(&input, PollFlags::IN)];
    // Durations are bounded by the settings, so the conversion can't fail; no time-out would only lose the pacing.
    let timeout = Timespec::try_from(pause).ok();
    // An interrupted wait is a short one.
    matches!(poll(&mut watched, timeout.as_ref()), Ok(ready) if ready > 0)
}

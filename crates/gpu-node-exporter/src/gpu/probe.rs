//! The child process that talks to the driver: `gpu-node-exporter gpu-probe SETTINGS`.
//!
//! Owns the loop of sweeps: announce a GPU, ask it, and after the last write a frame. It may hang or die in any call; the watching
//! parent sees to that. It makes no CUDA context, keeps no history, and ends when the exporter does.

mod pipe;
mod reader;
mod settings;
mod xid_thread;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use self::pipe::{End, Output, input_closes_within, touch};
use self::reader::Reader;
pub(crate) use self::settings::ProbeSettings;
use self::xid_thread::XidThread;
use super::driver::{Failure, FailureReason};
use super::fault::FaultReason;
use super::frame::{Frame, GpuSweep, Outcome, Sweep};
use super::heap;
use super::nvml::Library;
use super::settings::longest_gap;

/// The first argument that makes this program a probe.
pub(crate) const PROBE_COMMAND: &str = "gpu-probe";

/// The process' name as `ps` shows it; started through `/proc/self/exe` it would be `exe`.
const PROCESS_NAME: &std::ffi::CStr = c"gpu-probe";

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
    let output = match Output::open() {
        Ok(output) => output,
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

fn serve(settings: &ProbeSettings, output: &Output) -> Result<(), End> {
    let library = match Library::open(settings.library.as_deref()) {
        Ok(library) => library,
        Err(failure) => return leave(output, failure),
    };
    output.write(Frame::Driver(library.driver()))?;
    let mut reader = Reader::new(longest_gap(settings.sample_interval));
    if settings.once {
        return sweep(&library, settings, &mut reader, output).map(drop);
    }
    thread::scope(|threads| {
        let xids = XidThread::new(threads, settings.sample_interval);
        sweep_until_asked(&library, settings, output, &mut reader, xids)
    })
}

/// Says why there is no driver, and ends.
fn leave<T>(output: &Output, failure: Failure) -> Result<T, End> {
    output.write(Frame::Failed(failure))?;
    Err(End::DriverGone)
}

/// Sweeps until the exporter wants no more.
fn sweep_until_asked<'scope>(
    library: &'scope Library,
    settings: &ProbeSettings,
    output: &'scope Output,
    reader: &mut Reader,
    mut xids: XidThread<'scope, '_>,
) -> Result<(), End> {
    let mut next = Instant::now();
    let count = count(library, output)?;
    let mut answering = (0..count).filter(|index| !settings.skip.contains(index)).collect();
    loop {
        // Registering touches the GPUs too; the end of the sweep ends the watch over both.
        xids.keep(library, output, &answering)?;
        answering = sweep(library, settings, reader, output)?;
        next += settings.sample_interval;
        let now = Instant::now();
        // Sweeps that were missed are not made up for.
        next = next.max(now);
        if input_closes_within(next - now) {
            return Err(End::Asked);
        }
    }
}

fn count(library: &Library, output: &Output) -> Result<u32, End> {
    library.count().or_else(|failure| leave(output, failure))
}

/// One sweep over all GPUs; returns the indices of those that answered.
fn sweep(
    library: &Library,
    settings: &ProbeSettings,
    reader: &mut Reader,
    output: &Output,
) -> Result<BTreeSet<u32>, End> {
    let mut gpus = Vec::new();
    for index in 0..count(library, output)? {
        if settings.skip.contains(&index) {
            gpus.push(GpuSweep { index, outcome: Outcome::Skipped });
            continue;
        }
        touch(output, index)?;
        gpus.push(reader.read(library, index, settings.once));
    }
    if gpus.iter().any(|gpu| gpu.outcome == Outcome::Failed(FaultReason::DriverGone)) {
        let message =
            "the driver was unloaded or replaced while in use (hint: GPUs return once it is loaded again)";
        let failure = Failure { reason: FailureReason::DriverNotLoaded, message: message.to_owned() };
        return leave(output, failure);
    }
    let has_answered = |gpu: &&GpuSweep| matches!(gpu.outcome, Outcome::Read(_));
    let answering = gpus.iter().filter(has_answered).map(|gpu| gpu.index).collect();
    output.write(Frame::Sweep(Sweep { gpus }))?;
    Ok(answering)
}

//! The child process that talks to the driver: `gpu-node-exporter gpu-probe SETTINGS`.
//!
//! Owns the loop of sweeps: announce a GPU, ask it, write what it said, and so on to the last. It may hang or die in any call; the
//! watching parent sees to that. It makes no CUDA context, keeps no history, and ends when the exporter does.

mod event_thread;
mod heard;
mod pipe;
mod reader;
mod settings;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use self::event_thread::EventThread;
use self::heard::Heard;
use self::pipe::{End, Output, input_closes_within, touch};
use self::reader::Reader;
pub(crate) use self::settings::ProbeSettings;
use super::driver::{Failure, FailureReason};
use super::fault::FaultReason;
use super::frame::{Frame, Outcome};
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
    crate::heap::keep_one_heap();
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
    let library = match Library::open(settings.library.as_deref(), &settings.sysfs) {
        Ok(library) => library,
        Err(failure) => return leave(output, failure),
    };
    output.write(Frame::Driver(library.driver()))?;
    let heard = Arc::<Heard>::default();
    let mut sweeps = Sweeps {
        library: &library,
        output,
        settings,
        reader: Reader::new(longest_gap(settings.sample_interval), Arc::clone(&heard)),
        listed: None,
    };
    if settings.once {
        let gpus = sweeps.list()?;
        return sweeps.sweep(&gpus).map(drop);
    }
    thread::scope(|threads| {
        let events = EventThread::new(threads, settings.sample_interval, heard);
        sweeps.go_on_until_asked(events)
    })
}

/// Says why there is no driver, and ends.
fn leave<T>(output: &Output, failure: Failure) -> Result<T, End> {
    output.write(Frame::Failed(failure))?;
    Err(End::DriverGone)
}

/// More GPUs than any machine has: what the driver may make us ask.
const MOST_GPUS: u32 = 64;

/// The sweeps of one probe.
struct Sweeps<'a> {
    library: &'a Library,
    output: &'a Output,
    settings: &'a ProbeSettings,
    reader: Reader,
    /// How many GPUs the driver listed, as the exporter was told.
    listed: Option<u32>,
}

impl<'a> Sweeps<'a> {
    /// Sweeps until the exporter wants no more.
    fn go_on_until_asked<'scope>(&mut self, mut events: EventThread<'scope, '_>) -> Result<(), End>
    where
        'a: 'scope,
    {
        let mut next = Instant::now();
        let mut answering = self.list()?.into_iter().collect();
        loop {
            // Registering touches the GPUs too; the end of the sweep ends the watch over both.
            events.keep(self.library, self.output, &answering)?;
            let gpus = self.list()?;
            answering = self.sweep(&gpus)?;
            next += self.settings.sample_interval;
            let now = Instant::now();
            // Sweeps that were missed are not made up for.
            next = next.max(now);
            if input_closes_within(next - now) {
                return Err(End::Asked);
            }
        }
    }

    /// The GPUs to read, of those that the driver lists now.
    fn list(&mut self) -> Result<Vec<u32>, End> {
        let count = self.library.count().or_else(|failure| leave(self.output, failure))?;
        if count > MOST_GPUS {
            let message = format!("the driver lists {count} GPUs; more than {MOST_GPUS} are not believed");
            return leave(self.output, Failure { reason: FailureReason::Other, message });
        }
        if self.listed != Some(count) {
            self.output.write(Frame::Listed { count })?;
            self.listed = Some(count);
        }
        let is_ours = |gpu: &u32| self.settings.gpus.as_ref().is_none_or(|ours| ours.contains(gpu));
        Ok((0..count).filter(is_ours).collect())
    }

    /// Asks each of these GPUs; returns those that answered.
    fn sweep(&mut self, gpus: &[u32]) -> Result<BTreeSet<u32>, End> {
        let mut answering = BTreeSet::new();
        for index in gpus {
            touch(self.output, *index)?;
            let gpu = self.reader.read(self.library, *index, self.settings);
            match gpu.outcome {
                Outcome::Failed(FaultReason::DriverGone) => {
                    let message = "the driver was unloaded or replaced while in use (hint: GPUs return once it is loaded again)";
                    let failure =
                        Failure { reason: FailureReason::DriverNotLoaded, message: message.to_owned() };
                    return leave(self.output, failure);
                }
                Outcome::Failed(_) => {}
                Outcome::Read(_) => drop(answering.insert(*index)),
            }
            self.output.write(Frame::Gpu(gpu))?;
        }
        self.output.write(Frame::Swept)?;
        Ok(answering)
    }
}

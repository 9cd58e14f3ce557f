//! The probe processes of one exporter: the present one, and those that were given up and are not gone yet.
//!
//! Owns starting, stopping and killing them. Leaves out when to do so, which is `watch`'s.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tracing::{debug, error, warn};

use super::message::Message;
use super::process::Probe;
use crate::gpu::probe::ProbeSettings;
use crate::gpu::settings::GpuSettings;

/// How long a probe may take to leave when asked: it leaves between two GPUs, and its own longest wait is half a second.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long a killed probe may take to be gone; one that hangs in the driver may never be.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// How long a probe whose pipe has closed may take to be gone.
const EXIT_LIMIT: Duration = Duration::from_secs(1);

/// The probe processes.
pub(super) struct Probes {
    program: PathBuf,
    library: Option<PathBuf>,
    sample_interval: Duration,
    /// For the readers of probes to come.
    sender: SyncSender<Message>,
    present: Option<Probe>,
    /// Probes started so far: the present one's number.
    started: u64,
    abandoned: Vec<Probe>,
}

impl Probes {
    /// None yet. `program` is the executable that becomes a probe; `sender` gets what probes write.
    pub(super) fn new(program: PathBuf, settings: &GpuSettings, sender: SyncSender<Message>) -> Self {
        Self {
            program,
            library: settings.library.clone(),
            sample_interval: settings.sample_interval,
            sender,
            present: None,
            started: 0,
            abandoned: Vec::new(),
        }
    }

    /// Starts a probe that leaves these GPUs alone.
    pub(super) fn start(&mut self, skip: Vec<u32>) -> io::Result<()> {
        self.started += 1;
        let settings = ProbeSettings {
            library: self.library.clone(),
            sample_interval: self.sample_interval,
            skip,
            once: false,
        };
        let (number, sender) = (self.started, self.sender.clone());
        let listener = move |output| sender.send(Message::Probe(number, output)).is_ok();
        let started = Probe::start(&self.program, &settings, listener).inspect_err(|error| {
            error!("cannot start the GPU probe `{}`: {error}", self.program.display());
        })?;
        debug!(pid = started.pid(), skip = ?settings.skip, "GPU probe started");
        self.present = Some(started);
        Ok(())
    }

    /// Whether the probe with this number is the present one. One that was replaced may still have something in the queue.
    pub(super) fn is_present(&self, number: u64) -> bool {
        number == self.started && self.present.is_some()
    }

    /// Asks the present probe to leave; one that does not is killed.
    pub(super) fn stop(&mut self) {
        let Some(mut probe) = self.present.take() else { return };
        probe.ask_to_leave();
        if probe.wait(STOP_LIMIT).is_none() {
            warn!(pid = probe.pid(), "GPU probe does not leave a call into the driver; it is killed");
            self.kill(probe);
        }
    }

    /// Gives the present probe up, which hangs in a call to this GPU, or in the driver.
    pub(super) fn give_up(&mut self, gpu: Option<u32>) {
        let Some(probe) = self.present.take() else { return };
        let place = gpu.map_or("the driver".to_owned(), |gpu| format!("a call to GPU {gpu}"));
        error!(pid = probe.pid(), "GPU probe hangs in {place}; it is given up and replaced");
        self.kill(probe);
    }

    /// The pipe of the present probe has closed: it is gone, or about to be. Returns how it ended; `None` for one that stays, which
    /// is given up.
    pub(super) fn closed(&mut self, damage: Option<String>) -> Option<ExitStatus> {
        let mut probe = self.present.take()?;
        if let Some(damage) = damage {
            error!(pid = probe.pid(), "GPU probe sent a frame that cannot be read: {damage}");
            probe.kill();
        }
        let status = probe.wait(EXIT_LIMIT);
        if status.is_none() {
            self.kill(probe);
        }
        status
    }

    fn kill(&mut self, mut probe: Probe) {
        probe.kill();
        if probe.wait(KILL_LIMIT).is_none() {
            self.abandoned.push(probe);
        }
    }

    /// How many were given up and are not gone.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.len()
    }

    /// Forgets those that are gone by now.
    pub(super) fn reap(&mut self) {
        self.abandoned.retain_mut(|probe| probe.wait(Duration::ZERO).is_none());
    }
}

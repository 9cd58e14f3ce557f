//! The probe processes of one exporter: those that read GPUs, and those that were sent away and are not gone yet.
//!
//! Owns starting, stopping and killing them, and what they use of the machine. Leaves out when to do so, which is `watch`'s. Nothing
//! here waits for a process, but for [`Probes::stop`] and the moment in which one that has ended is reaped.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tracing::{debug, error, warn};

use super::message::Message;
use super::process::Probe;
use crate::gpu::probe::ProbeSettings;
use crate::gpu::profile::Profile;
use crate::gpu::settings::GpuSettings;

/// How long a probe may take to leave when asked: it leaves between two GPUs, and its own longest wait is half a second.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long a killed probe may take to be gone; one that hangs in the driver may never be.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// How long a probe whose pipe has closed may take to be gone.
const EXIT_LIMIT: Duration = Duration::from_millis(200);

/// The probe processes.
pub(super) struct Probes {
    program: PathBuf,
    library: Option<PathBuf>,
    sysfs: PathBuf,
    sample_interval: Duration,
    profile: Profile,
    /// For the readers of probes to come.
    sender: SyncSender<Message>,
    /// By number.
    living: BTreeMap<u64, Probe>,
    leaving: Vec<Leaving>,
}

/// A probe that was asked to leave, or killed.
struct Leaving {
    number: u64,
    probe: Probe,
    since: Instant,
    is_killed: bool,
}

impl Probes {
    /// None yet. `program` is the executable that becomes a probe; `sender` gets what probes write.
    pub(super) fn new(program: PathBuf, settings: &GpuSettings, sender: SyncSender<Message>) -> Self {
        Self {
            program,
            library: settings.library.clone(),
            sysfs: settings.sysfs.clone(),
            sample_interval: settings.sample_interval,
            profile: settings.profile,
            sender,
            living: BTreeMap::new(),
            leaving: Vec::new(),
        }
    }

    /// Starts a probe under this number that reads these GPUs; `None` is all.
    pub(super) fn start(&mut self, number: u64, gpus: Option<Vec<u32>>) -> io::Result<()> {
        let settings = ProbeSettings {
            library: self.library.clone(),
            sysfs: self.sysfs.clone(),
            sample_interval: self.sample_interval,
            profile: self.profile,
            gpus,
            once: false,
        };
        let sender = self.sender.clone();
        let listener = move |output| sender.send(Message::Probe(number, output)).is_ok();
        let started = Probe::start(&self.program, &settings, listener).inspect_err(|error| {
            error!("cannot start the GPU probe `{}`: {error}", self.program.display());
        })?;
        debug!(pid = started.pid(), gpus = ?settings.gpus, "GPU probe started");
        self.living.insert(number, started);
        Ok(())
    }

    /// Whether the probe with this number is to be heard. One that was sent away may still have something in the queue.
    pub(super) fn is_living(&self, number: u64) -> bool {
        self.living.contains_key(&number)
    }

    /// Asks a probe to leave; one that does not is killed later.
    pub(super) fn ask_to_leave(&mut self, number: u64) {
        if let Some(mut probe) = self.living.remove(&number) {
            probe.ask_to_leave();
            self.leaving.push(Leaving { number, probe, since: Instant::now(), is_killed: false });
        }
    }

    /// Kills a probe that hangs in a call to this GPU, or in the driver.
    pub(super) fn kill(&mut self, number: u64, gpu: Option<u32>) {
        if let Some(probe) = self.living.remove(&number) {
            let place = gpu.map_or("the driver".to_owned(), |gpu| format!("a call to GPU {gpu}"));
            error!(pid = probe.pid(), "GPU probe hangs in {place}; it is given up and replaced");
            self.leaving.push(Leaving::killed(number, probe));
        }
    }

    /// The pipe of a probe has closed: it is gone, or about to be. Returns how it ended; `None` for one that stays, which is killed.
    pub(super) fn closed(&mut self, number: u64, damage: Option<String>) -> Option<ExitStatus> {
        let mut probe = self.living.remove(&number)?;
        if let Some(damage) = damage {
            error!(pid = probe.pid(), "GPU probe sent a frame that cannot be read: {damage}");
            probe.kill();
        }
        let status = probe.wait(EXIT_LIMIT);
        if status.is_none() {
            self.leaving.push(Leaving::killed(number, probe));
        }
        status
    }

    /// Asks all to leave and waits for it; those that do not are killed.
    pub(super) fn stop(&mut self) {
        let all: Vec<_> = self.living.keys().copied().collect();
        for number in all {
            self.ask_to_leave(number);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        for leaving in self.leaving.iter_mut().filter(|leaving| !leaving.is_killed) {
            if leaving.probe.wait(deadline.saturating_duration_since(Instant::now())).is_none() {
                leaving.kill();
            }
        }
        let deadline = Instant::now() + KILL_LIMIT;
        self.leaving.retain_mut(|leaving| {
            leaving.probe.wait(deadline.saturating_duration_since(Instant::now())).is_none()
        });
    }

    /// Forgets those that are gone by now and returns their numbers. Kills those that were asked to leave and stay.
    pub(super) fn reap(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        self.leaving.retain_mut(|leaving| {
            let is_gone = leaving.probe.wait(Duration::ZERO).is_some();
            if is_gone {
                gone.push(leaving.number);
            } else if !leaving.is_killed && leaving.since.elapsed() >= STOP_LIMIT {
                leaving.kill();
            }
            !is_gone
        });
        gone
    }

    /// Whether there is somebody to [`reap`](Self::reap).
    pub(super) fn is_any_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// How many were killed and are not gone, though they had time for it.
    pub(super) fn abandoned(&self) -> usize {
        let stays = |leaving: &&Leaving| leaving.is_killed && leaving.since.elapsed() >= KILL_LIMIT;
        self.leaving.iter().filter(stays).count()
    }

    /// Whether none is left, living or leaving.
    pub(super) fn are_gone(&self) -> bool {
        self.living.is_empty() && self.leaving.is_empty()
    }

    /// The process ids of all, living or leaving.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.living.values().chain(self.leaving.iter().map(|leaving| &leaving.probe)).map(Probe::pid)
    }
}

impl Leaving {
    fn killed(number: u64, mut probe: Probe) -> Self {
        probe.kill();
        Self { number, probe, since: Instant::now(), is_killed: true }
    }

    fn kill(&mut self) {
        warn!(pid = self.probe.pid(), "GPU probe does not leave a call into the driver; it is killed");
        self.probe.kill();
        (self.since, self.is_killed) = (Instant::now(), true);
    }
}

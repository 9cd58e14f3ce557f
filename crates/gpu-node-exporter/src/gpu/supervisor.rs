//! The probe's keeper: starts it, listens to it, and carries out what the [`watch`] decides.
//!
//! Owns the child processes, their pipes, and the thread between them and the [`Snapshot`]. Decisions are made in
//! `watch`, meaning in `snapshot`. Logs what happens to probes, XIDs, and the faults of the collector, which would else
//! be logged only while somebody scrapes.

mod kernel_log;
mod process;
mod retrial;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tracing::{debug, error, info, warn};

pub(super) use self::kernel_log::{KERNEL_LOG, open as open_kernel_log};
pub(super) use self::process::{Probe, Said, THIS_PROGRAM};
use self::retrial::Round;
use self::watch::{Event, Exit, Limits, Order, Watch};
use super::expected::is_nothing_expected;
use super::faults::{COLLECTOR, faults};
use super::frame::{Frame, Outcome, Sweep};
use super::pci;
use super::probe::ProbeSettings;
use super::restart::Restart;
use super::settings::GpuSettings;
use super::snapshot::{Snapshot, XidSource};
use super::xid::Class;
use crate::collector::Fault;
use crate::fault_log::FaultLog;

/// What reaches the supervisor's thread.
pub(super) enum Message {
    /// The probe with this number said something.
    Probe(u64, Said),
    /// The kernel log told of an XID at a PCI slot.
    KernelXid { slot: String, code: u32 },
    /// Let go of the driver; answer whether it is free.
    Release(Sender<bool>),
    /// Take it again.
    Acquire,
    /// End the probe and the thread.
    Stop,
}

/// Frames wait here for the supervisor at most; a probe that is faster waits in its pipe.
const QUEUE: usize = 16;

/// How often the PCI bus is looked at.
const PCI_EVERY: Duration = Duration::from_secs(30);

/// How long a fault must be away to be over.
const FAULT_LASTS: Duration = Duration::from_secs(30);

/// How often processes that were given up are looked after.
const REAP_EVERY: Duration = Duration::from_secs(1);

/// How long a probe may take to leave when asked: it leaves between two GPUs, and its own longest wait is half a second.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long a killed probe may take to be gone; one that hangs in the driver may never be.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// How long a probe whose pipe has closed may take to be gone.
const EXIT_LIMIT: Duration = Duration::from_secs(1);

/// Starts the supervisor. `program` is the executable that becomes the probe: this very one, except in tests.
pub(super) fn start(
    settings: &GpuSettings,
    program: &Path,
    published: Arc<ArcSwap<Snapshot>>,
    expects_all_pci_gpus: bool,
) -> io::Result<(SyncSender<Message>, JoinHandle<()>)> {
    let (sender, messages) = mpsc::sync_channel(QUEUE);
    let supervisor = Supervisor {
        settings: settings.clone(),
        expects_all_pci_gpus,
        program: program.to_owned(),
        watch: Watch::new(Limits::new(settings.probe_timeout, settings.sample_interval)),
        snapshot: Snapshot::swept_every(settings.sample_interval),
        published,
        sender: sender.clone(),
        origin: Instant::now(),
        probe: None,
        started: 0,
        abandoned: Vec::new(),
        pci_read: None,
        faults: Vec::new(),
        log: FaultLog::new(COLLECTOR),
    };
    let kernel_xids = sender.clone();
    kernel_log::follow(move |slot, code| {
        kernel_xids.send(Message::KernelXid { slot: slot.to_owned(), code }).is_ok()
    });
    let thread =
        thread::Builder::new().name("gpu-watch".to_owned()).spawn(move || supervisor.run(&messages))?;
    Ok((sender, thread))
}

struct Supervisor {
    settings: GpuSettings,
    expects_all_pci_gpus: bool,
    program: PathBuf,
    watch: Watch,
    snapshot: Snapshot,
    published: Arc<ArcSwap<Snapshot>>,
    /// For the readers of probes to come.
    sender: SyncSender<Message>,
    /// The watch's origin of time.
    origin: Instant,
    probe: Option<Probe>,
    /// Probes started so far: the present one's number.
    started: u64,
    /// Probes that were given up and are not gone yet.
    abandoned: Vec<Probe>,
    pci_read: Option<Instant>,
    /// Faults, and when each was last there.
    faults: Vec<(Fault, Instant)>,
    log: FaultLog,
}

impl Supervisor {
    fn run(mut self, messages: &Receiver<Message>) {
        while self.hear_all(messages).is_ok() {
            self.decide();
            self.look_around();
            self.tell_faults();
            self.publish();
        }
        self.stop_probe();
    }

    /// Waits for something to be said or to be due, and hears all that was said: after a time without CPU, a probe must
    /// not be blamed for what waits in the queue. An error is the end.
    fn hear_all(&mut self, messages: &Receiver<Message>) -> Result<(), ()> {
        let mut patience = self.patience();
        loop {
            match messages.recv_timeout(patience) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(()),
                Ok(message) => self.hear(message),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
            }
            patience = Duration::ZERO;
        }
    }

    /// Time by the watch's clock.
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How long to listen before something must be decided or looked at.
    fn patience(&self) -> Duration {
        let deadline =
            self.watch.deadline(self.abandoned.len()).map(|deadline| deadline.saturating_sub(self.now()));
        let look = if self.abandoned.is_empty() { PCI_EVERY } else { REAP_EVERY };
        deadline.map_or(look, |deadline| deadline.min(look))
    }

    fn decide(&mut self) {
        loop {
            let orders = self.watch.tick(self.now(), self.abandoned.len());
            if orders.is_empty() {
                return;
            }
            self.carry_out(orders);
        }
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Start { skip } => self.start_probe(skip),
                Order::Stop => self.stop_probe(),
                Order::Abandon { at } => {
                    if let Some(probe) = self.probe.take() {
                        let place = at.map_or("the driver".to_owned(), |gpu| format!("a call to GPU {gpu}"));
                        error!(pid = probe.pid(), "GPU probe hangs in {place}; it is given up and replaced");
                        self.abandon(probe);
                    }
                }
            }
        }
    }

    fn start_probe(&mut self, skip: Vec<u32>) {
        self.started += 1;
        let probe = ProbeSettings {
            library: self.settings.library.clone(),
            sample_interval: self.settings.sample_interval,
            skip,
            once: false,
        };
        let (number, sender) = (self.started, self.sender.clone());
        let listener = move |said| sender.send(Message::Probe(number, said)).is_ok();
        match Probe::start(&self.program, &probe, listener) {
            Ok(started) => {
                debug!(pid = started.pid(), skip = ?probe.skip, "GPU probe started");
                self.probe = Some(started);
            }
            Err(error) => {
                error!("cannot start the GPU probe `{}`: {error}", self.program.display());
                self.carry_out_event(&Event::NotStarted);
            }
        }
    }

    /// Asks the probe to leave; one that does not is given up.
    fn stop_probe(&mut self) {
        let Some(mut probe) = self.probe.take() else { return };
        probe.ask_to_leave();
        if probe.wait(STOP_LIMIT).is_none() {
            warn!(pid = probe.pid(), "GPU probe does not leave a call into the driver; it is killed");
            self.abandon(probe);
        }
    }

    fn abandon(&mut self, mut probe: Probe) {
        probe.kill();
        if probe.wait(KILL_LIMIT).is_none() {
            self.abandoned.push(probe);
        }
    }

    fn carry_out_event(&mut self, event: &Event) {
        let orders = self.watch.on(self.now(), event);
        self.carry_out(orders);
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Probe(number, said) if number == self.started && self.probe.is_some() => match said {
                Said::Frame(frame) => self.take_in(frame),
                Said::Closed { damage } => self.closed(damage),
            },
            // The last words of a probe that was replaced; and the loop ends itself.
            Message::Probe(..) | Message::Stop => {}
            Message::KernelXid { slot, code } => {
                if let Some(uuid) = self.snapshot.uuid_at(&slot) {
                    self.count_xid(&uuid, code, XidSource::KernelLog);
                }
            }
            Message::Release(done) => {
                info!("releasing the NVIDIA driver");
                self.snapshot.is_history = true;
                self.carry_out_event(&Event::Release);
                self.publish();
                // Whoever asked may have gone.
                let _ = done.send(self.abandoned.is_empty());
            }
            Message::Acquire => {
                info!("acquiring the NVIDIA driver");
                self.carry_out_event(&Event::Acquire);
            }
        }
    }

    fn take_in(&mut self, frame: Frame) {
        let event = match frame {
            Frame::Driver(driver) => {
                info!(version = driver.version.as_deref().unwrap_or("unknown"), "NVIDIA driver is in use");
                self.snapshot.driver = Some(driver);
                self.snapshot.probe.failure = None;
                Event::Initialised
            }
            Frame::Touching { gpu } => Event::Touching(gpu),
            Frame::Sweep(sweep) => Event::Swept(self.swept(sweep)),
            Frame::Xid(event) => {
                if let Ok(code) = u32::try_from(event.xid) {
                    self.count_xid(&event.uuid, code, XidSource::Driver);
                }
                return;
            }
            Frame::Failed(failure) => {
                let is_news = self.snapshot.probe.failure.as_ref() != Some(&failure);
                if is_news && is_nothing_expected(&self.settings, &failure, &self.snapshot.pci) {
                    info!("no NVIDIA driver and no NVIDIA GPU here: GPU metrics are off until one appears");
                }
                self.snapshot.driver = None;
                self.snapshot.is_history = true;
                self.snapshot.probe.failure = Some(failure);
                Event::Failed
            }
        };
        self.carry_out_event(&event);
    }

    /// Takes in a round and tells what it did not give.
    fn swept(&mut self, sweep: Sweep) -> Round {
        let mut round = Round::default();
        for gpu in &sweep.gpus {
            match gpu.outcome {
                Outcome::Read(_) => {}
                Outcome::Failed(_) => drop(round.failed.insert(gpu.index)),
                Outcome::Skipped => drop(round.skipped.insert(gpu.index)),
            }
        }
        self.snapshot.absorb(sweep, Instant::now());
        if self.expects_all_pci_gpus {
            round.unlisted = self.snapshot.unlisted().map(|pci| pci.address.clone()).collect();
        }
        round
    }

    fn count_xid(&mut self, uuid: &str, code: u32, source: XidSource) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        self.snapshot.count_xid(uuid, code, source, at);
        match Class::of(code) {
            Class::Fatal => {
                error!(uuid, xid = code, ?source, "XID {code} on {uuid}: reset, reboot or repair needed");
            }
            Class::Warning => warn!(uuid, xid = code, ?source, "XID {code} on {uuid}"),
            Class::Info => info!(uuid, xid = code, ?source, "XID {code} on {uuid}"),
        }
    }

    /// The probe's pipe has closed: it is gone, or about to be.
    fn closed(&mut self, damage: Option<String>) {
        let Some(mut probe) = self.probe.take() else { return };
        if let Some(damage) = damage {
            error!(pid = probe.pid(), "GPU probe sent nonsense: {damage}");
            probe.kill();
        }
        let exit = if let Some(status) = probe.wait(EXIT_LIMIT) {
            exit(status)
        } else {
            self.abandon(probe);
            Exit::Lingering
        };
        if self.snapshot.probe.failure.is_none() {
            warn!(?exit, "GPU probe ended; it is started again");
        }
        self.carry_out_event(&Event::Exited(exit));
    }

    /// What has to be looked at now and then.
    fn look_around(&mut self) {
        self.abandoned.retain_mut(|probe| probe.wait(Duration::ZERO).is_none());
        if self.pci_read.is_none_or(|read| read.elapsed() >= PCI_EVERY) {
            self.pci_read = Some(Instant::now());
            match pci::gpus(&self.settings.sysfs) {
                Ok(gpus) => self.snapshot.pci = gpus,
                Err(error) => debug!("cannot list PCI devices: {error}"),
            }
        }
    }

    /// Logs faults as they begin and end. Rounds come every second, so a fault that comes and goes is one fault.
    fn tell_faults(&mut self) {
        let now = Instant::now();
        let waited = now.saturating_duration_since(self.snapshot.taken_at.unwrap_or(self.origin));
        for fault in faults(&self.settings, &self.snapshot, self.expects_all_pci_gpus, waited) {
            match self.faults.iter_mut().find(|(known, _)| *known == fault) {
                Some((_, seen)) => *seen = now,
                None => self.faults.push((fault, now)),
            }
        }
        self.faults.retain(|(_, seen)| now.saturating_duration_since(*seen) < FAULT_LASTS);
        self.log.log(self.faults.iter().map(|(fault, _)| fault));
    }

    fn publish(&mut self) {
        let probe = &mut self.snapshot.probe;
        probe.is_up = self.watch.is_working();
        probe.is_released = self.watch.is_released();
        probe.restarts = Restart::counts(|reason| self.watch.restarts(reason));
        probe.abandoned = self.abandoned.len();
        self.published.store(Arc::new(self.snapshot.clone()));
    }
}

fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (_, Some(signal)) => Exit::Signal(signal),
        (Some(code), None) => Exit::Code(code),
        (None, None) => Exit::Lingering,
    }
}

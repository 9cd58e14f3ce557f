//! Keeps probes running: starts them, listens to them, and carries out what the [`watch`] decides.
//!
//! Owns the thread between the probes and the [`Snapshot`]. Decisions are made in `watch`, processes are held in `probes`, meaning is
//! `snapshot`'s. Logs what happens to probes, XIDs, and the faults of the collector, which would else be logged only while somebody
//! scrapes.

pub(in crate::gpu) mod kernel_log;
mod lasting_faults;
mod limits;
mod message;
mod probes;
mod process;
mod usage;
mod watch;
mod xid_log;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::{debug, info, warn};

use self::kernel_log::News;
pub(super) use self::kernel_log::{
    KERNEL_LOG, cannot_open as cannot_open_kernel_log, open as open_kernel_log,
};
use self::lasting_faults::LastingFaults;
use self::limits::Limits;
pub(super) use self::limits::start_timeout;
pub(super) use self::message::Message;
use self::probes::Probes;
pub(super) use self::process::{Probe, ProbeOutput, THIS_PROGRAM};
use self::usage::usage;
use self::watch::{Event, Exit, Order, Watch};
use self::xid_log::XidLog;
use super::driver::Failure;
use super::expected::is_nothing_expected;
use super::faults::faults;
use super::frame::{Frame, GpuSweep, Outcome};
use super::pci;
use super::recorder::{Cause, SharedRecorder};
use super::restart::Restart;
use super::settings::GpuSettings;
use super::snapshot::{Error, Moment, ProbeHealth, ProbeUsage, Snapshot};
use super::xid::Severity;

/// Frames wait here for the supervisor at most; a probe that is faster waits in its pipe.
const QUEUE: usize = 16;

/// How often the PCI bus is looked at.
const PCI_EVERY: Duration = Duration::from_secs(30);

/// How often the probes' use of the machine is looked at.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// How often processes that were sent away are looked after.
const REAP_EVERY: Duration = Duration::from_millis(100);

/// Starts the supervisor. `program` is the executable that becomes the probe: this very one, except in tests.
pub(super) fn start(
    settings: &GpuSettings,
    program: PathBuf,
    published: Arc<ArcSwap<Snapshot>>,
    recorder: SharedRecorder,
    expects_all_pci_gpus: bool,
) -> io::Result<(SyncSender<Message>, JoinHandle<()>)> {
    let (sender, messages) = mpsc::sync_channel(QUEUE);
    let mut supervisor = Supervisor {
        settings: settings.clone(),
        expects_all_pci_gpus,
        watch: Watch::new(Limits::new(settings.probe_timeout, settings.sample_interval)),
        snapshot: Snapshot::swept_every(settings.sample_interval, settings.severities.clone()),
        is_changed: true,
        published,
        origin: Instant::now(),
        probes: Probes::new(program, settings, sender.clone()),
        pci_read: None,
        usage_read: None,
        usage: None,
        faults: LastingFaults::default(),
        xid_log: XidLog::default(),
        recorder,
    };
    supervisor.snapshot.awaited_since = Some(supervisor.origin);
    let reports = sender.clone();
    if kernel_log::follow(move |news| reports.send(Message::Kernel(news)).is_ok()) {
        Arc::make_mut(&mut supervisor.snapshot.errors).read_kernel_log(true);
    }
    let thread =
        thread::Builder::new().name("gpu-watch".to_owned()).spawn(move || supervisor.run(&messages))?;
    Ok((sender, thread))
}

struct Supervisor {
    settings: GpuSettings,
    expects_all_pci_gpus: bool,
    watch: Watch,
    snapshot: Snapshot,
    /// The snapshot differs from the published one.
    is_changed: bool,
    published: Arc<ArcSwap<Snapshot>>,
    /// The watch's origin of time.
    origin: Instant,
    probes: Probes,
    pci_read: Option<Instant>,
    usage_read: Option<Instant>,
    usage: Option<ProbeUsage>,
    faults: LastingFaults,
    xid_log: XidLog,
    recorder: SharedRecorder,
}

impl Supervisor {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(has_waited) = self.hear_all(messages) {
            self.decide();
            self.look_around();
            self.note_health();
            // A probe marks each GPU before it asks it; a mark alone changes nothing that is seen.
            if self.is_changed || has_waited {
                self.log_faults();
            }
            if self.is_changed {
                self.publish();
            }
        }
        self.probes.stop();
    }

    /// Waits for something to be said or to be due, and hears all that was said: after a time without CPU, a probe must
    /// not be blamed for what waits in the queue. Returns whether nothing was said until something was due. An error is the end.
    fn hear_all(&mut self, messages: &Receiver<Message>) -> Result<bool, ()> {
        let (mut wait, mut has_heard) = (self.longest_wait(), false);
        loop {
            match messages.recv_timeout(wait) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(()),
                Ok(message) => self.hear(message),
                Err(RecvTimeoutError::Timeout) => return Ok(!has_heard),
            }
            (wait, has_heard) = (Duration::ZERO, true);
        }
    }

    /// Time by the watch's clock.
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How long to listen before something must be decided or looked at.
    fn longest_wait(&self) -> Duration {
        let deadline = self.watch.deadline().map(|deadline| deadline.saturating_sub(self.now()));
        let look = if self.probes.is_any_leaving() { REAP_EVERY } else { PCI_EVERY.min(USAGE_EVERY) };
        deadline.map_or(look, |deadline| deadline.min(look))
    }

    fn decide(&mut self) {
        loop {
            let orders = self.watch.tick(self.now());
            if orders.is_empty() {
                return;
            }
            self.carry_out(orders);
        }
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Start { probe, gpus } => {
                    if self.probes.start(probe, gpus).is_err() {
                        self.report(probe, &Event::NotStarted);
                    }
                }
                Order::Leave { probe } => self.probes.ask_to_leave(probe),
                Order::Kill { probe, gpu } => self.probes.kill(probe, gpu),
                Order::List { count } => {
                    self.is_changed = true;
                    self.snapshot.listed(count);
                }
                Order::Stuck { gpu } => {
                    self.is_changed = true;
                    self.keep_recording(gpu, "stuck in the driver", true);
                    self.snapshot.stuck(gpu);
                }
            }
        }
    }

    /// Reports to the watch, and does what it says.
    fn report(&mut self, probe: u64, event: &Event) {
        let orders = self.watch.on(self.now(), probe, event);
        self.carry_out(orders);
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Probe(number, output) if self.probes.is_living(number) => match output {
                ProbeOutput::Frame(frame) => self.take_in(number, frame),
                ProbeOutput::Closed { damage } => self.closed(number, damage),
            },
            // The last words of a probe that was sent away; and the loop ends itself.
            Message::Probe(..) | Message::Stop => {}
            Message::Kernel(News::Ended) => Arc::make_mut(&mut self.snapshot.errors).read_kernel_log(false),
            Message::Kernel(News::Report(report)) => {
                let error = self.snapshot.count_report(report, Moment::now());
                self.counted(error);
            }
            Message::Release(done) => {
                info!("releasing the NVIDIA driver");
                self.snapshot.outdate();
                let orders = self.watch.release();
                self.carry_out(orders);
                self.probes.stop();
                self.note_health();
                self.publish();
                // Whoever asked may have gone.
                let _ = done.send(self.probes.are_gone());
            }
            Message::Acquire => {
                info!("acquiring the NVIDIA driver");
                if self.watch.is_released() {
                    self.snapshot.awaited_since = Some(Instant::now());
                }
                self.watch.acquire(self.now());
            }
        }
    }

    fn take_in(&mut self, probe: u64, frame: Frame) {
        let event = match frame {
            Frame::Listed { count } => Event::Listed(count),
            Frame::Touching { gpu } => Event::Touching(gpu),
            Frame::Driver(driver) => {
                self.is_changed = true;
                let version = driver.version.clone();
                if self.snapshot.initialised(driver, Instant::now()) {
                    info!(version = version.as_deref().unwrap_or("unknown"), "NVIDIA driver is in use");
                }
                Event::Initialised
            }
            Frame::Gpu(gpu) => {
                let is_read = matches!(gpu.outcome, Outcome::Read(_));
                self.report(probe, &Event::Told { gpu: gpu.index, is_read });
                if self.watch.is_reader(probe, gpu.index) {
                    self.told(gpu);
                }
                return;
            }
            Frame::Swept => {
                if self.expects_all_pci_gpus && self.snapshot.is_complete {
                    let unlisted = self.snapshot.unlisted().map(|pci| pci.address.clone()).collect();
                    self.watch.unlisted(self.now(), unlisted);
                }
                Event::Swept
            }
            Frame::Xid(event) => {
                if let Ok(code) = u32::try_from(event.xid)
                    && self.hears_xids(probe, &event.uuid)
                {
                    let error = self.snapshot.count_xid(&event.uuid, code, Moment::now());
                    self.counted(error);
                }
                return;
            }
            Frame::Watched(watched) => {
                self.is_changed = true;
                self.snapshot.watch_events(watched);
                return;
            }
            Frame::Event(event) => {
                if self.hears_xids(probe, &event.uuid) {
                    self.is_changed = true;
                    self.xid_log.log_event(&event, Instant::now());
                    self.snapshot.count_event(event);
                }
                return;
            }
            Frame::Failed(failure) => {
                self.failed(probe, failure);
                Event::Failed
            }
        };
        self.report(probe, &event);
    }

    fn told(&mut self, gpu: GpuSweep) {
        self.is_changed = true;
        match gpu.outcome {
            Outcome::Read(reading) => {
                self.recorder.lock().record(gpu.index, &reading, Moment::now());
                self.snapshot.read(gpu.index, reading, Instant::now());
            }
            Outcome::Failed(reason) => {
                self.keep_recording(gpu.index, reason.text(), reason.is_loss());
                self.snapshot.failed(gpu.index, reason, Instant::now());
            }
        }
    }

    /// A GPU that answered does so no more.
    fn keep_recording(&self, gpu: u32, why: &str, is_loss: bool) {
        if let Some(uuid) = self.snapshot.answering(gpu) {
            let Moment { at, now } = Moment::now();
            self.recorder.lock().keep(uuid, Cause::new(why.to_owned(), at, is_loss), now);
        }
    }

    /// A probe has no driver, or lost it. Another may still have it: a new process can fail where an older one works on.
    fn failed(&mut self, probe: u64, failure: Failure) {
        if self.watch.is_another_working(probe) {
            warn!("GPU probe has no driver while another works: {}", failure.message);
            return;
        }
        let is_news = self.snapshot.probe.failure.as_ref() != Some(&failure);
        if is_news && is_nothing_expected(&self.settings, &failure, &self.snapshot.pci) {
            info!("no NVIDIA driver and no NVIDIA GPU here: GPU metrics are off until one appears");
        }
        self.is_changed = true;
        self.snapshot.lost_driver(failure);
    }

    /// Whether what this probe heard of a GPU counts.
    fn hears_xids(&self, probe: u64, uuid: &str) -> bool {
        let known = self.snapshot.gpus.iter().find(|gpu| gpu.uuid.as_deref() == Some(uuid));
        known.is_none_or(|gpu| self.watch.hears_xids(probe, gpu.index))
    }

    fn counted(&mut self, error: Option<Error>) {
        if let Some(error) = error {
            self.is_changed = true;
            self.xid_log.log(&error, Instant::now());
            if error.severity == Severity::Fatal {
                let Moment { at, now } = Moment::now();
                let cause = Cause::new(error.name(), at, true);
                let cause = Cause { xid: Some(error.code), text: error.text, detail: error.detail, ..cause };
                self.recorder.lock().keep(&error.of, cause, now);
            }
        }
    }

    /// A probe's pipe has closed: it is gone, or about to be.
    fn closed(&mut self, probe: u64, damage: Option<String>) {
        let exit = self.probes.closed(probe, damage).map_or(Exit::Lingering, exit);
        if self.snapshot.probe.failure.is_none() {
            warn!(?exit, "GPU probe ended ({exit:?}); it is started again");
        }
        self.report(probe, &Event::Exited(exit));
    }

    /// What has to be looked at now and then.
    fn look_around(&mut self) {
        for gone in self.probes.reap() {
            self.watch.gone(gone);
        }
        if self.usage_read.is_none_or(|read| read.elapsed() >= USAGE_EVERY) {
            self.usage_read = Some(Instant::now());
            self.usage = usage(self.probes.pids());
        }
        if self.pci_read.is_none_or(|read| read.elapsed() >= PCI_EVERY) {
            self.pci_read = Some(Instant::now());
            match pci::gpus(&self.settings.sysfs) {
                Ok(gpus) => {
                    self.is_changed |= gpus != self.snapshot.pci;
                    self.snapshot.pci = gpus;
                }
                Err(error) => debug!("cannot list PCI devices: {error}"),
            }
        }
    }

    fn log_faults(&mut self) {
        let now = Instant::now();
        let faults = faults(&self.settings, &self.snapshot, self.expects_all_pci_gpus, now);
        self.faults.log(faults, now);
    }

    /// Notes how the probe itself is.
    fn note_health(&mut self) {
        let health = ProbeHealth {
            is_up: self.watch.is_working(),
            is_released: self.watch.is_released(),
            restarts: Restart::counts(|reason| self.watch.restarts(reason)),
            abandoned: self.probes.abandoned(),
            failure: self.snapshot.probe.failure.clone(),
            usage: self.usage,
        };
        if health != self.snapshot.probe {
            self.snapshot.probe = health;
            self.is_changed = true;
        }
    }

    /// Shows scrapes what is known now.
    fn publish(&mut self) {
        self.is_changed = false;
        self.snapshot.recorded_bytes = self.recorder.lock().size();
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

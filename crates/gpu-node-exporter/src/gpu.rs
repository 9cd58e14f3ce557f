//! The GPU side: what `app` starts and `scrape` asks.
//!
//! NVML can hang for good and crash with the driver, so it lives in a child process (`gpu-node-exporter gpu-probe`);
//! this side only ever reads the last frame that child wrote. A scrape never calls NVML.
//!
//! The children stand in the order a number travels: `nvml` reads it in the `probe`, a `frame` carries it to the
//! `supervisor`, the `snapshot` keeps it, `families` names it. `holders` finds out who uses the GPUs, `pods` whom Kubernetes gave them,
//! `runtime` what containers are called.

mod driver;
mod driver_event;
mod fault;
mod histogram;
mod kernel_module;
mod pci;
mod peak;
mod profile;
mod recent;
mod restart;
mod runtime_address;
mod settings;
mod xid;

mod delta;
mod nvml;

mod clone_on_write;

mod subject;

mod reading;

mod frame;

mod probe;
mod recorder;
mod snapshot;

mod expected;
mod families;
mod stale;

mod holders;

mod socket;

mod pods;
mod runtime;

mod dcgm;

mod faults;

mod collector;
mod supervisor;

mod check;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

pub(crate) use self::check::{Verdict, check};
use self::collector::GpuCollector;
pub(crate) use self::dcgm::{Counters, DcgmFace, DcgmSettings, Findings, Names};
use self::expected::expects_all_pci_gpus_here;
use self::families::Lasting;
pub(crate) use self::holders::Engine;
use self::holders::{Dropped, Holders};
use self::pods::Pods;
pub(crate) use self::probe::{PROBE_COMMAND, run as run_probe};
pub(crate) use self::profile::Profile;
use self::recorder::SharedRecorder;
pub(crate) use self::recorder::{Asked, Played, ROOM as RECORDER_ROOM, Recording};
use self::runtime::ContainerNames;
pub(crate) use self::runtime_address::RuntimeAddress;
pub(crate) use self::settings::GpuSettings;
use self::supervisor::{Message, THIS_PROGRAM};
pub(crate) use self::xid::{Severities, Severity};
use crate::collector::Collector;

/// The running GPU side. Dropping it ends the probe.
pub(crate) struct Gpu {
    settings: GpuSettings,
    expects_all_pci_gpus: bool,
    published: Arc<ArcSwap<snapshot::Snapshot>>,
    recorder: SharedRecorder,
    holders: Arc<ArcSwap<Holders>>,
    /// The thread that looks holders up ends with it.
    _looking_up: Sender<()>,
    pods: Arc<ArcSwap<Pods>>,
    /// The thread that asks kubelet, where there is one, ends with it.
    _asking_kubelet: Option<Sender<()>>,
    container_names: Arc<ArcSwap<ContainerNames>>,
    /// The thread that asks the container runtime, where there is one, ends with it.
    _asking_runtime: Option<Sender<()>>,
    messages: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// The supervisor answers a release within the time a probe may take to leave, and one before it.
const RELEASE_LIMIT: Duration = Duration::from_secs(15);

impl Gpu {
    /// Starts the supervisor, which starts the probe. Returns at once; the first readings follow when the driver has
    /// answered.
    pub(crate) fn start(settings: &GpuSettings) -> io::Result<Self> {
        let published = Arc::default();
        let recorder = SharedRecorder::default();
        let holders = Arc::<ArcSwap<Holders>>::default();
        let looking_up = holders::start(settings, Arc::clone(&published), Arc::clone(&holders))?;
        let pods = Arc::default();
        let asking_kubelet = settings.pods.clone().map(|socket| pods::start(socket, Arc::clone(&pods)));
        let container_names = Arc::default();
        let asking_runtime = settings
            .runtime
            .clone()
            .map(|address| runtime::start(address, Arc::clone(&holders), Arc::clone(&container_names)));
        let expects_all_pci_gpus = expects_all_pci_gpus_here();
        let (messages, thread) = supervisor::start(
            settings,
            THIS_PROGRAM.into(),
            Arc::clone(&published),
            recorder.clone(),
            expects_all_pci_gpus,
        )?;
        Ok(Self {
            settings: settings.clone(),
            expects_all_pci_gpus,
            published,
            recorder,
            holders,
            _looking_up: looking_up,
            pods,
            _asking_kubelet: asking_kubelet.transpose()?,
            container_names,
            _asking_runtime: asking_runtime.transpose()?,
            messages,
            thread: Some(thread),
        })
    }

    /// What a scrape asks for GPU families; it never waits.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(GpuCollector {
            settings: self.settings.clone(),
            snapshot: Arc::clone(&self.published),
            holders: Arc::clone(&self.holders),
            lasting: Lasting::default(),
            pods: Arc::clone(&self.pods),
            container_names: Arc::clone(&self.container_names),
            dropped: Dropped::default(),
            expects_all_pci_gpus: self.expects_all_pci_gpus,
        })
    }

    /// The GPUs under dcgm-exporter's names. `hostname` is this machine's, or its Kubernetes node's.
    pub(crate) fn dcgm(&self, settings: &DcgmSettings, counters: Counters, hostname: String) -> DcgmFace {
        DcgmFace {
            settings: self.settings.clone(),
            snapshot: Arc::clone(&self.published),
            pods: Arc::clone(&self.pods),
            names: settings.names,
            counters,
            old_labels: settings.old_labels,
            each_container: settings.each_container,
            hostname,
        }
    }

    /// The recording of the GPU with this index or UUID.
    pub(crate) fn recording(&self, gpu: &str) -> Option<Recording> {
        self.recorder.lock().recording(gpu)
    }

    /// Time without readings that may be filled in from those at its end.
    pub(crate) fn longest_gap(&self) -> Duration {
        settings::longest_gap(self.settings.sample_interval)
    }

    /// The GPUs that are recorded: index and UUID.
    pub(crate) fn recorded(&self) -> Vec<(u32, String)> {
        self.recorder.lock().gpus()
    }

    /// Ends the probe and starts no other, so that an administrator can reset a GPU or change its MIG mode. Blocks
    /// until the driver is free; false when a probe stays in it.
    pub(crate) fn release(&self) -> bool {
        let (done, released) = mpsc::channel();
        self.messages.send(Message::Release(done)).is_ok() && released.recv_timeout(RELEASE_LIMIT) == Ok(true)
    }

    /// Takes the driver again after [`Gpu::release`]. Blocks while a probe before it is being ended.
    pub(crate) fn acquire(&self) {
        // Without a supervisor the program is ending.
        let _ = self.messages.send(Message::Acquire);
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

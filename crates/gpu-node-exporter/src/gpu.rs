//! The GPU side's face to `app` and `scrape`.
//!
//! NVML can hang for good and crash with the driver, so it lives in a child process (`gpu-node-exporter gpu-probe`);
//! this side only ever reads the last frame that child wrote. A scrape never calls NVML.
//!
//! The children stand in the order a number travels: `nvml` reads it in the `probe`, a `frame` carries it to the
//! `supervisor`, the `snapshot` keeps it, `families` names it.

mod check;
mod collector;
mod families;
mod faults;
mod footprint;
mod frame;
mod nvml;
mod pci;
mod probe;
mod snapshot;

mod supervisor;
mod xid;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub(crate) use self::check::{Verdict, check};
use self::collector::GpuCollector;
use self::frame::{Failure, FailureReason};
use self::pci::PciGpu;
pub(crate) use self::probe::{PROBE_COMMAND, run as run_probe};
use self::supervisor::Message;
use crate::collector::Collector;

/// What the flags `--gpu.*` resolve to.
#[derive(Clone, Debug)]
pub(crate) struct GpuSettings {
    /// `--gpu.library`; `None` is the system's `libnvidia-ml.so.1`.
    pub(crate) library: Option<PathBuf>,
    /// `--gpu.sample-interval`: time from one sweep over all GPUs to the next.
    pub(crate) sample_interval: Duration,
    /// `--gpu.probe-timeout`: how long one GPU may stay silent before it counts as stuck.
    pub(crate) probe_timeout: Duration,
    /// `--path.sysfs`: where the PCI bus is listed.
    pub(crate) sysfs: PathBuf,
}

/// The running GPU side. Dropping it ends the probe.
pub(crate) struct Gpu {
    settings: GpuSettings,
    expects_all_pci_gpus: bool,
    published: Arc<ArcSwap<snapshot::Snapshot>>,
    messages: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// The probe is this very program, even when its file has been replaced by an upgrade in the meantime.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The supervisor answers a release within the time a probe may take to leave, and one before it.
const RELEASE_LIMIT: Duration = Duration::from_secs(15);

impl Gpu {
    /// Starts the supervisor, which starts the probe. Returns at once; the first readings follow when the driver has
    /// answered.
    pub(crate) fn start(settings: &GpuSettings) -> io::Result<Self> {
        footprint::keep_one_heap();
        let published = Arc::default();
        let expects_all_pci_gpus = expects_all_pci_gpus_here();
        let (messages, thread) = supervisor::start(
            settings,
            Path::new(THIS_PROGRAM),
            Arc::clone(&published),
            expects_all_pci_gpus,
        )?;
        Ok(Self {
            settings: settings.clone(),
            expects_all_pci_gpus,
            published,
            messages,
            thread: Some(thread),
        })
    }

    /// What a scrape asks for GPU families; it never waits.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(GpuCollector {
            settings: self.settings.clone(),
            snapshot: Arc::clone(&self.published),
            started: Instant::now(),
            expects_all_pci_gpus: self.expects_all_pci_gpus,
        })
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

/// Time without readings that may be filled in from those at its end. Long enough for a probe to be replaced twice, with
/// a GPU given time to wake in between.
fn longest_gap(sample_interval: Duration) -> Duration {
    const SHORTEST_LIMIT: Duration = Duration::from_mins(1);
    SHORTEST_LIMIT.max(sample_interval * 2)
}

/// True when a failure is no trouble: nobody named a library, and the bus has no GPU for the NVIDIA driver to find.
fn is_nothing_expected(settings: &GpuSettings, failure: &Failure, pci: &[PciGpu]) -> bool {
    let is_absence =
        matches!(failure.reason, FailureReason::LibraryNotLoaded | FailureReason::DriverNotLoaded);
    settings.library.is_none() && is_absence && !pci.iter().any(PciGpu::is_for_nvidia_driver)
}

/// Whether every GPU on the bus is this process's business.
fn expects_all_pci_gpus_here() -> bool {
    expects_all_pci_gpus(std::env::var("NVIDIA_VISIBLE_DEVICES").ok().as_deref())
}

/// A container given only some GPUs sees the others on the bus, where they are no loss. The container toolkit says
/// which were given in `NVIDIA_VISIBLE_DEVICES`; outside containers it is not set.
fn expects_all_pci_gpus(visible_devices: Option<&str>) -> bool {
    matches!(visible_devices, None | Some("all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_gpus_expects_nothing() {
        let settings = |library: Option<&str>| GpuSettings {
            library: library.map(PathBuf::from),
            sample_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(5),
            sysfs: PathBuf::from("/sys"),
        };
        let failure = |reason| Failure { reason, message: String::new() };
        let gpu =
            |driver: &str| PciGpu { address: "0000:17:00.0".to_owned(), driver: Some(driver.to_owned()) };
        let absent = failure(FailureReason::LibraryNotLoaded);
        for (library, failure, pci, expected) in [
            (None, &absent, vec![], true),
            (None, &absent, vec![gpu("vfio-pci")], true),
            (None, &absent, vec![gpu("nvidia")], false),
            (Some("/wrong.so"), &absent, vec![], false),
            (None, &failure(FailureReason::VersionMismatch), vec![], false),
        ] {
            assert_eq!(
                is_nothing_expected(&settings(library), failure, &pci),
                expected,
                "{library:?} {pci:?}"
            );
        }
    }

    #[test]
    fn a_container_with_some_gpus_does_not_miss_the_others() {
        for (visible, expected) in
            [(None, true), (Some("all"), true), (Some("0,1"), false), (Some("void"), false)]
        {
            assert_eq!(expects_all_pci_gpus(visible), expected, "{visible:?}");
        }
    }
}

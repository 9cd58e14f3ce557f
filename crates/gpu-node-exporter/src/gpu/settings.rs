//! What the flags `--gpu.*` resolve to.

use std::path::PathBuf;
use std::time::Duration;

use super::profile::Profile;
use super::runtime_address::RuntimeAddress;
use super::xid::Severities;

/// The settings of the GPU side.
#[derive(Clone, Debug)]
pub(crate) struct GpuSettings {
    /// `--gpu.library`; `None` is the system's `libnvidia-ml.so.1`.
    pub(crate) library: Option<PathBuf>,
    /// `--gpu.sample-interval`: time from one sweep over all GPUs to the next.
    pub(crate) sample_interval: Duration,
    /// `--gpu.probe-timeout`: how long one GPU may stay silent before it counts as stuck.
    pub(crate) probe_timeout: Duration,
    /// `--gpu.xid-severity`, in front of NVIDIA's catalog.
    pub(crate) severities: Severities,
    /// `--gpu.profile`: what is read at all.
    pub(crate) profile: Profile,
    /// `--gpu.processes`: series of each process on a GPU.
    pub(crate) processes: bool,
    /// `--gpu.containers`: series of each container, job and unit that has processes on a GPU.
    pub(crate) containers: bool,
    /// `--gpu.pods.socket`, with `--gpu.pods`: where kubelet tells which pods have GPUs.
    pub(crate) pods: Option<PathBuf>,
    /// `--gpu.container-runtime`: where it is told what containers are called.
    pub(crate) runtime: Option<RuntimeAddress>,
    /// `--path.procfs`: where processes are looked up.
    pub(crate) proc: PathBuf,
    /// `--path.sysfs`: where the PCI bus is listed.
    pub(crate) sysfs: PathBuf,
}

/// As the flags' defaults have it, for tests to say what differs.
#[cfg(test)]
impl Default for GpuSettings {
    fn default() -> Self {
        Self {
            library: None,
            sample_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(5),
            severities: Severities::default(),
            profile: Profile::default(),
            processes: false,
            containers: true,
            pods: None,
            runtime: None,
            proc: PathBuf::from("/proc"),
            sysfs: PathBuf::from("/sys"),
        }
    }
}

/// Time without readings that may be filled in from those at its end. Long enough for a probe to be replaced twice, with
/// a GPU given time to wake in between.
pub(super) fn longest_gap(sample_interval: Duration) -> Duration {
    const SHORTEST_LIMIT: Duration = Duration::from_mins(1);
    SHORTEST_LIMIT.max(sample_interval * 2)
}

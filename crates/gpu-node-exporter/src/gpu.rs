//! The GPU side's face to `app` and `scrape`.
//!
//! NVML can hang for good and crash with the driver, so it lives in a child process (`gpu-node-exporter gpu-probe`);
//! this side only ever reads the last frame that child wrote. A scrape never calls NVML.

use std::path::PathBuf;
use std::time::Duration;

/// What the flags `--gpu.*` resolve to.
#[derive(Clone, Debug)]
pub(crate) struct GpuSettings {
    /// `--gpu.library`; `None` is the system's `libnvidia-ml.so.1`.
    pub(crate) library: Option<PathBuf>,
    /// `--gpu.sample-interval`: time from one sweep over all GPUs to the next.
    pub(crate) sample_interval: Duration,
    /// `--gpu.probe-timeout`: how long one GPU may stay silent before it counts as stuck.
    pub(crate) probe_timeout: Duration,
    /// `--gpu.processes`: per-process series.
    pub(crate) processes: bool,
    /// `--gpu.containers`: per-container series.
    pub(crate) containers: bool,
}

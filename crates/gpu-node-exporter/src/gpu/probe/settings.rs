//! The settings that the exporter gives its probe.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::gpu::profile::Profile;

/// The settings of one probe, which it gets as its one argument, in JSON: both are the same binary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProbeSettings {
    /// The driver library; `None` is the system's.
    pub(crate) library: Option<PathBuf>,
    /// Where the kernel lists its modules: to say what is wrong with the driver.
    pub(crate) sysfs: PathBuf,
    pub(crate) sample_interval: Duration,
    pub(crate) profile: Profile,
    /// Indices of the GPUs to read; `None` is all that the driver lists.
    pub(crate) gpus: Option<Vec<u32>>,
    /// One sweep that lists what is unsupported, for `--check`.
    pub(crate) once: bool,
}

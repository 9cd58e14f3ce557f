//! The driver library: opening it, and why it can't be.
//!
//! This module and its children are the only ones that name `nvml_wrapper`, and only the probe process calls them.
//! Owns calls, unit conversion and version fallbacks. Leaves out when to call: that is [`probe`](super::probe)'s.

mod answer;
mod asker;
mod busy_time;
mod device;
mod events;
mod raw;

use std::path::Path;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

pub(super) use self::device::Reader;
pub(super) use self::events::XidEvents;
use super::driver::{Driver, Failure, FailureReason};

/// The name under which every driver package installs the library; the unversioned name is for developers only.
pub(super) const SYSTEM_LIBRARY: &str = "libnvidia-ml.so.1";

/// Loads the library and initialises it. The GPUs themselves are initialised when their handles are first taken
/// (nvml.h, `nvmlInit_v2`); without persistence mode that wakes them, which can take seconds each.
pub(super) fn open(library: Option<&Path>) -> Result<Nvml, Failure> {
    let path = library.unwrap_or(Path::new(SYSTEM_LIBRARY));
    Nvml::builder()
        .lib_path(path.as_os_str())
        .init()
        .map_err(|error| failure(&path.display().to_string(), &error))
}

/// What can be said about the driver.
pub(super) fn driver(nvml: &Nvml) -> Driver {
    // The unversioned CUDA call works without libcuda, the wrapper's `_v2` does not.
    let cuda = raw::cuda_version(nvml).or_else(|_| nvml.sys_cuda_driver_version());
    Driver {
        version: nvml.sys_driver_version().ok(),
        nvml_version: nvml.sys_nvml_version().ok(),
        cuda_version: cuda.ok().map(|version| format!("{}.{}", version / 1000, version % 1000 / 10)),
    }
}

/// The reason for having no driver, with what to do about it.
fn failure(library: &str, error: &NvmlError) -> Failure {
    let (reason, hint) = match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) | NvmlError::LibraryNotFound => (
            FailureReason::LibraryNotLoaded,
            "install the NVIDIA driver, or name the library with --gpu.library, or turn GPUs off with --no-collector.gpu",
        ),
        NvmlError::DriverNotLoaded => {
            (FailureReason::DriverNotLoaded, "load the kernel module: `modprobe nvidia`")
        }
        NvmlError::LibRmVersionMismatch => (
            FailureReason::VersionMismatch,
            "the driver was upgraded under a loaded kernel module: reload the module or reboot",
        ),
        NvmlError::NoPermission => {
            (FailureReason::Other, "the exporter's user needs read and write access to /dev/nvidia*")
        }
        _ => (FailureReason::Other, "`nvidia-smi` should show the same; the kernel log may say more"),
    };
    Failure { reason, message: format!("cannot use `{library}`: {error} (hint: {hint})") }
}

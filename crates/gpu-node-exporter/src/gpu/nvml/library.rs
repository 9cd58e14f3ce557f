//! The driver library: loading it, and why it can't be used.

use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{answer, raw};
use crate::gpu::driver::{Driver, Failure, FailureReason};
use crate::gpu::fault::FaultReason;

/// The name under which every driver package installs the library; the unversioned name is for developers only.
const SYSTEM_LIBRARY: &str = "libnvidia-ml.so.1";

/// The loaded and initialised library.
pub(crate) struct Library(pub(super) Nvml);

impl Library {
    /// Loads and initialises it. The GPUs themselves are initialised when their handles are first taken (nvml.h,
    /// `nvmlInit_v2`); without persistence mode that wakes them, which can take seconds each.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.unwrap_or(Path::new(SYSTEM_LIBRARY));
        let opened = Nvml::builder().lib_path(path.as_os_str()).init();
        opened.map(Self).map_err(|error| failure(&path.display().to_string(), &error))
    }

    /// What can be said about the driver.
    pub(crate) fn driver(&self) -> Driver {
        // The unversioned CUDA call works without libcuda, the wrapper's `_v2` does not.
        let cuda = raw::cuda_version(&self.0).or_else(|_| self.0.sys_cuda_driver_version());
        Driver {
            version: self.0.sys_driver_version().ok(),
            nvml_version: self.0.sys_nvml_version().ok(),
            cuda_version: cuda.ok().map(|version| format!("{}.{}", version / 1000, version % 1000 / 10)),
        }
    }

    /// How many GPUs the driver lists.
    pub(crate) fn count(&self) -> Result<u32, Failure> {
        self.0.device_count().map_err(|error| Failure {
            reason: FailureReason::Other,
            message: format!("the driver no longer counts its GPUs: {error}"),
        })
    }

    /// The GPU at this index, and its UUID. Handles are taken anew in each sweep: after a loss an old one may mean another GPU or
    /// none.
    pub(crate) fn gpu(&self, index: u32) -> Result<(Device<'_>, String), FaultReason> {
        let device = self.0.device_by_index(index).map_err(|error| answer::reason(&error))?;
        let uuid = device.uuid().map_err(|error| answer::reason(&error))?;
        Ok((device, uuid))
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

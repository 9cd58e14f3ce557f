//! The driver library: loading it, and why it can't be used.

use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{answer, raw};
use crate::gpu::driver::{ConfidentialComputing, Driver, Failure, FailureReason};
use crate::gpu::fault::FaultReason;
use crate::gpu::kernel_module::KernelModule;
use crate::user::user;

/// The name under which every driver package installs the library; the unversioned name is for developers only.
const SYSTEM_LIBRARY: &str = "libnvidia-ml.so.1";

/// The loaded and initialised library.
pub(crate) struct Library(pub(super) Nvml);

impl Library {
    /// Loads and initialises it. The GPUs themselves are initialised when their handles are first taken (nvml.h,
    /// `nvmlInit_v2`); without persistence mode that wakes them, which can take seconds each.
    /// `sysfs` is looked at when that fails, to say what to do.
    pub(crate) fn open(path: Option<&Path>, sysfs: &Path) -> Result<Self, Failure> {
        let path = path.unwrap_or(Path::new(SYSTEM_LIBRARY));
        let opened = Nvml::builder().lib_path(path.as_os_str()).init();
        opened.map(Self).map_err(|error| {
            failure(&path.display().to_string(), &error, KernelModule::loaded(sysfs).as_ref())
        })
    }

    /// What can be said about the driver.
    pub(crate) fn driver(&self) -> Driver {
        // The unversioned CUDA call works without libcuda, the wrapper's `_v2` does not.
        let cuda = raw::cuda_version(&self.0).or_else(|_| self.0.sys_cuda_driver_version());
        Driver {
            version: self.0.sys_driver_version().ok(),
            nvml_version: self.0.sys_nvml_version().ok(),
            cuda_version: cuda.ok().map(|version| format!("{}.{}", version / 1000, version % 1000 / 10)),
            release_branch: raw::driver_branch(&self.0).ok(),
            confidential_computing: raw::confidential_computing(&self.0).ok().map(
                |(environment, feature, dev_tools, multi_gpu)| {
                    ConfidentialComputing::of(environment, feature, dev_tools, multi_gpu)
                },
            ),
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

/// What brings library and kernel module together again.
const RELOAD: &str = "reboot, or stop what uses the GPUs and load the module anew: \
    `modprobe -r nvidia_uvm nvidia_drm nvidia_modeset nvidia`, then `modprobe nvidia`";

/// The reason for having no driver, with what to do about it. `module` is the kernel module that is loaded.
fn failure(library: &str, error: &NvmlError, module: Option<&KernelModule>) -> Failure {
    let (reason, hint) = match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) | NvmlError::LibraryNotFound => (
            FailureReason::LibraryNotLoaded,
            "install the NVIDIA driver, or name the library with --gpu.library, or turn GPUs off with --no-collector.gpu".to_owned(),
        ),
        NvmlError::DriverNotLoaded => (
            FailureReason::DriverNotLoaded,
            module.map_or_else(
                || {
                    "load the kernel module: `modprobe nvidia`; where that fails after an upgrade of the driver or the kernel, reboot"
                        .to_owned()
                },
                |module| {
                    let name = module.name();
                    format!(
                        "{name} is loaded, and the library does not reach it: /dev/nvidiactl has to be there, also in a container \
                         (`nvidia-smi` as root makes it); after an upgrade of the driver, {RELOAD}"
                    )
                },
            ),
        ),
        NvmlError::LibRmVersionMismatch => {
            let name = module.map_or_else(|| "the kernel module".to_owned(), KernelModule::name);
            let hint = format!("{name} is of another version than the library, as after an upgrade of the driver: {RELOAD}");
            (FailureReason::VersionMismatch, hint)
        }
        NvmlError::NoPermission => (
            FailureReason::Other,
            format!(
                "user {}, as which this runs, needs read and write access to /dev/nvidia*; see \"What it needs\" in \
                 crates/gpu-node-exporter/README.md",
                user()
            ),
        ),
        _ => (
            FailureReason::Other,
            "`nvidia-smi` should show the same; the kernel log may say more".to_owned(),
        ),
    };
    Failure { reason, message: format!("cannot use `{library}`: {error} (hint: {hint})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_upgraded_the_driver_is_told_what_to_do() {
        let old = KernelModule { version: Some("550.54.15".to_owned()) };
        let unknown = KernelModule { version: None };
        for (error, module, words) in [
            (NvmlError::DriverNotLoaded, None, vec!["`modprobe nvidia`", "upgrade", "reboot"]),
            (
                NvmlError::DriverNotLoaded,
                Some(&old),
                vec!["kernel module nvidia 550.54.15 is loaded", "/dev/nvidiactl", "reboot"],
            ),
            (
                NvmlError::LibRmVersionMismatch,
                Some(&old),
                vec![
                    "kernel module nvidia 550.54.15 is of another version",
                    "reboot",
                    "modprobe -r nvidia_uvm",
                ],
            ),
            (
                NvmlError::LibRmVersionMismatch,
                Some(&unknown),
                vec!["kernel module nvidia is of another version", "reboot"],
            ),
            (
                NvmlError::LibRmVersionMismatch,
                None,
                vec!["the kernel module is of another version", "reboot"],
            ),
        ] {
            let told = failure("libnvidia-ml.so.1", &error, module).message;
            for words in words {
                assert!(told.contains(words), "{error:?} {module:?} says nothing of `{words}`: {told}");
            }
        }
    }
}

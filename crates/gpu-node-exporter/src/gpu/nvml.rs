//! The driver library: opening it, and sorting its errors.
//!
//! This module and its children are the only ones that name `nvml_wrapper`, and only the probe process calls them.
//! Owns calls, unit conversion and version fallbacks. Leaves out when to call: that is [`probe`](super::probe)'s.

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
use super::frame::{Driver, Failure, FailureReason, FaultReason};

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

/// The three things a driver can say.
pub(super) enum Answer<T> {
    Value(T),
    /// This GPU, driver or user will not get it; asking again is of no use until the driver is loaded anew.
    Unsupported,
    Fault(FaultReason),
}

/// Return codes of the moment that the wrapper has no names for (nvml.h).
const INSUFFICIENT_RESOURCES: u32 = 23;
const NOT_READY: u32 = 27;
const GPU_NOT_FOUND: u32 = 28;
const INVALID_STATE: u32 = 29;
const PASSING: [u32; 4] = [INSUFFICIENT_RESOURCES, NOT_READY, GPU_NOT_FOUND, INVALID_STATE];

impl<T> From<Result<T, NvmlError>> for Answer<T> {
    fn from(result: Result<T, NvmlError>) -> Self {
        let error = match result {
            Ok(value) => return Self::Value(value),
            Err(error) => error,
        };
        match error {
            NvmlError::NotSupported
            | NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::InvalidArg
            | NvmlError::NoPermission
            | NvmlError::VgpuEccNotSupported => Self::Unsupported,
            // A call of another age (`ARGUMENT_VERSION_MISMATCH`, `DEPRECATED`), or a value newer than the wrapper, such
            // as a new architecture: the wrapper tells both as one.
            NvmlError::UnexpectedVariant(code) if !PASSING.contains(&code) => Self::Unsupported,
            other => Self::Fault(reason(&other)),
        }
    }
}

/// The reason for an error that is no "not supported".
fn reason(error: &NvmlError) -> FaultReason {
    match error {
        NvmlError::GpuLost | NvmlError::UnexpectedVariant(GPU_NOT_FOUND) => FaultReason::Lost,
        NvmlError::ResetRequired => FaultReason::ResetRequired,
        NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch => {
            FaultReason::DriverGone
        }
        NvmlError::Timeout => FaultReason::Timeout,
        NvmlError::Utf8Error(_) | NvmlError::IncorrectBits(_) => FaultReason::BadAnswer,
        _ => FaultReason::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(error: NvmlError) -> &'static str {
        match Answer::<()>::from(Err(error)) {
            Answer::Value(()) => "value",
            Answer::Unsupported => "unsupported",
            Answer::Fault(reason) => reason.text(),
        }
    }

    #[test]
    fn errors_are_sorted() {
        assert_eq!(sorted(NvmlError::NotSupported), "unsupported");
        assert_eq!(sorted(NvmlError::FailedToLoadSymbol("x".to_owned())), "unsupported");
        assert_eq!(sorted(NvmlError::UnexpectedVariant(25)), "unsupported");
        assert_eq!(sorted(NvmlError::UnexpectedVariant(26)), "unsupported");
        assert_eq!(sorted(NvmlError::UnexpectedVariant(23)), "unknown error");
        assert_eq!(sorted(NvmlError::UnexpectedVariant(27)), "unknown error");
        assert_eq!(sorted(NvmlError::UnexpectedVariant(28)), "fallen off the bus");
        assert_eq!(sorted(NvmlError::GpuLost), "fallen off the bus");
        assert_eq!(sorted(NvmlError::ResetRequired), "needs a reset");
        assert_eq!(sorted(NvmlError::LibRmVersionMismatch), "the driver was unloaded");
        assert_eq!(sorted(NvmlError::Unknown), "unknown error");
    }
}

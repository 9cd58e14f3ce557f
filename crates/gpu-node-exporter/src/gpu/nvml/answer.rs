//! What a call of the driver library answers: a value, "not supported", or a fault with its reason.

use nvml_wrapper::error::NvmlError;

use crate::gpu::fault::FaultReason;

/// The three things a driver can say.
pub(super) enum Answer<T> {
    Value(T),
    /// This GPU, driver or user does not get it. The reason is a fault where it was had before.
    Unsupported(FaultReason),
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
            | NvmlError::VgpuEccNotSupported => Self::Unsupported(FaultReason::NotSupported),
            NvmlError::NoPermission => Self::Unsupported(FaultReason::NoPermission),
            // A call of another age (`ARGUMENT_VERSION_MISMATCH`, `DEPRECATED`), or a value newer than the wrapper, such
            // as a new architecture: the wrapper has one error for both.
            NvmlError::UnexpectedVariant(code) if !PASSING.contains(&code) => {
                Self::Unsupported(FaultReason::NotSupported)
            }
            other => Self::Fault(reason(&other)),
        }
    }
}

/// The reason for an error that is no "not supported".
pub(super) fn reason(error: &NvmlError) -> FaultReason {
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
            Answer::Unsupported(FaultReason::NoPermission) => "no permission",
            Answer::Unsupported(_) => "unsupported",
            Answer::Fault(reason) => reason.text(),
        }
    }

    #[test]
    fn errors_are_sorted() {
        assert_eq!(sorted(NvmlError::NotSupported), "unsupported");
        assert_eq!(sorted(NvmlError::NoPermission), "no permission");
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

//! What holds the clocks down.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym};

use super::get;

/// `nvmlClocksEventReasons` bits under the call's present name; bits this program does not know are kept.
pub(crate) fn clock_event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetCurrentClocksEventReasons.as_ref())?;
    get(device, *call, 0)
}

/// The same bits under the name that drivers before R535 have.
pub(crate) fn clock_throttle_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetCurrentClocksThrottleReasons.as_ref())?;
    get(device, *call, 0)
}

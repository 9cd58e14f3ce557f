//! How busy the engines are that the wrapper has no calls for.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

/// Percent of the last sample period in which the JPEG decoder was busy.
pub(crate) fn jpeg_utilization(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetJpgUtilization.as_ref())?;
    let (mut percent, mut period) = (0, 0);
    // SAFETY: the handle is valid while `device` borrows the library; both are the integers asked for.
    nvml_try(unsafe { call(device.handle(), &raw mut percent, &raw mut period) })?;
    Ok(percent)
}

/// Percent in which the optical flow engine (OFA) was busy.
pub(crate) fn ofa_utilization(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetOfaUtilization.as_ref())?;
    let (mut percent, mut period) = (0, 0);
    // SAFETY: as above.
    nvml_try(unsafe { call(device.handle(), &raw mut percent, &raw mut period) })?;
    Ok(percent)
}

/// Percent of its nominal maximum at which the one fan turns that drivers before R510 speak of.
pub(crate) fn fan_speed(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFanSpeed.as_ref())?;
    super::get(device, *call, 0)
}

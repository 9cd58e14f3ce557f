//! Temperatures.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym};
use nvml_wrapper_sys::bindings as nvml;

use super::{get, version};

/// The GPU's temperature in degrees by `nvmlDeviceGetTemperatureV`, which may be below zero.
pub(crate) fn temperature(device: &Device<'_>) -> Result<i32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetTemperatureV.as_ref())?;
    let temperature = nvml::nvmlTemperature_t {
        version: version::<nvml::nvmlTemperature_t>(1),
        sensorType: nvml::nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU,
        temperature: 0,
    };
    get(device, *call, temperature).map(|answer| answer.temperature)
}

/// Degrees to the nearest temperature at which the GPU slows down; below zero beyond it.
pub(crate) fn margin_temperature(device: &Device<'_>) -> Result<i32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMarginTemperature.as_ref())?;
    let margin = nvml::nvmlMarginTemperature_t {
        version: version::<nvml::nvmlMarginTemperature_t>(1),
        marginTemperature: 0,
    };
    get(device, *call, margin).map(|answer| answer.marginTemperature)
}

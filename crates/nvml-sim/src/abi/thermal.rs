//! Calls about temperatures.

use std::os::raw::{c_int, c_uint};

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::output::{give, is_version};
use crate::machine::{Code, NOT_SUPPORTED};

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: nvml::nvmlDevice_t,
    sensor: nvml::nvmlTemperatureSensors_enum,
    out: *mut c_uint,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetTemperature", |gpu| match sensor {
        nvml::nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU => Ok(gpu.celsius()),
        _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
    });
    // SAFETY: NVML's contract: `out` points to one value.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureV(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlTemperature_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetTemperatureV", |gpu| {
        Ok(c_int::try_from(gpu.celsius()).unwrap_or(c_int::MAX))
    });
    let answer = answer.and_then(|temperature| {
        // SAFETY: NVML's contract: `out` points to one struct whose version and sensor are set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlTemperature_t {
            version,
            sensorType: nvml::nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU,
            temperature,
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(
    device: nvml::nvmlDevice_t,
    threshold: nvml::nvmlTemperatureThresholds_enum,
    out: *mut c_uint,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetTemperatureThreshold", |gpu| match threshold {
        nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => {
            Ok(gpu.card().shutdown_celsius)
        }
        nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => {
            Ok(gpu.card().slowdown_celsius)
        }
        nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_GPU_MAX => {
            Ok(gpu.card().gpu_max_celsius)
        }
        nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_MEM_MAX => {
            gpu.card().memory_max_celsius.ok_or(NOT_SUPPORTED)
        }
        _ => Err(NOT_SUPPORTED),
    });
    // SAFETY: NVML's contract: `out` points to one value.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMarginTemperature(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlMarginTemperature_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetMarginTemperature", |gpu| {
        gpu.thermal_margin(|| gpu.slowdown_margin())
    });
    let answer = answer.and_then(|margin| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlMarginTemperature_t { version, marginTemperature: margin })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

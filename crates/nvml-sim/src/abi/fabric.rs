//! Calls about the fabric of NVLink switches.

use std::os::raw::c_uint;

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::output::{give, is_version};
use crate::links;
use crate::machine::{Code, NOT_SUPPORTED};

/// Every GPU is registered with the same fabric. A card without one says that its state is "not supported".
const CLUSTER: [u8; 16] = [0x51; 16];
const COMPLETED: u8 = 3;
const HEALTHY: u8 = 1;
const LIMITED_CAPACITY: u8 = 3;

/// The health of the GPU that the handle names; `None` for one without a fabric.
fn health(device: nvml::nvmlDevice_t, call: &str) -> Result<Option<c_uint>, Code> {
    match read_numbers(device, call, links::fabric_health) {
        Err(NOT_SUPPORTED) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Version 3 of the struct, or version 2, which is its beginning.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuFabricInfoV(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlGpuFabricInfoV_t,
) -> Code {
    let answer = health(device, "nvmlDeviceGetGpuFabricInfoV").and_then(|health| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 3)? };
        let is_degraded = health.is_some_and(|mask| mask & 3 == 1);
        Ok(nvml::nvmlGpuFabricInfo_v3_t {
            version,
            clusterUuid: CLUSTER,
            status: nvml::nvmlReturn_enum_NVML_SUCCESS,
            cliqueId: 1,
            state: if health.is_some() { COMPLETED } else { 0 },
            healthMask: health.unwrap_or(0),
            healthSummary: match (health, is_degraded) {
                (None, _) => 0,
                (Some(_), true) => LIMITED_CAPACITY,
                (Some(_), false) => HEALTHY,
            },
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuFabricInfo(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlGpuFabricInfo_t,
) -> Code {
    let answer = health(device, "nvmlDeviceGetGpuFabricInfo").map(|health| nvml::nvmlGpuFabricInfo_t {
        clusterUuid: CLUSTER,
        status: nvml::nvmlReturn_enum_NVML_SUCCESS,
        cliqueId: 1,
        state: if health.is_some() { COMPLETED } else { 0 },
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

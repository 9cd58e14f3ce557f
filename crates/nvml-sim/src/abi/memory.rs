//! Calls about the size of memory, of a GPU or of a MIG device.

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::mig::read_instance;
use super::output::{give, is_version};
use crate::machine::Code;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlMemory_t,
) -> Code {
    const CALL: &str = "nvmlDeviceGetMemoryInfo";
    let of_instance = read_instance(device, CALL, |instance| {
        let (total, used) = instance.memory();
        Ok(nvml::nvmlMemory_t { total, free: total - used, used })
    });
    let answer = of_instance.unwrap_or_else(|| {
        read_numbers(device, CALL, |gpu| {
            gpu.own_memory(|| nvml::nvmlMemory_t {
                total: gpu.card().memory_total,
                free: gpu.memory_free(),
                // The first version of this struct counts reserved memory as used.
                used: gpu.memory_used() + gpu.card().memory_reserved,
            })
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlMemory_v2_t,
) -> Code {
    const CALL: &str = "nvmlDeviceGetMemoryInfo_v2";
    // SAFETY: NVML's contract: `out` points to one struct whose version is set.
    let version = unsafe { is_version(out, 2) };
    let of_instance = read_instance(device, CALL, |instance| {
        let (total, used) = instance.memory();
        Ok(nvml::nvmlMemory_v2_t { version: version?, total, reserved: 0, free: total - used, used })
    });
    let answer = of_instance.unwrap_or_else(|| {
        read_numbers(device, CALL, |gpu| {
            let version = version?;
            gpu.own_memory(|| nvml::nvmlMemory_v2_t {
                version,
                total: gpu.card().memory_total,
                reserved: gpu.card().memory_reserved,
                free: gpu.memory_free(),
                used: gpu.memory_used(),
            })
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

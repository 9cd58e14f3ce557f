//! Calls about MIG devices, and handles that name one.
//!
//! A MIG device's handle is its GPU's with its place in the upper half, so that calls which know only GPUs refuse it.

use std::os::raw::c_uint;

use nvml_wrapper_sys::bindings as nvml;

use super::call::{apply_incidents, read, read_numbers};
use super::library::{Library, handle, index, library};
use super::output::give;
use crate::gpm::Reading;
use crate::machine::{Code, Gpu, NOT_SUPPORTED};
use crate::mig::{Instance, MOST};

/// How far a place is shifted in a handle; places count from 1 there.
const SHIFT: u32 = 32;

fn mig_handle(index: u32, place: u32) -> nvml::nvmlDevice_t {
    handle(index).map_addr(|address| address | (place as usize + 1) << SHIFT)
}

/// The GPU and the place that a handle names, if it is a MIG device's.
fn named(device: nvml::nvmlDevice_t) -> Option<(u32, u32)> {
    let place = u32::try_from(device.addr() >> SHIFT).ok()?.checked_sub(1)?;
    let gpu = index(device.map_addr(|address| address & ((1 << SHIFT) - 1))).ok()?;
    Some((gpu, place))
}

/// One reading of the MIG device that the handle names; `None` if it names a GPU.
pub(super) fn read_instance<T>(
    device: nvml::nvmlDevice_t,
    call: &str,
    reading: impl FnOnce(Instance<'_>) -> Result<T, Code>,
) -> Option<Result<T, Code>> {
    let (gpu, place) = named(device)?;
    let answer = |library: &Library| {
        apply_incidents(library, gpu, call)?;
        reading(Instance::at(library.gpu(gpu)?, place)?)
    };
    Some(library().and_then(|library| answer(&library)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: nvml::nvmlDevice_t, out: *mut c_uint) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetMaxMigDeviceCount", |gpu| {
        Ok(if gpu.card().has_mig { MOST } else { 0 })
    });
    // SAFETY: NVML's contract: `out` points to one number.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: nvml::nvmlDevice_t,
    place: c_uint,
    out: *mut nvml::nvmlDevice_t,
) -> Code {
    let answer = read(device, "nvmlDeviceGetMigDeviceHandleByIndex", |gpu: Gpu<'_>| {
        Instance::at(gpu, place).map(|instance| mig_handle(gpu.index, instance.place))
    });
    // SAFETY: NVML's contract: `out` points to one handle.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: nvml::nvmlDevice_t, out: *mut c_uint) -> Code {
    let answer = read_instance(device, "nvmlDeviceGetGpuInstanceId", |instance| Ok(instance.number()));
    // SAFETY: NVML's contract: `out` points to one number.
    unsafe { give(out, answer.unwrap_or(Err(NOT_SUPPORTED))) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMigSampleGet(
    device: nvml::nvmlDevice_t,
    instance: c_uint,
    sample: nvml::nvmlGpmSample_t,
) -> Code {
    let answer = read(device, "nvmlGpmMigSampleGet", |gpu| {
        Instance::numbered(gpu, instance).and_then(|instance| Reading::of_instance(instance).map(Some))
    });
    // SAFETY: NVML's contract: the sample came from nvmlGpmSampleAlloc and was not freed.
    unsafe { give(sample.cast::<Option<Reading>>(), answer) }
}

//! Events of GPUs, with bits that the wrapper's type does not know: it stops at 0x100.

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, EventSet};
use nvml_wrapper_sys::bindings::nvmlEventData_t;

use super::get;

/// What was reported.
pub(in crate::gpu::nvml) struct Raised {
    /// The address behind the GPU's handle.
    pub(in crate::gpu::nvml) address: usize,
    /// What it is, as bits of nvml.h.
    pub(in crate::gpu::nvml) kinds: u64,
    /// The code, of an XID.
    pub(in crate::gpu::nvml) data: u64,
}

/// The events that the driver would report of this GPU, as bits of nvml.h.
pub(in crate::gpu::nvml) fn supported_events(device: &Device<'_>) -> Result<u64, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSupportedEventTypes.as_ref())?;
    get(device, *call, 0)
}

/// Waits so many milliseconds for an event.
pub(in crate::gpu::nvml) fn wait(set: &EventSet<'_>, milliseconds: u32) -> Result<Raised, NvmlError> {
    let call = nvml_sym(set.nvml.lib().nvmlEventSetWait_v2.as_ref())?;
    let mut data = nvmlEventData_t {
        device: std::ptr::null_mut(),
        eventType: 0,
        eventData: 0,
        gpuInstanceId: 0,
        computeInstanceId: 0,
    };
    // SAFETY: the set is valid while it is borrowed, and `data` is the struct asked for.
    nvml_try(unsafe { call(set.handle(), &raw mut data, milliseconds) })?;
    Ok(Raised { address: data.device.addr(), kinds: data.eventType, data: data.eventData })
}

//! Memory, and what became of its broken parts.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::RetirementCause;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try, nvml_try_count};
use nvml_wrapper_sys::bindings::{
    nvmlEccSramErrorStatus_t, nvmlMemory_t, nvmlRepairStatus_t, nvmlRowRemapperHistogramValues_t,
};

use super::{Getter, get, version};

/// Frame buffer memory by the first version of the call, for drivers before R510: (total, used, free). `used`
/// contains what later versions call reserved.
pub(crate) fn memory(device: &Device<'_>) -> Result<(u64, u64, u64), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: the handle is valid while `device` borrows the library, and `memory` is a struct of the type asked for.
    nvml_try(unsafe { call(device.handle(), &raw mut memory) })?;
    Ok((memory.total, memory.used, memory.free))
}

/// How many pages were retired for this cause, without their addresses: the wrapper's call makes room for as many as the driver says.
pub(crate) fn retired_pages(device: &Device<'_>, cause: &RetirementCause) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetRetiredPages.as_ref())?;
    let (mut count, mut unused) = (0, 0);
    // SAFETY: as above; a count of 0 asks how many there are, and no address is written.
    nvml_try_count(unsafe { call(device.handle(), cause.as_c(), &raw mut count, &raw mut unused) })?;
    Ok(count)
}

/// How many banks of memory have so many spare rows left: all, many, some, few, none.
pub(crate) fn row_remapper_histogram(device: &Device<'_>) -> Result<[u32; 5], NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetRowRemapperHistogram.as_ref())?;
    let banks = nvmlRowRemapperHistogramValues_t { max: 0, high: 0, partial: 0, low: 0, none: 0 };
    let banks = get(device, *call, banks)?;
    Ok([banks.max, banks.high, banks.partial, banks.low, banks.none])
}

/// Errors of the on-chip memories, by kind and place, and whether they are too many.
pub(crate) fn sram_errors(device: &Device<'_>) -> Result<nvmlEccSramErrorStatus_t, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSramEccErrorStatus.as_ref())?;
    let status = nvmlEccSramErrorStatus_t {
        version: version::<nvmlEccSramErrorStatus_t>(1),
        aggregateUncParity: 0,
        aggregateUncSecDed: 0,
        aggregateCor: 0,
        volatileUncParity: 0,
        volatileUncSecDed: 0,
        volatileCor: 0,
        aggregateUncBucketL2: 0,
        aggregateUncBucketSm: 0,
        aggregateUncBucketPcie: 0,
        aggregateUncBucketMcu: 0,
        aggregateUncBucketOther: 0,
        bThresholdExceeded: 0,
    };
    get(device, *call, status)
}

/// Whether repairs of memory channels and of processing clusters (TPCs) wait for a reset.
pub(crate) fn pending_repairs(device: &Device<'_>) -> Result<(u32, u32), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetRepairStatus.as_ref())?;
    let status = nvmlRepairStatus_t {
        version: version::<nvmlRepairStatus_t>(1),
        bChannelRepairPending: 0,
        bTpcRepairPending: 0,
    };
    let status = get(device, *call, status)?;
    Ok((status.bChannelRepairPending, status.bTpcRepairPending))
}

/// `nvmlUnrepairableMemoryStatus_v1_t` of nvml.h 13.1, which `nvml-wrapper-sys` does not know yet.
#[repr(C)]
struct UnrepairableMemory {
    is_unrepairable: u32,
}

/// Whether memory can be repaired no more: 0 or 1.
pub(crate) fn unrepairable_memory(device: &Device<'_>) -> Result<u32, NvmlError> {
    const NAME: &str = "nvmlDeviceGetUnrepairableMemoryFlag_v1";
    // SAFETY: the driver's function of this name is of this type (nvml.h 13.1).
    let call = unsafe { device.nvml().lib().__library.get::<Getter<UnrepairableMemory>>(NAME.as_bytes()) };
    let call = call.map_err(|error| NvmlError::FailedToLoadSymbol(error.to_string()))?;
    get(device, *call, UnrepairableMemory { is_unrepairable: 0 }).map(|status| status.is_unrepairable)
}

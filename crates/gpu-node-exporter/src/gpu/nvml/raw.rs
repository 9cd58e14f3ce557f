//! NVML calls that `nvml_wrapper` lacks, through the pointers of `nvml-wrapper-sys`: the one file of this program
//! with `unsafe`.
#![expect(unsafe_code, reason = "these calls have no safe wrapper; each is one C call with a checked answer")]

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::struct_wrappers::device::FieldValueSample;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{nvmlFieldValue_t, nvmlMemory_t, nvmlValue_t};

/// Frame buffer memory by the first version of the call, for drivers before R510: (total, used, free). `used`
/// contains what later versions call reserved.
pub(crate) fn memory(device: &Device<'_>) -> Result<(u64, u64, u64), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: the handle is valid while `device` borrows the library, and `memory` is a struct of the type asked for.
    nvml_try(unsafe { call(device.handle(), &raw mut memory) })?;
    Ok((memory.total, memory.used, memory.free))
}

/// `nvmlClocksEventReasons` bits under the call's present name; bits this program does not know are kept.
pub(crate) fn clock_event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetCurrentClocksEventReasons.as_ref())?;
    let mut reasons = 0;
    // SAFETY: as above; `reasons` is the integer asked for.
    nvml_try(unsafe { call(device.handle(), &raw mut reasons) })?;
    Ok(reasons)
}

/// The same bits under the name that drivers before R535 have.
pub(crate) fn clock_throttle_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetCurrentClocksThrottleReasons.as_ref())?;
    let mut reasons = 0;
    // SAFETY: as above.
    nvml_try(unsafe { call(device.handle(), &raw mut reasons) })?;
    Ok(reasons)
}

/// Field values, each of the whole GPU or of one NVLink (`scopeId`, which the wrapper always leaves 0). Not for the numbers 251 to
/// 273, whose meaning depends on the driver: the wrapper translates these.
pub(super) fn field_values(
    device: &Device<'_>,
    ids: &[(u32, Option<u32>)],
) -> Result<Vec<Result<FieldValueSample, NvmlError>>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    let mut values: Vec<_> = ids
        .iter()
        .map(|(id, link)| nvmlFieldValue_t {
            fieldId: *id,
            scopeId: link.unwrap_or(0),
            timestamp: 0,
            latencyUsec: 0,
            valueType: 0,
            nvmlReturn: 0,
            value: nvmlValue_t { ullVal: 0 },
        })
        .collect();
    let count = i32::try_from(values.len()).map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: as above; `values` has `count` entries, which the call fills in.
    nvml_try(unsafe { call(device.handle(), count, values.as_mut_ptr()) })?;
    Ok(values.into_iter().map(FieldValueSample::try_from).collect())
}

/// Highest CUDA version the driver supports, as 1000 × major + 10 × minor.
pub(super) fn cuda_version(nvml: &Nvml) -> Result<i32, NvmlError> {
    let call = nvml_sym(nvml.lib().nvmlSystemGetCudaDriverVersion.as_ref())?;
    let mut version = 0;
    // SAFETY: the library is initialised while `nvml` lives, and `version` is the integer asked for.
    nvml_try(unsafe { call(&raw mut version) })?;
    Ok(version)
}

/// The address behind a handle: equal for two handles of one GPU, and known without asking the driver, which a lost
/// GPU would not answer.
pub(super) fn handle_address(device: &Device<'_>) -> usize {
    // SAFETY: the handle is only compared, never used.
    unsafe { device.handle() }.addr()
}

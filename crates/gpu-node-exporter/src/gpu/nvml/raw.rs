//! NVML calls that `nvml_wrapper` lacks, through the pointers of `nvml-wrapper-sys`: the one file of this program
//! with `unsafe`.
#![expect(unsafe_code, reason = "these calls have no safe wrapper; each is one C call with a checked answer")]

use std::ptr;

use nvml_wrapper::enum_wrappers::device::RetirementCause;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try, nvml_try_count};
use nvml_wrapper::struct_wrappers::device::FieldValueSample;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlFieldValue_t, nvmlMemory_t, nvmlSample_t, nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES,
    nvmlValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
};

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

/// How many pages were retired for this cause, without their addresses: the wrapper's call makes room for as many as the driver says.
pub(crate) fn retired_pages(device: &Device<'_>, cause: &RetirementCause) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetRetiredPages.as_ref())?;
    let (mut count, mut unused) = (0, 0);
    // SAFETY: as above; a count of 0 asks how many there are, and no address is written.
    nvml_try_count(unsafe { call(device.handle(), cause.as_c(), &raw mut count, &raw mut unused) })?;
    Ok(count)
}

/// How many samples of utilisation there may be since `last_seen` (microseconds since 1970).
pub(crate) fn utilization_sample_count(device: &Device<'_>, last_seen: u64) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSamples.as_ref())?;
    let (mut value_type, mut count) = (0, 0);
    let kind = nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES;
    // SAFETY: as above; without a place for samples the call only counts.
    nvml_try_count(unsafe {
        call(device.handle(), kind, last_seen, &raw mut value_type, &raw mut count, ptr::null_mut())
    })?;
    Ok(count)
}

/// Samples of utilisation since `last_seen` (microseconds since 1970), at most `room`: time in the same unit, and percent.
pub(crate) fn utilization_samples(
    device: &Device<'_>,
    last_seen: u64,
    room: u32,
) -> Result<Vec<(u64, u32)>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSamples.as_ref())?;
    let (mut value_type, mut count) = (0, room);
    let kind = nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES;
    let empty = nvmlSample_t { timeStamp: 0, sampleValue: nvmlValue_t { ullVal: 0 } };
    let mut samples = vec![empty; room as usize];
    // SAFETY: as above; `samples` has room for `count` entries.
    nvml_try(unsafe {
        call(device.handle(), kind, last_seen, &raw mut value_type, &raw mut count, samples.as_mut_ptr())
    })?;
    if value_type != nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT {
        return Ok(Vec::new());
    }
    // SAFETY: the driver says that it has filled in this member, and all its bit patterns are numbers.
    let percent = |sample: &nvmlSample_t| unsafe { sample.sampleValue.uiVal };
    Ok(samples.iter().take(count as usize).map(|sample| (sample.timeStamp, percent(sample))).collect())
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

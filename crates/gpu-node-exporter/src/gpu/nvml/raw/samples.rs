//! The driver's rings of samples (`nvmlDeviceGetSamples`).

use std::ptr;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try, nvml_try_count};
use nvml_wrapper_sys::bindings::{
    nvmlSample_t, nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES,
    nvmlSamplingType_enum_NVML_TOTAL_POWER_SAMPLES, nvmlSamplingType_t, nvmlValue_t,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
};

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampled {
    /// In percent.
    Utilization,
    /// In milliwatts.
    Power,
}

impl Sampled {
    fn kind(self) -> nvmlSamplingType_t {
        match self {
            Self::Utilization => nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES,
            Self::Power => nvmlSamplingType_enum_NVML_TOTAL_POWER_SAMPLES,
        }
    }
}

/// How many samples there may be since `last_seen` (microseconds since 1970).
pub(crate) fn sample_count(device: &Device<'_>, what: Sampled, last_seen: u64) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSamples.as_ref())?;
    let (mut value_type, mut count) = (0, 0);
    // SAFETY: the handle is valid while `device` borrows the library; without a place for samples the call only counts.
    nvml_try_count(unsafe {
        call(device.handle(), what.kind(), last_seen, &raw mut value_type, &raw mut count, ptr::null_mut())
    })?;
    Ok(count)
}

/// Samples since `last_seen` (microseconds since 1970), at most `room`: time in the same unit, and the number.
pub(crate) fn samples(
    device: &Device<'_>,
    what: Sampled,
    last_seen: u64,
    room: u32,
) -> Result<Vec<(u64, u32)>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSamples.as_ref())?;
    let (mut value_type, mut count) = (0, room);
    let empty = nvmlSample_t { timeStamp: 0, sampleValue: nvmlValue_t { ullVal: 0 } };
    let mut samples = vec![empty; room as usize];
    // SAFETY: as above; `samples` has room for `count` entries.
    nvml_try(unsafe {
        call(
            device.handle(),
            what.kind(),
            last_seen,
            &raw mut value_type,
            &raw mut count,
            samples.as_mut_ptr(),
        )
    })?;
    if value_type != nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT {
        return Ok(Vec::new());
    }
    // SAFETY: the driver says that it has filled in this member, and all its bit patterns are numbers.
    let number = |sample: &nvmlSample_t| unsafe { sample.sampleValue.uiVal };
    Ok(samples.iter().take(count as usize).map(|sample| (sample.timeStamp, number(sample))).collect())
}

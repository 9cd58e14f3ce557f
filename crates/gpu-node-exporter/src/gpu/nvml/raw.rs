//! NVML calls that `nvml_wrapper` lacks, through the pointers of `nvml-wrapper-sys` or by name: with its children the one place of
//! this program with `unsafe`.
#![expect(unsafe_code, reason = "these calls have no safe wrapper; each is one C call with a checked answer")]

mod accounting;
mod clocks;
mod events;
mod fabric;
mod fields;
mod gpm;
mod license;
mod memory;
mod mig;
mod modes;
mod processes;
mod samples;
mod thermal;
mod utilization;

use std::os::raw::c_uint;

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

pub(crate) use self::accounting::{AccountedProcess, accounted_process, accounted_processes};
pub(crate) use self::clocks::{clock_event_reasons, clock_throttle_reasons};
pub(super) use self::events::{Raised, supported_events, wait};
pub(crate) use self::fabric::{FabricInfo, fabric_info};
pub(super) use self::fields::field_values;
pub(crate) use self::gpm::{GpmSample, gpm_metrics, gpm_read, gpm_read_instance, gpm_sample, gpm_support};
pub(crate) use self::license::licensed_features;
pub(crate) use self::memory::{
    memory, pending_repairs, retired_pages, row_remapper_histogram, sram_errors, unrepairable_memory,
};
pub(crate) use self::mig::gpu_instance_id;
pub(crate) use self::modes::{WorkloadPowerProfiles, addressing_mode, architecture, workload_power_profiles};
pub(super) use self::modes::{confidential_computing, driver_branch};
pub(crate) use self::processes::{ListedProcess, ProcessList, ProcessSample, process_samples, processes};
pub(crate) use self::samples::{Sampled, sample_count, samples};
pub(crate) use self::thermal::{margin_temperature, temperature};
pub(crate) use self::utilization::{fan_speed, jpeg_utilization, ofa_utilization};

/// A call that fills in one value about a device.
type Getter<T> = unsafe extern "C" fn(nvmlDevice_t, *mut T) -> nvmlReturn_t;

/// Makes such a call of nvml.h. `value` holds what the call reads of it, a version for one.
fn get<T>(device: &Device<'_>, call: Getter<T>, mut value: T) -> Result<T, NvmlError> {
    // SAFETY: the handle is valid while `device` borrows the library, and `value` is of the type asked for.
    nvml_try(unsafe { call(device.handle(), &raw mut value) })?;
    Ok(value)
}

/// The version of a struct, as `NVML_STRUCT_VERSION` makes it: its size, and its number in the top byte.
#[expect(clippy::cast_possible_truncation, reason = "structs of nvml.h are far smaller")]
const fn version<T>(number: c_uint) -> c_uint {
    size_of::<T>() as c_uint | number << 24
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

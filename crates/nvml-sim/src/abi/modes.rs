//! Calls about modes, of a GPU and of the machine.

use std::os::raw::c_uint;

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::library::library;
use super::output::{code, fill, give, is_version};
use crate::machine::{Code, NOT_SUPPORTED};

/// Address translation services with a CPU on the module, heterogeneous memory management without.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAddressingMode(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlDeviceAddressingMode_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetAddressingMode", |gpu| {
        let has_cpu = gpu.card().c2c_links > 0 || gpu.card().memory_total == 0;
        Ok(if has_cpu {
            nvml::nvmlDeviceAddressingModeType_t_NVML_DEVICE_ADDRESSING_MODE_ATS
        } else {
            nvml::nvmlDeviceAddressingModeType_t_NVML_DEVICE_ADDRESSING_MODE_HMM
        })
    });
    let answer = answer.and_then(|value| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlDeviceAddressingMode_t { version, value })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

/// A Blackwell card has the first eight profiles; that for inference is in force.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceWorkloadPowerProfileGetCurrentProfiles(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlWorkloadPowerProfileCurrentProfiles_t,
) -> Code {
    const INFERENCE: c_uint = 1 << nvml::nvmlPowerProfileType_t_NVML_POWER_PROFILE_LLM_INFERENCE;
    let answer = read_numbers(device, "nvmlDeviceWorkloadPowerProfileGetCurrentProfiles", |gpu| {
        let is_blackwell = gpu.card().architecture >= nvml::NVML_DEVICE_ARCH_BLACKWELL;
        if gpu.card().data_centre && is_blackwell {
            Ok([0xFF, INFERENCE, INFERENCE].map(|first| [first, 0, 0, 0, 0, 0, 0, 0]))
        } else {
            Err(NOT_SUPPORTED)
        }
    });
    let answer = answer.and_then(|[available, requested, enforced]| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlWorkloadPowerProfileCurrentProfiles_t {
            version,
            perfProfilesMask: nvml::nvmlMask255_t { mask: available },
            requestedProfilesMask: nvml::nvmlMask255_t { mask: requested },
            enforcedProfilesMask: nvml::nvmlMask255_t { mask: enforced },
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

/// Whether the driver knows this call about the machine.
fn known(call: &str) -> Result<(), Code> {
    if library()?.scenario.driver.generation().has_call(call) {
        Ok(())
    } else {
        Err(nvml::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND)
    }
}

/// Off.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeSettings(
    out: *mut nvml::nvmlSystemConfComputeSettings_t,
) -> Code {
    let answer = known("nvmlSystemGetConfComputeSettings").and_then(|()| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlSystemConfComputeSettings_t {
            version,
            environment: nvml::NVML_CC_SYSTEM_ENVIRONMENT_UNAVAILABLE,
            ccFeature: nvml::NVML_CC_SYSTEM_FEATURE_DISABLED,
            devToolsMode: 0,
            multiGpuMode: nvml::NVML_CC_SYSTEM_MULTIGPU_NONE,
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

/// As `r570_00` for 570.86.15.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverBranch(
    out: *mut nvml::nvmlSystemDriverBranchInfo_t,
    _length: c_uint,
) -> Code {
    let answer = known("nvmlSystemGetDriverBranch").and_then(|()| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        let library = library()?;
        let branch = library.scenario.driver.version.split('.').next().unwrap_or_default();
        let mut info = nvml::nvmlSystemDriverBranchInfo_t { version, branch: [0; 80] };
        fill(&mut info.branch, &format!("r{branch}_00"));
        // SAFETY: NVML's contract: `out` points to one struct.
        Ok(unsafe { give(out, Ok(info)) })
    });
    answer.unwrap_or_else(|refused| code(Err(refused)))
}

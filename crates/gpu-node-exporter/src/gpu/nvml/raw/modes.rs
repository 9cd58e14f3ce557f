//! How a GPU and the driver are set up.

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings as nvml;

use super::{get, version};

/// `NVML_DEVICE_ARCH_…`, also one that is newer than the wrapper.
pub(crate) fn architecture(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetArchitecture.as_ref())?;
    get(device, *call, 0)
}

/// `nvmlDeviceAddressingModeType_t`: 0 none, 1 HMM, 2 ATS.
pub(crate) fn addressing_mode(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetAddressingMode.as_ref())?;
    let mode = nvml::nvmlDeviceAddressingMode_t {
        version: version::<nvml::nvmlDeviceAddressingMode_t>(1),
        value: 0,
    };
    get(device, *call, mode).map(|mode| mode.value)
}

/// Workload power profiles, a bit each (`nvmlPowerProfileType_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadPowerProfiles {
    /// Those the card has.
    pub(crate) available: [u32; 8],
    /// Those that were asked for.
    pub(crate) requested: [u32; 8],
    /// Those in force.
    pub(crate) enforced: [u32; 8],
}

/// By `nvmlDeviceWorkloadPowerProfileGetCurrentProfiles`, which drivers have since R570.
pub(crate) fn workload_power_profiles(device: &Device<'_>) -> Result<WorkloadPowerProfiles, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceWorkloadPowerProfileGetCurrentProfiles.as_ref())?;
    let none = nvml::nvmlMask255_t { mask: [0; 8] };
    let profiles = nvml::nvmlWorkloadPowerProfileCurrentProfiles_t {
        version: version::<nvml::nvmlWorkloadPowerProfileCurrentProfiles_t>(1),
        perfProfilesMask: none,
        requestedProfilesMask: none,
        enforcedProfilesMask: none,
    };
    get(device, *call, profiles).map(|profiles| WorkloadPowerProfiles {
        available: profiles.perfProfilesMask.mask,
        requested: profiles.requestedProfilesMask.mask,
        enforced: profiles.enforcedProfilesMask.mask,
    })
}

/// Confidential computing of the machine: environment, feature, tools mode, and over several GPUs where the driver says it (R550).
pub(in crate::gpu::nvml) fn confidential_computing(
    nvml: &Nvml,
) -> Result<(u32, u32, u32, Option<u32>), NvmlError> {
    let settings = nvml_sym(nvml.lib().nvmlSystemGetConfComputeSettings.as_ref());
    let Ok(call) = settings else {
        let call = nvml_sym(nvml.lib().nvmlSystemGetConfComputeState.as_ref())?;
        let mut state = nvml::nvmlConfComputeSystemState_t { environment: 0, ccFeature: 0, devToolsMode: 0 };
        // SAFETY: the library is initialised while `nvml` lives, and `state` is the struct asked for.
        nvml_try(unsafe { call(&raw mut state) })?;
        return Ok((state.environment, state.ccFeature, state.devToolsMode, None));
    };
    let mut settings = nvml::nvmlSystemConfComputeSettings_t {
        version: version::<nvml::nvmlSystemConfComputeSettings_t>(1),
        environment: 0,
        ccFeature: 0,
        devToolsMode: 0,
        multiGpuMode: 0,
    };
    // SAFETY: as above.
    nvml_try(unsafe { call(&raw mut settings) })?;
    let multi_gpu = Some(settings.multiGpuMode);
    Ok((settings.environment, settings.ccFeature, settings.devToolsMode, multi_gpu))
}

/// The branch that the driver was built from, such as `r570_00`.
pub(in crate::gpu::nvml) fn driver_branch(nvml: &Nvml) -> Result<String, NvmlError> {
    let call = nvml_sym(nvml.lib().nvmlSystemGetDriverBranch.as_ref())?;
    let mut branch = nvml::nvmlSystemDriverBranchInfo_t {
        version: version::<nvml::nvmlSystemDriverBranchInfo_t>(1),
        branch: [0; 80],
    };
    // SAFETY: as above; the text has room for the 80 bytes that are named.
    nvml_try(unsafe { call(&raw mut branch, 80) })?;
    let bytes: Vec<u8> =
        branch.branch.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
    String::from_utf8(bytes).map_err(|error| NvmlError::Utf8Error(error.utf8_error()))
}

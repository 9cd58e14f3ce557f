//! The fabric of NVLink switches that a GPU is part of.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym};
use nvml_wrapper_sys::bindings as nvml;

use super::{get, version};

/// A GPU's registration with its fabric, in the words of `nvmlGpuFabricInfo_v3_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FabricInfo {
    pub(crate) cluster_uuid: [u8; 16],
    /// An NVML return code; it counts once the state is "completed".
    pub(crate) status: u32,
    pub(crate) clique_id: u32,
    pub(crate) state: u8,
    /// Since version 2 of the struct.
    pub(crate) health_mask: Option<u32>,
    /// Since version 3.
    pub(crate) health_summary: Option<u8>,
}

/// The struct's version is of another age than the driver (nvml.h, `NVML_ERROR_ARGUMENT_VERSION_MISMATCH`).
const VERSION_MISMATCH: u32 = 25;

/// By the newest version that the driver knows: 3 and 2 of `nvmlDeviceGetGpuFabricInfoV` (R550), then the call before it (R525).
pub(crate) fn fabric_info(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    match third(device) {
        Err(NvmlError::UnexpectedVariant(VERSION_MISMATCH)) => second(device),
        Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => first(device),
        answer => answer,
    }
}

fn third(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    let info = versioned(device, version::<nvml::nvmlGpuFabricInfo_v3_t>(3))?;
    Ok(FabricInfo { health_summary: Some(info.healthSummary), ..FabricInfo::of(&info) })
}

/// The struct of version 2 is the beginning of version 3's, which the call's type names.
fn second(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    versioned(device, version::<nvml::nvmlGpuFabricInfo_v2_t>(2)).map(|info| FabricInfo::of(&info))
}

fn versioned(device: &Device<'_>, version: u32) -> Result<nvml::nvmlGpuFabricInfo_v3_t, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuFabricInfoV.as_ref())?;
    let info = nvml::nvmlGpuFabricInfo_v3_t {
        version,
        clusterUuid: [0; 16],
        status: 0,
        cliqueId: 0,
        state: 0,
        healthMask: 0,
        healthSummary: 0,
    };
    get(device, *call, info)
}

impl FabricInfo {
    /// What versions 2 and 3 have in common.
    fn of(info: &nvml::nvmlGpuFabricInfo_v3_t) -> Self {
        Self {
            cluster_uuid: info.clusterUuid,
            status: info.status,
            clique_id: info.cliqueId,
            state: info.state,
            health_mask: Some(info.healthMask),
            health_summary: None,
        }
    }
}

fn first(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuFabricInfo.as_ref())?;
    let info = nvml::nvmlGpuFabricInfo_t { clusterUuid: [0; 16], status: 0, cliqueId: 0, state: 0 };
    get(device, *call, info).map(|info| FabricInfo {
        cluster_uuid: info.clusterUuid,
        status: info.status,
        clique_id: info.cliqueId,
        state: info.state,
        health_mask: None,
        health_summary: None,
    })
}

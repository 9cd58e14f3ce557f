//! GPU instances (MIG).

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym};

use super::get;

/// The number of the GPU instance that a MIG device belongs to.
pub(crate) fn gpu_instance_id(mig: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(mig.nvml().lib().nvmlDeviceGetGpuInstanceId.as_ref())?;
    get(mig, *call, 0)
}

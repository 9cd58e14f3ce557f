//! Licences of virtual GPUs.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym};
use nvml_wrapper_sys::bindings as nvml;

use super::get;

/// How many features of a virtual GPU can be licensed, and how many are. None can on a card that needs no licence.
pub(crate) fn licensed_features(device: &Device<'_>) -> Result<(u32, u32), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGridLicensableFeatures_v4.as_ref())?;
    let feature = nvml::nvmlGridLicensableFeature_t {
        featureCode: 0,
        featureState: 0,
        licenseInfo: [0; 128],
        productName: [0; 128],
        featureEnabled: 0,
        licenseExpiry: nvml::nvmlGridLicenseExpiry_t {
            year: 0,
            month: 0,
            day: 0,
            hour: 0,
            min: 0,
            sec: 0,
            status: 0,
        },
    };
    let features = nvml::nvmlGridLicensableFeatures_t {
        isGridLicenseSupported: 0,
        licensableFeaturesCount: 0,
        gridLicensableFeatures: [feature; 3],
    };
    let features = get(device, *call, features)?;
    if features.isGridLicenseSupported == 0 {
        return Ok((0, 0));
    }
    let count = features.licensableFeaturesCount;
    let known = features.gridLicensableFeatures.iter().take(count as usize);
    let licensed = known.filter(|feature| feature.featureState == 1).count();
    Ok((count, u32::try_from(licensed).unwrap_or(u32::MAX)))
}

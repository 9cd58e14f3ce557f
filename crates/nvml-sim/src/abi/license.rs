//! Calls about the licence of a virtual GPU.

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::output::give;
use crate::machine::Code;

/// One feature that can be licensed for a virtual GPU, none for a card.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGridLicensableFeatures_v4(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlGridLicensableFeatures_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetGridLicensableFeatures_v4", |gpu| {
        let licensed = gpu.group.vgpu_licensed;
        Ok((u32::from(licensed.is_some()), u32::from(licensed == Some(true))))
    });
    let answer = answer.map(|(count, licensed)| {
        let feature = nvml::nvmlGridLicensableFeature_t {
            featureCode: nvml::nvmlGridLicenseFeatureCode_t_NVML_GRID_LICENSE_FEATURE_CODE_VGPU,
            featureState: licensed,
            licenseInfo: [0; 128],
            productName: [0; 128],
            featureEnabled: count,
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
        nvml::nvmlGridLicensableFeatures_t {
            isGridLicenseSupported: i32::from(count > 0),
            licensableFeaturesCount: count,
            gridLicensableFeatures: [feature; 3],
        }
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

//! The connections of a simulated GPU beside NVLink's own: NVLink-C2C, the fabric, PCIe's errors. Pure, as `machine`'s.

use nvml_wrapper_sys::bindings as nvml;
use nvml_wrapper_sys::bindings::field_id;

use crate::incident::Kind;
use crate::machine::{Code, Gpu, NOT_SUPPORTED};

/// Megabytes that one link to the CPU carries in a second.
const C2C_MEGABYTES: u32 = 45_000;

/// A field of a link to the CPU. All work, and count no errors.
pub(crate) fn c2c(gpu: Gpu<'_>, id: u32, link: u32) -> Result<u32, Code> {
    let count = gpu.card().c2c_links;
    if count == 0 {
        return Err(NOT_SUPPORTED);
    }
    if id == field_id::NVML_FI_DEV_C2C_LINK_COUNT {
        return Ok(count);
    }
    if link >= count {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    Ok(match id {
        field_id::NVML_FI_DEV_C2C_LINK_GET_STATUS => 1,
        field_id::NVML_FI_DEV_C2C_LINK_GET_MAX_BW => C2C_MEGABYTES,
        _ => 0,
    })
}

/// The fabric's health in one number (`NVML_GPU_FABRIC_HEALTH_MASK_…`): nothing is wrong, or, while a link of NVLink is down, the
/// bandwidth is degraded.
pub(crate) fn fabric_health(gpu: Gpu<'_>) -> Result<u32, Code> {
    if gpu.card().nvlinks == 0 || !gpu.group.nvlink {
        return Err(NOT_SUPPORTED);
    }
    let is_degraded = gpu.incidents().any(|incident| incident.kind == Kind::NvlinkDown);
    Ok(0x21A8 | if is_degraded { 1 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn a_card_has_the_links_of_its_kind() {
        let text = "description: x\ngpus: [{ model: gh200 }, { model: h100-sxm }, { model: l40s }]\n\
            incidents: [{ gpu: 1, at: 9s, kind: nvlink_down, link: 3 }]\n";
        let scenario = Scenario::parse(text, Path::new("test")).expect("a good scenario");
        let gpu = |index, t| Gpu::at(&scenario, index, t).expect("a GPU");
        let count = |index| c2c(gpu(index, 1.0), field_id::NVML_FI_DEV_C2C_LINK_COUNT, 0);
        assert_eq!([0, 1, 2].map(count), [Ok(10), Err(NOT_SUPPORTED), Err(NOT_SUPPORTED)]);
        assert_eq!(c2c(gpu(0, 1.0), field_id::NVML_FI_DEV_C2C_LINK_GET_STATUS, 9), Ok(1));
        assert!(c2c(gpu(0, 1.0), field_id::NVML_FI_DEV_C2C_LINK_GET_STATUS, 10).is_err());
        assert_eq!([1.0, 9.0].map(|t| fabric_health(gpu(1, t))), [Ok(0x21AA), Ok(0x21A9)]);
        assert_eq!(fabric_health(gpu(2, 1.0)), Err(NOT_SUPPORTED));
    }
}

//! Calls about one NVLink. Its counters are field values, which are read by number.

use std::os::raw::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings as nvml;

use super::call::{read, read_numbers};
use super::output::{fill, give};
use crate::machine::NOT_SUPPORTED;
use crate::nvlink::NvLink;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkState(
    device: nvml::nvmlDevice_t,
    link: c_uint,
    active: *mut nvml::nvmlEnableState_enum,
) -> nvml::nvmlReturn_enum {
    let answer = read_numbers(device, "nvmlDeviceGetNvLinkState", |gpu| {
        Ok(nvml::nvmlEnableState_enum::from(NvLink::of(gpu, link)?.is_active()))
    });
    // SAFETY: NVML's contract: `active` points to one value.
    unsafe { give(active, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkErrorCounter(
    device: nvml::nvmlDevice_t,
    link: c_uint,
    counter: nvml::nvmlNvLinkErrorCounter_enum,
    count: *mut c_ulonglong,
) -> nvml::nvmlReturn_enum {
    let answer = read_numbers(device, "nvmlDeviceGetNvLinkErrorCounter", |gpu| {
        let link = NvLink::of(gpu, link)?;
        if link.is_fifth() {
            return Err(NOT_SUPPORTED);
        }
        match counter {
            nvml::nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_REPLAY => link.replays(),
            nvml::nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_RECOVERY => link.recoveries(),
            nvml::nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_CRC_FLIT => link.crc_errors(),
            _ => Err(NOT_SUPPORTED),
        }
    });
    // SAFETY: NVML's contract: `count` points to one value.
    unsafe { give(count, answer) }
}

/// Every link leads to one switch.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkRemotePciInfo_v2(
    device: nvml::nvmlDevice_t,
    link: c_uint,
    out: *mut nvml::nvmlPciInfo_t,
) -> nvml::nvmlReturn_enum {
    let answer = read(device, "nvmlDeviceGetNvLinkRemotePciInfo_v2", |gpu| {
        if !NvLink::of(gpu, link)?.is_connected() {
            return Err(NOT_SUPPORTED);
        }
        let mut info = nvml::nvmlPciInfo_t {
            busIdLegacy: [0; 16],
            domain: 0,
            bus: 7,
            device: 0,
            pciDeviceId: 0x22A3_10DE,
            pciSubSystemId: 0x1796_10DE,
            busId: [0; 32],
        };
        fill(&mut info.busIdLegacy, "0000:07:00.0");
        fill(&mut info.busId, "00000000:07:00.0");
        Ok(info)
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

//! Calls about a GPU's memory: its errors, and what was done about them.

use std::os::raw::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings as nvml;

use super::call::read_numbers;
use super::output::{code, give, is_version};
use crate::health;
use crate::machine::{Code, NOT_SUPPORTED};

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: nvml::nvmlDevice_t,
    error: nvml::nvmlMemoryErrorType_enum,
    _counter: nvml::nvmlEccCounterType_enum,
    count: *mut c_ulonglong,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetTotalEccErrors", |gpu| kind(error, gpu.ecc_errors()?));
    // SAFETY: NVML's contract: `count` points to one value.
    unsafe { give(count, answer) }
}

/// Of corrected and uncorrected errors those of this kind.
fn kind(
    error: nvml::nvmlMemoryErrorType_enum,
    (corrected, uncorrected): (u64, u64),
) -> Result<c_ulonglong, Code> {
    match error {
        nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED => Ok(corrected),
        nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED => Ok(uncorrected),
        _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
    }
}

/// All errors are in DRAM; SRAM has none, and the other places are not counted since Turing.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryErrorCounter(
    device: nvml::nvmlDevice_t,
    error: nvml::nvmlMemoryErrorType_enum,
    _counter: nvml::nvmlEccCounterType_enum,
    location: nvml::nvmlMemoryLocation_enum,
    count: *mut c_ulonglong,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetMemoryErrorCounter", |gpu| {
        let errors = gpu.ecc_errors()?;
        match location {
            nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_DRAM => kind(error, errors),
            nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_SRAM => kind(error, (0, 0)),
            _ => Err(NOT_SUPPORTED),
        }
    });
    // SAFETY: NVML's contract: `count` points to one value.
    unsafe { give(count, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSramEccErrorStatus(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlEccSramErrorStatus_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetSramEccErrorStatus", |gpu| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        gpu.data_centre(|| nvml::nvmlEccSramErrorStatus_t {
            version,
            aggregateUncParity: 0,
            aggregateUncSecDed: 0,
            aggregateCor: 0,
            volatileUncParity: 0,
            volatileUncSecDed: 0,
            volatileCor: 0,
            aggregateUncBucketL2: 0,
            aggregateUncBucketSm: 0,
            aggregateUncBucketPcie: 0,
            aggregateUncBucketMcu: 0,
            aggregateUncBucketOther: 0,
            bThresholdExceeded: gpu.group.memory_health.sram_threshold_exceeded.into(),
        })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

/// How many, and no addresses.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    device: nvml::nvmlDevice_t,
    cause: nvml::nvmlPageRetirementCause_enum,
    count: *mut c_uint,
    _addresses: *mut c_ulonglong,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetRetiredPages", |gpu| {
        let pages = health::retired_pages(gpu)?;
        match cause {
            nvml::nvmlPageRetirementCause_enum_NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS => {
                Ok(pages.single_bit)
            }
            nvml::nvmlPageRetirementCause_enum_NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR => {
                Ok(pages.double_bit)
            }
            _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
        }
    });
    // As the driver answers whoever brings no room for addresses.
    let is_too_small = answer.is_ok_and(|count| count > 0);
    // SAFETY: NVML's contract: `count` points to one value.
    match unsafe { give(count, answer) } {
        nvml::nvmlReturn_enum_NVML_SUCCESS if is_too_small => {
            nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE
        }
        code => code,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPagesPendingStatus(
    device: nvml::nvmlDevice_t,
    pending: *mut nvml::nvmlEnableState_enum,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetRetiredPagesPendingStatus", |gpu| {
        health::retired_pages(gpu).map(|_| gpu.group.memory_health.retirement_pending.into())
    });
    // SAFETY: NVML's contract: `pending` points to one value.
    unsafe { give(pending, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRemappedRows(
    device: nvml::nvmlDevice_t,
    corrected: *mut c_uint,
    uncorrected: *mut c_uint,
    pending: *mut c_uint,
    failed: *mut c_uint,
) -> Code {
    code(read_numbers(device, "nvmlDeviceGetRemappedRows", health::remapped_rows).and_then(|rows| {
        for (out, rows) in [corrected, uncorrected, pending, failed].into_iter().zip(rows) {
            // SAFETY: NVML's contract: all four point to one value each.
            match unsafe { give(out, Ok(rows)) } {
                nvml::nvmlReturn_enum_NVML_SUCCESS => {}
                refused => return Err(refused),
            }
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRowRemapperHistogram(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlRowRemapperHistogramValues_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetRowRemapperHistogram", health::remap_banks);
    let answer = answer.map(|[max, high, partial, low, none]| nvml::nvmlRowRemapperHistogramValues_t {
        max,
        high,
        partial,
        low,
        none,
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRepairStatus(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlRepairStatus_t,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetRepairStatus", |gpu| gpu.data_centre(|| (0, 0)));
    let answer = answer.and_then(|(channel, tpc)| {
        // SAFETY: NVML's contract: `out` points to one struct whose version is set.
        let version = unsafe { is_version(out, 1)? };
        Ok(nvml::nvmlRepairStatus_t { version, bChannelRepairPending: channel, bTpcRepairPending: tpc })
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

/// The struct of nvml.h 13.1 has this one number.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUnrepairableMemoryFlag_v1(
    device: nvml::nvmlDevice_t,
    is_unrepairable: *mut c_uint,
) -> Code {
    let answer = read_numbers(device, "nvmlDeviceGetUnrepairableMemoryFlag_v1", |gpu| {
        health::remapped_rows(gpu).map(|_| gpu.group.memory_health.unrepairable.into())
    });
    // SAFETY: NVML's contract: it points to one number.
    unsafe { give(is_unrepairable, answer) }
}

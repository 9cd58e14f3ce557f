//! Calls about performance counters (GPM). A sample is a box that the caller frees, or not.

use std::mem::offset_of;
use std::os::raw::c_uint;

use nvml_wrapper_sys::bindings as nvml;

use super::call::{read, read_numbers};
use super::library::library;
use super::output::{code, give};
use crate::gpm::{self, Reading};
use crate::machine::Code;

/// What a sample's handle points to; empty until the counters are read into it.
type Sample = Option<Reading>;

const INVALID: Code = nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmQueryDeviceSupport(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlGpmSupport_t,
) -> Code {
    let answer =
        read_numbers(device, "nvmlGpmQueryDeviceSupport", |gpu| Ok(c_uint::from(gpm::is_supported(gpu))));
    let answer = answer.map(|supported| nvml::nvmlGpmSupport_t {
        version: nvml::NVML_GPM_SUPPORT_VERSION,
        isSupportedDevice: supported,
    });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(out: *mut nvml::nvmlGpmSample_t) -> Code {
    let sample: Box<Sample> = Box::new(None);
    // SAFETY: NVML's contract: `out` points to a handle.
    unsafe { give(out, Ok(Box::into_raw(sample).cast())) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleFree(sample: nvml::nvmlGpmSample_t) -> Code {
    if !sample.is_null() {
        // SAFETY: NVML's contract: the sample came from nvmlGpmSampleAlloc and is freed once.
        drop(unsafe { Box::from_raw(sample.cast::<Sample>()) });
    }
    nvml::nvmlReturn_enum_NVML_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleGet(device: nvml::nvmlDevice_t, sample: nvml::nvmlGpmSample_t) -> Code {
    let answer = read(device, "nvmlGpmSampleGet", |gpu| Reading::of(gpu).map(Some));
    // SAFETY: NVML's contract: the sample came from nvmlGpmSampleAlloc and was not freed.
    unsafe { give(sample.cast::<Sample>(), answer) }
}

/// The request's array is as long as the caller's header has it; only `numMetrics` of it are looked at.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(request: *mut nvml::nvmlGpmMetricsGet_t) -> Code {
    if request.is_null() {
        return INVALID;
    }
    // SAFETY: not null; NVML's contract: the caller has filled these members.
    let (count, before, after) = unsafe { ((*request).numMetrics, (*request).sample1, (*request).sample2) };
    // SAFETY: NVML's contract: samples are null or came from nvmlGpmSampleAlloc and were not freed.
    let readings = unsafe { (before.cast::<Sample>().as_ref(), after.cast::<Sample>().as_ref()) };
    let (Some(Some(before)), Some(Some(after))) = readings else { return INVALID };
    // SAFETY: NVML's contract: the request ends with an array of at least `numMetrics` metrics.
    let metrics = unsafe {
        let first = request.byte_add(offset_of!(nvml::nvmlGpmMetricsGet_t, metrics));
        std::slice::from_raw_parts_mut(first.cast::<nvml::nvmlGpmMetric_t>(), count as usize)
    };
    let Ok(library) = library() else { return INVALID };
    let generation = library.scenario.driver.generation();
    // Nobody has seen what a driver does about a metric that it does not know: here it refuses all for it.
    if metrics.iter().any(|metric| !generation.has_metric(metric.metricId)) {
        return INVALID;
    }
    for metric in metrics {
        let answer = Reading::metric(metric.metricId, *before, *after);
        metric.value = answer.unwrap_or(0.0);
        metric.nvmlReturn = code(answer.map(drop));
    }
    nvml::nvmlReturn_enum_NVML_SUCCESS
}

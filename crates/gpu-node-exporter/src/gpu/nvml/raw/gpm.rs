//! GPU performance monitoring (GPM): counters of the chip, read twice, and what happened in between.

use std::os::raw::c_uint;
use std::ptr;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings as nvml;

use super::get;

/// Memory of the driver's that holds one reading of the counters. It is never given back: the driver frees it when the probe ends,
/// and until then whoever has it uses it again.
pub(crate) struct GpmSample(nvml::nvmlGpmSample_t);

/// Room for a reading of the counters.
pub(crate) fn gpm_sample(device: &Device<'_>) -> Result<GpmSample, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlGpmSampleAlloc.as_ref())?;
    let mut sample: nvml::nvmlGpmSample_t = ptr::null_mut();
    // SAFETY: the library is initialised while `device` borrows it, and `sample` is the handle asked for.
    nvml_try(unsafe { call(&raw mut sample) })?;
    Ok(GpmSample(sample))
}

/// Whether the card has such counters: 0 or 1.
pub(crate) fn gpm_support(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlGpmQueryDeviceSupport.as_ref())?;
    let support = nvml::nvmlGpmSupport_t { version: nvml::NVML_GPM_SUPPORT_VERSION, isSupportedDevice: 0 };
    get(device, *call, support).map(|support| support.isSupportedDevice)
}

/// Reads the counters of a GPU.
pub(crate) fn gpm_read(device: &Device<'_>, into: &mut GpmSample) -> Result<(), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlGpmSampleGet.as_ref())?;
    // SAFETY: the handle is valid while `device` borrows the library, and the sample was allocated by it and never freed.
    nvml_try(unsafe { call(device.handle(), into.0) })
}

/// Reads the counters of a GPU instance (MIG).
pub(crate) fn gpm_read_instance(
    device: &Device<'_>,
    gpu_instance: u32,
    into: &mut GpmSample,
) -> Result<(), NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlGpmMigSampleGet.as_ref())?;
    // SAFETY: as above.
    nvml_try(unsafe { call(device.handle(), gpu_instance, into.0) })
}

/// More metrics than a driver may write of: nvml.h 13.3 ends at 333.
const MOST_METRICS: usize = 333;

/// `nvmlGpmMetricsGet_t` of nvml.h 13.3, whose last member has grown since `nvml-wrapper-sys` was made. The driver reads as many
/// metrics as `num_metrics` says; there is room for all in case it does not.
#[repr(C)]
struct MetricsGet {
    version: c_uint,
    num_metrics: c_uint,
    before: nvml::nvmlGpmSample_t,
    after: nvml::nvmlGpmSample_t,
    metrics: [nvml::nvmlGpmMetric_t; MOST_METRICS],
}

/// What happened between two readings, by these metrics (`NVML_GPM_METRIC_…`), in their order.
pub(crate) fn gpm_metrics(
    device: &Device<'_>,
    before: &GpmSample,
    after: &GpmSample,
    ids: &[u32],
) -> Result<Vec<Result<f64, NvmlError>>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlGpmMetricsGet.as_ref())?;
    if ids.len() > MOST_METRICS {
        return Err(NvmlError::InvalidArg);
    }
    let nothing = nvml::nvmlGpmMetric_t {
        metricId: 0,
        nvmlReturn: nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN,
        value: f64::NAN,
        metricInfo: nvml::nvmlGpmMetric_t__bindgen_ty_1 {
            shortName: ptr::null_mut(),
            longName: ptr::null_mut(),
            unit: ptr::null_mut(),
        },
    };
    let mut request = Box::new(MetricsGet {
        version: nvml::NVML_GPM_METRICS_GET_VERSION,
        num_metrics: c_uint::try_from(ids.len()).map_err(|_| NvmlError::InvalidArg)?,
        before: before.0,
        after: after.0,
        metrics: [nothing; MOST_METRICS],
    });
    for (metric, id) in request.metrics.iter_mut().zip(ids) {
        metric.metricId = *id;
    }
    // SAFETY: both samples were allocated by this library and never freed; the request begins as the call's type does and is longer.
    nvml_try(unsafe { call((&raw mut *request).cast()) })?;
    Ok(request
        .metrics
        .iter()
        .take(ids.len())
        .map(|metric| {
            nvml_try(metric.nvmlReturn)?;
            Ok(metric.value)
        })
        .collect())
}

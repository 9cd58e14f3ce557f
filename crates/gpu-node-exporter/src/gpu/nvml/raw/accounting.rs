//! Accounting: what the driver has counted of a process since it began, while accounting mode is on.

use std::os::raw::{c_uint, c_ulonglong};

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings as nvml;

use super::{Getter, get};

/// The driver's figures of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountedProcess {
    pub(crate) is_running: bool,
    /// Percent of its life in which kernels ran.
    pub(crate) busy: u32,
    /// Percent of its life in which memory was read or written.
    pub(crate) memory_busy: u32,
    /// The most memory it ever held, in bytes.
    pub(crate) max_memory: u64,
    /// Microseconds since 1970.
    pub(crate) started: u64,
    /// Samples since it began, and the sum of their shares in which kernels ran, in hundredths of a percent; from R610 on.
    pub(crate) samples: Option<(u32, u64)>,
}

/// More processes than a driver keeps figures of: that is 4,000.
const MOST_PROCESSES: c_uint = 1 << 16;

/// The processes that there are figures of, those that have ended among them; or a number of them that is not believed.
pub(crate) fn accounted_processes(device: &Device<'_>) -> Result<Result<Vec<u32>, u32>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetAccountingPids.as_ref())?;
    let mut room = 64;
    // Processes may begin between two calls.
    for _ in 0..3 {
        let mut pids = vec![0; room as usize];
        let mut count = room;
        // SAFETY: the handle is valid while `device` borrows the library, and there is room for `count` numbers.
        let code = unsafe { call(device.handle(), &raw mut count, pids.as_mut_ptr()) };
        if count > MOST_PROCESSES {
            return Ok(Err(count));
        }
        if code == nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE {
            room = count + 8;
            continue;
        }
        nvml_try(code)?;
        pids.truncate(count as usize);
        return Ok(Ok(pids));
    }
    Err(NvmlError::InsufficientSize(None))
}

/// `nvmlAccountingStats_v2_t` of nvml.h 13.3, which `nvml-wrapper-sys` does not know yet.
#[repr(C)]
#[derive(Default)]
struct Stats {
    pid: c_uint,
    is_running: c_uint,
    gpu_utilization: c_uint,
    memory_utilization: c_uint,
    max_memory: c_ulonglong,
    sample_count: c_uint,
    sum_gpu: c_ulonglong,
    sum_memory: c_ulonglong,
    time: c_ulonglong,
    start_time: c_ulonglong,
}

/// The figures of a process, by the newest call; `NotFound` for one without.
pub(crate) fn accounted_process(device: &Device<'_>, pid: u32) -> Result<AccountedProcess, NvmlError> {
    match second(device, pid) {
        Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => first(device, pid),
        answer => answer,
    }
}

fn second(device: &Device<'_>, pid: u32) -> Result<AccountedProcess, NvmlError> {
    const NAME: &str = "nvmlDeviceGetAccountingStats_v2";
    // SAFETY: the driver's function of this name is of this type (nvml.h 13.3).
    let call = unsafe { device.nvml().lib().__library.get::<Getter<Stats>>(NAME.as_bytes()) };
    let call = call.map_err(|error| NvmlError::FailedToLoadSymbol(error.to_string()))?;
    let stats = get(device, *call, Stats { pid, ..Stats::default() })?;
    Ok(AccountedProcess {
        is_running: stats.is_running != 0,
        busy: stats.gpu_utilization,
        memory_busy: stats.memory_utilization,
        max_memory: stats.max_memory,
        started: stats.start_time,
        samples: Some((stats.sample_count, stats.sum_gpu)),
    })
}

fn first(device: &Device<'_>, pid: u32) -> Result<AccountedProcess, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetAccountingStats.as_ref())?;
    let mut stats = nvml::nvmlAccountingStats_t {
        gpuUtilization: 0,
        memoryUtilization: 0,
        maxMemoryUsage: 0,
        time: 0,
        startTime: 0,
        isRunning: 0,
        reserved: [0; 5],
    };
    // SAFETY: the handle is valid while `device` borrows the library, and `stats` is a struct of the type asked for.
    nvml_try(unsafe { call(device.handle(), pid, &raw mut stats) })?;
    Ok(AccountedProcess {
        is_running: stats.isRunning != 0,
        busy: stats.gpuUtilization,
        memory_busy: stats.memoryUtilization,
        max_memory: stats.maxMemoryUsage,
        started: stats.startTime,
        samples: None,
    })
}

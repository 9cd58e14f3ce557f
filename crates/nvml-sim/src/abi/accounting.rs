//! Calls about accounting: what each process has used of a GPU since it began. Figures of processes that have ended are not kept.

use std::os::raw::{c_uint, c_ulonglong};
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings as nvml;

use super::call::{number_set, read, read_numbers};
use super::numbers::Numbers;
use super::output::{code, give};
use crate::machine::{Code, Gpu, NOT_FOUND, NOT_SUPPORTED, small};
use crate::process::Process;

const INVALID: Code = nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
const INSUFFICIENT_SIZE: Code = nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;

/// The figures of this many processes are kept, as drivers do.
const BUFFER: c_uint = 4000;

/// `nvmlAccountingStats_v2_t` of nvml.h 13.3, which `nvml-wrapper-sys` does not know yet.
#[repr(C)]
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

impl Numbers for Stats {
    fn all(number: u64) -> Self {
        let short = c_uint::all(number);
        Self {
            pid: short,
            is_running: short,
            gpu_utilization: short,
            memory_utilization: short,
            max_memory: number,
            sample_count: short,
            sum_gpu: number,
            sum_memory: number,
            time: number,
            start_time: number,
        }
    }
}

/// The GPU, if its accounting mode is on.
fn counting(gpu: Gpu<'_>) -> Result<Gpu<'_>, Code> {
    if gpu.group.accounting { Ok(gpu) } else { Err(NOT_SUPPORTED) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingMode(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlEnableState_enum,
) -> Code {
    let answer =
        read_numbers(device, "nvmlDeviceGetAccountingMode", |gpu| Ok(c_uint::from(gpu.group.accounting)));
    // SAFETY: NVML's contract: `out` points to one number.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingBufferSize(device: nvml::nvmlDevice_t, out: *mut c_uint) -> Code {
    let answer =
        read_numbers(device, "nvmlDeviceGetAccountingBufferSize", |gpu| counting(gpu).map(|_| BUFFER));
    // SAFETY: NVML's contract: `out` points to one number.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingPids(
    device: nvml::nvmlDevice_t,
    count: *mut c_uint,
    out: *mut c_uint,
) -> Code {
    const CALL: &str = "nvmlDeviceGetAccountingPids";
    let claimed = read(device, CALL, |gpu| Ok(number_set(gpu, CALL))).ok().flatten();
    if let Some(number) = claimed {
        // SAFETY: NVML's contract: `count` points to one number.
        return unsafe { give(count, Ok(c_uint::all(number))) };
    }
    let answer = read(device, CALL, |gpu| {
        Ok(counting(gpu)?.processes().map(|process| process.pid).collect::<Vec<_>>())
    });
    code(answer.and_then(|pids| {
        if count.is_null() {
            return Err(INVALID);
        }
        let length = c_uint::try_from(pids.len()).unwrap_or(c_uint::MAX);
        // SAFETY: NVML's contract: `count` points to the number of places that `out` has.
        let room = unsafe { count.replace(length) };
        if room < length {
            return Err(INSUFFICIENT_SIZE);
        }
        if out.is_null() && length > 0 {
            return Err(INVALID);
        }
        // SAFETY: not null unless there is nothing to copy, with room for `length` numbers.
        unsafe { std::ptr::copy_nonoverlapping(pids.as_ptr(), out, pids.len()) };
        Ok(())
    }))
}

/// What the process has used. The driver takes a sample a second.
fn figures(gpu: Gpu<'_>, process: &Process) -> Stats {
    let age = process.age(gpu.t);
    let busy = process.busy_in(age.floor());
    let share = if age < 1.0 { 0.0 } else { busy / age.floor() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Stats {
        pid: process.pid,
        is_running: 1,
        gpu_utilization: small(share * 100.0),
        memory_utilization: small(share * 50.0),
        max_memory: process.memory().unwrap_or(u64::MAX),
        sample_count: small(age),
        sum_gpu: whole(busy * 10_000.0),
        sum_memory: whole(busy * 5_000.0),
        time: 0,
        start_time: whole((now - age) * 1e6),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times since 1970 and sums of shares are positive and far below 2^64"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// The figures of one process.
fn figures_of(device: nvml::nvmlDevice_t, call: &str, pid: c_uint) -> Result<Stats, Code> {
    read_numbers(device, call, |gpu| {
        let gpu = counting(gpu)?;
        gpu.processes()
            .find(|process| process.pid == pid)
            .map(|process| figures(gpu, process))
            .ok_or(NOT_FOUND)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats(
    device: nvml::nvmlDevice_t,
    pid: c_uint,
    out: *mut nvml::nvmlAccountingStats_t,
) -> Code {
    let answer =
        figures_of(device, "nvmlDeviceGetAccountingStats", pid).map(|stats| nvml::nvmlAccountingStats_t {
            gpuUtilization: stats.gpu_utilization,
            memoryUtilization: stats.memory_utilization,
            maxMemoryUsage: stats.max_memory,
            time: stats.time,
            startTime: stats.start_time,
            isRunning: stats.is_running,
            reserved: [0; 5],
        });
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats_v2(device: nvml::nvmlDevice_t, out: *mut Stats) -> Code {
    if out.is_null() {
        return INVALID;
    }
    // SAFETY: not null, and NVML's contract: `out` points to one struct whose `pid` is set.
    let pid = unsafe { (*out).pid };
    let answer = figures_of(device, "nvmlDeviceGetAccountingStats_v2", pid);
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

//! Calls about processes. Their lists come in three layouts, by the call's version and by the driver's.

use std::os::raw::{c_uint, c_ulonglong};
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings as nvml;

use super::call::{number_set, read};
use super::library::library;
use super::numbers::Numbers;
use super::output::{code, give};
use crate::machine::{Code, NOT_FOUND, NOT_SUPPORTED, small};

const INVALID: Code = nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
const INSUFFICIENT_SIZE: Code = nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;

/// A process in the longest layout; the shorter ones are its beginning.
type Entry = [u64; 4];

/// Words of the first version's layout, which ends with the memory.
const FIRST: usize = 2;

/// Two numbers of 32 bits that follow each other in memory.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// Writes the list in entries of so many words.
///
/// # Safety
/// `count` is null or points to the number of entries for which `out` has room.
unsafe fn give_list(count: *mut c_uint, out: *mut u64, words: usize, list: Result<Vec<Entry>, Code>) -> Code {
    code(list.and_then(|list| {
        if count.is_null() {
            return Err(INVALID);
        }
        let length = c_uint::try_from(list.len()).unwrap_or(c_uint::MAX);
        // SAFETY: not null, and a number by this function's contract.
        let room = unsafe { count.replace(length) };
        if room < length {
            return Err(INSUFFICIENT_SIZE);
        }
        if out.is_null() && length > 0 {
            return Err(INVALID);
        }
        for (at, entry) in list.iter().enumerate() {
            // SAFETY: `out` has room for `length` entries by this function's contract.
            unsafe { std::ptr::copy_nonoverlapping(entry.as_ptr(), out.add(at * words), words) };
        }
        Ok(())
    }))
}

/// All compute processes of the GPU. Nothing is drawn on simulated cards.
fn compute(device: nvml::nvmlDevice_t, call: &str) -> Result<Vec<Entry>, Code> {
    read(device, call, |gpu| {
        Ok(gpu
            .processes()
            .map(|process| {
                let memory = process.memory().unwrap_or(u64::MAX);
                let instance = process.gpu_instance.unwrap_or(u32::MAX);
                let compute_instance = process.gpu_instance.map_or(u32::MAX, |_| 0);
                [pair(process.pid, 0), memory, pair(instance, compute_instance), 0]
            })
            .collect())
    })
}

/// Words of an entry as this driver writes it.
fn driver_words() -> usize {
    library().map_or(FIRST, |library| library.scenario.driver.generation().words_of_a_process())
}

/// The number of entries that the scenario has the call claim, without writing them.
fn claimed(device: nvml::nvmlDevice_t, call: &str) -> Option<c_uint> {
    let number = read(device, call, |gpu| Ok(number_set(gpu, call))).ok().flatten();
    number.map(c_uint::all)
}

/// Exports of a list: whose it is, and the words of its entries.
macro_rules! lists {
    ($(fn $name:ident -> $words:expr, $list:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvml::nvmlDevice_t, count: *mut c_uint, out: *mut u64) -> Code {
            let list: fn(nvml::nvmlDevice_t, &str) -> Result<Vec<Entry>, Code> = $list;
            if let Some(number) = claimed(device, stringify!($name)) {
                // SAFETY: NVML's contract: `count` points to one number.
                return unsafe { give(count, Ok(number)) };
            }
            // SAFETY: NVML's contract: `out` has room for `count` structs of this version of the call.
            unsafe { give_list(count, out, $words, list(device, stringify!($name))) }
        }
    )*};
}

lists! {
    fn nvmlDeviceGetComputeRunningProcesses -> FIRST, compute;
    fn nvmlDeviceGetComputeRunningProcesses_v2 -> 3, compute;
    fn nvmlDeviceGetComputeRunningProcesses_v3 -> driver_words(), compute;
    fn nvmlDeviceGetGraphicsRunningProcesses_v3 -> driver_words(), |device, call| read(device, call, |_| Ok(Vec::new()));
}

/// The driver averages over a sixth of a second.
const PERIOD_MICROSECONDS: u64 = 1_000_000 / 6;

/// The last sample of each process that was active, if it is younger than `last_seen` (microseconds since 1970).
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlProcessUtilizationSample_t,
    count: *mut c_uint,
    last_seen: c_ulonglong,
) -> Code {
    const CALL: &str = "nvmlDeviceGetProcessUtilization";
    if let Some(number) = claimed(device, CALL) {
        // SAFETY: NVML's contract: `count` points to one number.
        return unsafe { give(count, Ok(number)) };
    }
    let answer = read(device, CALL, |gpu| {
        if gpu.group.mig {
            return Err(NOT_SUPPORTED);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = u64::try_from(now).unwrap_or(0);
        let time = now - now % PERIOD_MICROSECONDS;
        let samples: Vec<_> = gpu
            .processes()
            .map(|process| (process.pid, small(process.utilization(gpu.t) * 100.0)))
            .filter(|(_, percent)| *percent > 0 && time > last_seen)
            .map(|(pid, percent)| nvml::nvmlProcessUtilizationSample_t {
                pid,
                timeStamp: time,
                smUtil: percent,
                memUtil: percent / 2,
                encUtil: 0,
                decUtil: 0,
            })
            .collect();
        if samples.is_empty() { Err(NOT_FOUND) } else { Ok(samples) }
    });
    code(answer.and_then(|samples| {
        if count.is_null() {
            return Err(INVALID);
        }
        let length = c_uint::try_from(samples.len()).unwrap_or(c_uint::MAX);
        // SAFETY: NVML's contract: `count` points to the number of structs for which `out` has room.
        let room = unsafe { count.replace(length) };
        if out.is_null() || room < length {
            return Err(INSUFFICIENT_SIZE);
        }
        // SAFETY: not null, with room for `length` structs.
        unsafe { std::ptr::copy_nonoverlapping(samples.as_ptr(), out, samples.len()) };
        Ok(())
    }))
}

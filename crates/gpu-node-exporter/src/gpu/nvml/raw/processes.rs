//! The processes on a GPU: lists whose layout is not what their version says, and their utilisation.
//!
//! The third version of the lists was written in a longer layout by the first drivers of R535, was absent from the next, and was
//! reported to write the first version's layout by one of 2026 (nvitop's pull requests 79, 88, 89, 226). So no version is believed: the
//! list is read into more room than the longest layout needs, and the words that the driver wrote tell which it was.

use std::os::raw::c_uint;
use std::ptr;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings as nvml;

/// The lists there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProcessList {
    Compute,
    Graphics,
    /// Clients of an MPS server, which itself is a compute process.
    Mps,
}

/// One process of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedProcess {
    pub(crate) pid: u32,
    /// Bytes; `None` where the driver cannot say.
    pub(crate) memory: Option<u64>,
    /// In MIG mode.
    pub(crate) gpu_instance: Option<u32>,
}

/// More processes than are read of a list.
const MOST_PROCESSES: u32 = 1024;

/// Any version of the call: the entries are of a layout that is not known before.
type Call = unsafe extern "C" fn(nvml::nvmlDevice_t, *mut c_uint, *mut u64) -> nvml::nvmlReturn_t;

impl ProcessList {
    /// The versions of the call, the newest first.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::Compute => [
                "nvmlDeviceGetComputeRunningProcesses_v3",
                "nvmlDeviceGetComputeRunningProcesses_v2",
                "nvmlDeviceGetComputeRunningProcesses",
            ],
            Self::Graphics => [
                "nvmlDeviceGetGraphicsRunningProcesses_v3",
                "nvmlDeviceGetGraphicsRunningProcesses_v2",
                "nvmlDeviceGetGraphicsRunningProcesses",
            ],
            Self::Mps => [
                "nvmlDeviceGetMPSComputeRunningProcesses_v3",
                "nvmlDeviceGetMPSComputeRunningProcesses_v2",
                "nvmlDeviceGetMPSComputeRunningProcesses",
            ],
        }
    }
}

/// The processes of a list, or a number of processes (or of words that they take) that is not believed.
pub(crate) fn processes(
    device: &Device<'_>,
    list: ProcessList,
) -> Result<Result<Vec<ListedProcess>, u32>, NvmlError> {
    let mut missing = None;
    for name in list.names() {
        // SAFETY: each version of the call takes a device, a count and room for entries, whose layout is found out afterwards.
        let call = unsafe { device.nvml().lib().__library.get::<Call>(name.as_bytes()) };
        let answer = match call {
            Ok(call) => read(device, *call),
            Err(error) => Err(NvmlError::FailedToLoadSymbol(error.to_string())),
        };
        match answer {
            Err(error @ (NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound)) => {
                missing = Some(error);
            }
            answer => return answer,
        }
    }
    Err(missing.unwrap_or(NvmlError::FunctionNotFound))
}

/// Words of 64 bits in the longest layout.
const LONGEST: usize = 4;

/// What no driver writes: neither two numbers of processes or instances nor an amount of memory.
const UNWRITTEN: u64 = 0xA5C3_5A3C_A5C3_5A3D;

fn read(device: &Device<'_>, call: Call) -> Result<Result<Vec<ListedProcess>, u32>, NvmlError> {
    let mut expected = 24;
    // Processes may begin between two calls.
    for _ in 0..3 {
        let room = room(expected);
        let mut words = vec![UNWRITTEN; room * LONGEST];
        let mut count = c_uint::try_from(room).map_err(|_| NvmlError::InvalidArg)?;
        // SAFETY: the handle is valid while `device` borrows the library, and there is room for `count` entries of the longest layout.
        let code = unsafe { call(device.handle(), &raw mut count, words.as_mut_ptr()) };
        if count > MOST_PROCESSES {
            return Ok(Err(count));
        }
        if code == nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE {
            expected = count as usize;
            continue;
        }
        nvml_try(code)?;
        return Ok(listed(&words, count as usize).ok_or(count));
    }
    Err(NvmlError::InsufficientSize(None))
}

/// Room for this many and some more. Two layouts never fill the same number of words with it, also when a driver writes all of it.
fn room(expected: usize) -> usize {
    expected.div_ceil(6) * 6 + 7
}

/// The first `count` entries; `None` when the words that were written are those of no known layout.
fn listed(words: &[u64], count: usize) -> Option<Vec<ListedProcess>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let written = words.iter().rposition(|word| *word != UNWRITTEN)? + 1;
    let room = words.len() / LONGEST;
    let layout = [3, 2, LONGEST].into_iter().find(|layout| written == count * layout).or_else(|| {
        // A driver may clear all the room that it was given.
        [3, 2, LONGEST].into_iter().find(|layout| written == room * layout)
    })?;
    words.chunks_exact(layout).take(count).map(process).collect()
}

/// One entry: the process and a gap, memory, and from the second version on GPU instance and compute instance.
fn process(entry: &[u64]) -> Option<ListedProcess> {
    /// What `/proc/sys/kernel/pid_max` can be at most.
    const LAST_PID: u32 = 1 << 22;
    let first = |word: u64| {
        let [a, b, c, d, ..] = word.to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    };
    let pid = Some(first(*entry.first()?)).filter(|pid| *pid <= LAST_PID)?;
    let memory = Some(*entry.get(1)?).filter(|bytes| *bytes != u64::MAX);
    let gpu_instance = entry.get(2).map(|word| first(*word)).filter(|number| *number != u32::MAX);
    Some(ListedProcess { pid, memory, gpu_instance })
}

/// How busy a process kept the GPU in the driver's last period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessSample {
    pub(crate) pid: u32,
    /// Microseconds since 1970.
    pub(crate) time: u64,
    /// Of the SMs, in percent.
    pub(crate) sm: u32,
}

/// More samples than are read: a period has one of each process.
const MOST_SAMPLES: u32 = 4096;

/// Samples of the processes that were active since `last_seen` (microseconds since 1970), or a number of them that is not believed.
/// `NotFound` when there are none.
pub(crate) fn process_samples(
    device: &Device<'_>,
    last_seen: u64,
) -> Result<Result<Vec<ProcessSample>, u32>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetProcessUtilization.as_ref())?;
    let mut count = 0;
    // SAFETY: the handle is valid while `device` borrows the library; without room the call only counts.
    let code = unsafe { call(device.handle(), ptr::null_mut(), &raw mut count, last_seen) };
    if code != nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE {
        nvml_try(code)?;
    }
    if count > MOST_SAMPLES {
        return Ok(Err(count));
    }
    let empty = nvml::nvmlProcessUtilizationSample_t {
        pid: 0,
        timeStamp: 0,
        smUtil: 0,
        memUtil: 0,
        encUtil: 0,
        decUtil: 0,
    };
    // Processes may begin between the two calls.
    count += 8;
    let mut samples = vec![empty; count as usize];
    // SAFETY: as above; `samples` has room for `count` entries.
    nvml_try(unsafe { call(device.handle(), samples.as_mut_ptr(), &raw mut count, last_seen) })?;
    let samples = samples.iter().take(count as usize).filter(|sample| sample.timeStamp > 0);
    Ok(Ok(samples
        .map(|sample| ProcessSample { pid: sample.pid, time: sample.timeStamp, sm: sample.smUtil })
        .collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of this room in which a driver has written these words.
    fn buffer(room: usize, written: &[u64]) -> Vec<u64> {
        let mut words = vec![UNWRITTEN; room * LONGEST];
        words[..written.len()].copy_from_slice(written);
        words
    }

    fn pair(first: u32, second: u32) -> u64 {
        let bytes = [first.to_ne_bytes(), second.to_ne_bytes()].concat();
        u64::from_ne_bytes(bytes.try_into().expect("eight bytes"))
    }

    #[test]
    fn the_words_that_were_written_tell_the_layout() {
        let entry = |pid, memory, gpu_instance| ListedProcess { pid, memory, gpu_instance };
        let none = pair(u32::MAX, u32::MAX);
        let gap = pair(0, 0x5A5A_5A5A);
        let garbage = pair(5_000_000, 0);
        for (what, words, count, expected) in [
            ("nothing", vec![], 0, Some(vec![])),
            (
                "the first layout",
                vec![7, 100, 8, 200],
                2,
                Some(vec![entry(7, Some(100), None), entry(8, Some(200), None)]),
            ),
            (
                "the second layout",
                vec![7, 100, none, 8, u64::MAX, pair(3, 0)],
                2,
                Some(vec![entry(7, Some(100), None), entry(8, None, Some(3))]),
            ),
            (
                "the longer layout",
                vec![7, 100, none, 0, 8, 200, none, 0],
                2,
                Some(vec![entry(7, Some(100), None), entry(8, Some(200), None)]),
            ),
            ("one of the first", vec![7, 100], 1, Some(vec![entry(7, Some(100), None)])),
            (
                "what lies in the gap is not read",
                vec![7 | gap, 100, none],
                1,
                Some(vec![entry(7, Some(100), None)]),
            ),
            ("a list that is announced and not written", vec![], 2, None),
            ("half of a list", vec![7, 100, none], 2, None),
            ("another layout", vec![7, 100, none, 0, 0, 8, 200, none, 0, 0], 2, None),
            ("no process' number", vec![garbage, 100, none], 1, None),
        ] {
            assert_eq!(listed(&buffer(room(24), &words), count), expected, "{what}");
        }
    }

    #[test]
    fn a_driver_that_clears_the_room_is_understood() {
        for layout in [2, 3, 4] {
            let room = room(1);
            let mut written = vec![0; room * layout];
            for (at, pid) in [7, 8].into_iter().enumerate() {
                (written[at * layout], written[at * layout + 1]) = (pid, 100);
            }
            let found = listed(&buffer(room, &written), 2).expect("a list");
            assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [7, 8], "{layout}");
        }
        for expected in 0..2000 {
            let room = room(expected);
            assert!(room > expected && !room.is_multiple_of(2) && !room.is_multiple_of(3), "{room}");
        }
    }
}

//! A counter of events on one CPU (see `perf_event_open(2)`).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{FromRawFd as _, OwnedFd};

/// The first version of `struct perf_event_attr`, which every kernel takes. What is 0 asks for nothing: one counter by itself, of what
/// the CPU does for anybody, that runs from now on and gives its value alone.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint: u32,
    config_1: u64,
}

/// `PERF_ATTR_SIZE_VER0`
const SIZE: u32 = 64;
const _: () = assert!(size_of::<Attributes>() == SIZE as usize, "the structure has no holes");

/// `exclude_hv`: without what a hypervisor does below this kernel, which `node_exporter` does not count either.
const WITHOUT_HYPERVISOR: u64 = 1 << if cfg!(target_endian = "little") { 6 } else { 63 - 6 };

/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 8;

/// Opens the counter of an event, by the kernel's kind and number of it, on one CPU.
#[expect(unsafe_code, reason = "rustix has no perf_event_open(2)")]
pub(super) fn open(kind: u32, config: u64, cpu: u32) -> io::Result<OwnedFd> {
    let attributes =
        Attributes { kind, size: SIZE, config, flags: WITHOUT_HYPERVISOR, ..Attributes::default() };
    let everybody: libc::pid_t = -1;
    let no_group: libc::c_int = -1;
    // SAFETY: the kernel reads as many bytes of the structure as its size says, and writes at most that field.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            everybody,
            cpu,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    let opened =
        i32::try_from(opened).ok().filter(|opened| *opened >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// How many there were since it was opened; `None` when the CPU is off.
pub(super) fn value(mut counter: &File) -> io::Result<Option<u64>> {
    let mut bytes = [0; 8];
    match counter.read(&mut bytes)? {
        8 => Ok(Some(u64::from_ne_bytes(bytes))),
        _ => Ok(None),
    }
}

//! Whether something keeps this machine's clock, as the kernel knows it.
//!
//! A target's answer says what time it is to a second or two, and only where one can be reached. Whoever keeps the clock (chrony, ntpd,
//! systemd-timesyncd) tells the kernel, and from then on the kernel counts how far off it may be.

#![expect(unsafe_code, reason = "rustix has no adjtimex(2)")]

use std::io;
use std::time::Duration;

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelClock {
    /// A program keeps it, and did so not long ago.
    pub(super) is_kept: bool,
    /// How far off it may be. The kernel adds half a millisecond to it each second in which nobody corrects the clock.
    pub(super) may_be_off: Duration,
}

/// Asks `adjtimex(2)`, which only reads here.
///
/// Errors where the call is forbidden, as some container engines do.
pub(super) fn read() -> io::Result<KernelClock> {
    // SAFETY: all fields are integers, for which 0 is a value; with `modes` 0 the call changes nothing.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` of ours.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(KernelClock {
        is_kept: state != libc::TIME_ERROR,
        may_be_off: Duration::from_micros(u64::try_from(clock.maxerror).unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_whoever_only_reads() {
        match read() {
            // 16 s is where the kernel gives up counting.
            Ok(clock) => assert!(clock.may_be_off <= Duration::from_secs(17), "{clock:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
    }
}

//! How well the clock is kept, from the system call `adjtimex(2)`, which only reads here.
//!
//! Owns what the kernel's clock discipline says. Leaves out the time itself, which is `time`'s.

#![expect(unsafe_code, reason = "rustix has no adjtimex(2)")]

use std::io;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "timex",
    help: "how well the clock is kept",
    reads: "adjtimex(2)",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, _| Box::new(ClockCollector),
};

struct ClockCollector;

impl Collector for ClockCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let fault = |error: io::Error| match error.kind() {
            // Container engines forbid the call to processes that may not set the clock.
            io::ErrorKind::PermissionDenied => {
                Fault::new("timex: adjtimex(2) is not allowed here (hint: a container needs CAP_SYS_TIME)")
            }
            _ => Fault::new(format!("timex: adjtimex(2): {error}")),
        };
        read().map(|(state, clock)| families(state, &clock)).map_err(fault).into()
    }
}

/// The state that the call returns, and what it writes.
fn read() -> io::Result<(i32, libc::timex)> {
    // SAFETY: all fields are integers, for which 0 is a value; with `modes` 0 the call changes nothing.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` of ours.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    if state < 0 { Err(io::Error::last_os_error()) } else { Ok((state, clock)) }
}

/// Parts in a million with 16 bits after the point.
const SCALED_PPM: f64 = 1e6 * 65_536.0;

fn families(state: i32, clock: &libc::timex) -> Vec<Family> {
    let gauge = |name: &'static str, help: &'static str, value: f64| {
        Family::gauge(name, help).with(Labels::NONE, value)
    };
    let counter = |name: &'static str, help: &'static str, value: libc::c_long| {
        Family::counter(name, help).with(Labels::NONE, value as f64)
    };
    // The unit of some fields is a state, too.
    let unit = if clock.status & libc::STA_NANO == 0 { 1e6 } else { 1e9 };
    vec![
        gauge(
            "node_timex_sync_status",
            "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
            f64::from(u8::from(state != libc::TIME_ERROR)),
        ),
        gauge(
            "node_timex_offset_seconds",
            "Time offset in between local system and reference clock.",
            clock.offset as f64 / unit,
        ),
        gauge(
            "node_timex_frequency_adjustment_ratio",
            "Local clock frequency adjustment.",
            1.0 + clock.freq as f64 / SCALED_PPM,
        ),
        gauge("node_timex_maxerror_seconds", "Maximum error in seconds.", clock.maxerror as f64 / 1e6),
        gauge(
            "node_timex_estimated_error_seconds",
            "Estimated error in seconds.",
            clock.esterror as f64 / 1e6,
        ),
        gauge("node_timex_status", "Value of the status array bits.", f64::from(clock.status)),
        gauge("node_timex_loop_time_constant", "Phase-locked loop time constant.", clock.constant as f64),
        gauge("node_timex_tick_seconds", "Seconds between clock ticks.", clock.tick as f64 / 1e6),
        gauge(
            "node_timex_pps_frequency_hertz",
            "Pulse per second frequency.",
            clock.ppsfreq as f64 / SCALED_PPM,
        ),
        gauge("node_timex_pps_jitter_seconds", "Pulse per second jitter.", clock.jitter as f64 / unit),
        gauge("node_timex_pps_shift_seconds", "Pulse per second interval duration.", f64::from(clock.shift)),
        gauge(
            "node_timex_pps_stability_hertz",
            "Pulse per second stability, average of recent frequency changes.",
            clock.stabil as f64 / SCALED_PPM,
        ),
        counter(
            "node_timex_pps_jitter_total",
            "Pulse per second count of jitter limit exceeded events.",
            clock.jitcnt,
        ),
        counter(
            "node_timex_pps_calibration_total",
            "Pulse per second count of calibration intervals.",
            clock.calcnt,
        ),
        counter("node_timex_pps_error_total", "Pulse per second count of calibration errors.", clock.errcnt),
        counter(
            "node_timex_pps_stability_exceeded_total",
            "Pulse per second count of stability limit exceeded events.",
            clock.stbcnt,
        ),
        gauge(
            "node_timex_tai_offset_seconds",
            "International Atomic Time (TAI) offset.",
            f64::from(clock.tai),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    fn value(state: i32, status: i32, name: &str) -> String {
        // SAFETY: all fields are integers, for which 0 is a value.
        let mut clock: libc::timex = unsafe { std::mem::zeroed() };
        (clock.status, clock.offset, clock.jitter, clock.maxerror) = (status, -2_500_000, 1_000, 16_000_000);
        (clock.freq, clock.tick, clock.tai) = (65_536 * 100, 10_000, 37);
        let lines = values(&families(state, &clock));
        let value = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {lines:#?}")).to_owned()
    }

    #[test]
    fn the_unit_follows_from_the_status() {
        assert_eq!(value(0, 0, "node_timex_offset_seconds"), "-2.5");
        assert_eq!(value(0, libc::STA_NANO, "node_timex_offset_seconds"), "-0.0025");
        assert_eq!(value(0, 0, "node_timex_pps_jitter_seconds"), "0.001");
        assert_eq!(value(0, libc::STA_NANO, "node_timex_maxerror_seconds"), "16");
        assert_eq!(value(0, 0, "node_timex_frequency_adjustment_ratio"), "1.0001");
        assert_eq!(value(0, 0, "node_timex_tick_seconds"), "0.01");
        assert_eq!(value(0, 0, "node_timex_tai_offset_seconds"), "37");
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_told() {
        assert_eq!(value(libc::TIME_OK, 0, "node_timex_sync_status"), "1");
        assert_eq!(value(libc::TIME_INS, 0, "node_timex_sync_status"), "1");
        assert_eq!(value(libc::TIME_ERROR, 0, "node_timex_sync_status"), "0");
    }

    #[test]
    fn this_machine_answers_or_forbids_it() {
        let Collected { families, faults, .. } = ClockCollector.collect();
        match faults.as_slice() {
            [] => assert_eq!(families.len(), 17),
            [fault] => assert!(fault.to_string().contains("is not allowed here"), "{fault}"),
            more => panic!("{more:?}"),
        }
    }
}

//! Field numbers that mean another thing on another driver.
//!
//! Of the numbers from 251 to 273 the first driver to have any (R570, nvml.h 12.8) calls 251 to 268 power smoothing. R575 (12.9) put
//! clock event times at 251 to 253 in front of it. 580.82 (13.0 Update 1) put power smoothing back, and these times at 269 to 271
//! (NVML reference, known issues). Headers compared one with the next.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

/// The fields that count the time for which the clocks were held down for heat or by the power brake, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockEventTimes {
    pub(crate) software_thermal: u32,
    pub(crate) hardware_thermal: u32,
    pub(crate) power_brake: u32,
}

/// The branch of the driver at hand: 580 of 580.82.07. 0 where it is no number.
pub(crate) fn driver_branch(device: &Device<'_>) -> Result<u32, NvmlError> {
    device.nvml().sys_driver_version().map(|version| parts(&version).0)
}

/// Branch and update of a version such as `580.82.07`. A part that is no number counts as 0.
fn parts(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

impl ClockEventTimes {
    /// Their numbers on the driver at hand; `None` before R575, which counts none of them.
    pub(crate) fn here(device: &Device<'_>) -> Result<Option<Self>, NvmlError> {
        device.nvml().sys_driver_version().map(|version| Self::of(&version))
    }

    fn of(version: &str) -> Option<Self> {
        let first = match parts(version) {
            (branch, _) if branch < 575 => return None,
            (branch, update) if (branch, update) < (580, 82) => 251,
            _ => 269,
        };
        Some(Self { software_thermal: first, hardware_thermal: first + 1, power_brake: first + 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_follow_the_driver() {
        for (version, first) in [
            ("450.80.02", None),
            ("535.183.01", None),
            ("570.211.01", None),
            ("575.51.03", Some(251)),
            ("580.65.06", Some(251)),
            ("580.82.07", Some(269)),
            ("580.105.08", Some(269)),
            ("590.44.01", Some(269)),
            ("610.10 (simulated)", Some(269)),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(ClockEventTimes::of(version).map(|times| times.software_thermal), first, "{version}");
        }
    }
}

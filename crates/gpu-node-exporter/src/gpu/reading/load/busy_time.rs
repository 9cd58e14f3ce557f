//! Busy time from the driver's own ring of utilisation samples, so that nothing is missed between two sweeps.

use std::time::Duration;

use crate::gpu::nvml::enum_wrappers::device::Sampling;
use crate::gpu::nvml::enums::device::SampleValue;
use crate::gpu::nvml::{Device, NvmlError};
use crate::units::{Ratio, Seconds};

/// Busy time between the newest sample of the last sweep and the newest now. `None` on the first sweep, which only
/// finds its place in the ring. An idle GPU may have no samples at all (`NotFound`): that is no busy time.
pub(super) fn busy_time(
    device: &Device<'_>,
    newest: &mut Option<u64>,
    longest_gap: Duration,
) -> Result<Option<Seconds>, NvmlError> {
    let samples = match device.samples(Sampling::GpuUtilization, *newest) {
        Ok(samples) => samples,
        Err(NvmlError::NotFound) => return Ok(newest.map(|_| Seconds(0.0))),
        Err(error) => return Err(error),
    };
    let samples = samples.iter().filter_map(|sample| match sample.value {
        SampleValue::U32(percent) => Some((sample.timestamp, percent)),
        _ => None,
    });
    let start = *newest;
    let (busy, end) = integrate(start, samples, longest_gap);
    *newest = end;
    Ok(start.map(|_| busy))
}

/// Samples further apart than this have a hole between them: the ring holds some seconds, and a sweep may come later.
const LONGEST_STEP_US: u64 = 2_000_000;

/// Sums samples (microseconds, percent): each stands for the time since the one before it, and their mean for holes up
/// to `longest_gap`. Returns the busy time and the newest time seen; without a `start` the first sample only sets the
/// place.
fn integrate(
    start: Option<u64>,
    samples: impl Iterator<Item = (u64, u32)>,
    longest_gap: Duration,
) -> (Seconds, Option<u64>) {
    let (mut busy, mut covered, mut holes, mut last) = (0.0, 0.0, 0.0, start);
    for (time, percent) in samples {
        if let (Some(previous), Some(_)) = (last, start) {
            let Some(step) = time.checked_sub(previous).filter(|step| *step > 0) else { continue };
            let seconds = step as f64 / 1e6;
            if step > LONGEST_STEP_US {
                holes += if seconds > longest_gap.as_secs_f64() { 0.0 } else { seconds };
            } else if let Some(Ratio(share)) = Ratio::from_percent(percent) {
                busy += share * seconds;
                covered += seconds;
            }
        }
        last = Some(time);
    }
    let mean = if covered > 0.0 { busy / covered } else { 0.0 };
    (Seconds(busy + mean * holes), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_integrated_from_where_the_last_sweep_ended() {
        type Case = (Option<u64>, &'static [(u64, u32)], f64, Option<u64>);
        const SECOND: u64 = 1_000_000;
        let cases: [Case; 7] = [
            // The first sweep only finds its place; what the ring holds of earlier is not counted.
            (None, &[(SECOND, 100), (2 * SECOND, 50)], 0.0, Some(2 * SECOND)),
            (Some(SECOND), &[(2 * SECOND, 100), (3 * SECOND, 50)], 1.5, Some(3 * SECOND)),
            (Some(SECOND), &[], 0.0, Some(SECOND)),
            // A repeated sample, and an invalid one.
            (Some(SECOND), &[(SECOND, 100), (2 * SECOND, 50)], 0.5, Some(2 * SECOND)),
            (Some(SECOND), &[(2 * SECOND, 4_000_000)], 0.0, Some(2 * SECOND)),
            // The ring reaches back two of sixty seconds, and the GPU was as busy before as far as anybody knows.
            (
                Some(SECOND),
                &[(59 * SECOND, 9), (60 * SECOND, 100), (61 * SECOND, 50)],
                45.0,
                Some(61 * SECOND),
            ),
            // What it did while the machine slept is unknown.
            (Some(SECOND), &[(900 * SECOND, 9), (901 * SECOND, 100)], 1.0, Some(901 * SECOND)),
        ];
        for (start, samples, busy, newest) in cases {
            let (Seconds(sum), end) = integrate(start, samples.iter().copied(), Duration::from_mins(2));
            assert!((sum - busy).abs() < 1e-9, "{samples:?}: {sum}");
            assert_eq!(end, newest, "{samples:?}");
        }
    }
}

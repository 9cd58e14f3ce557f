//! Busy time from the driver's own ring of utilisation samples, so that nothing is missed between two sweeps.
//!
//! When the time of day is set, or the GPU was lost, the place in the ring is looked for anew, and the caller fills in that one sweep.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::gpu::histogram::{SHARES, bucket};
use crate::gpu::nvml::raw::Sampled;
use crate::gpu::nvml::{Device, Moment, NvmlError};
use crate::gpu::reading::ring::{Newer, Ring};
use crate::units::{Ratio, Seconds};

/// What the samples since the last sweep say, beside the busy time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Samples {
    /// How many there are, by their buckets.
    pub(super) counts: [u32; SHARES.len()],
    /// Of all their shares.
    pub(super) sum: f64,
    /// The largest share.
    pub(super) largest: Ratio,
}

impl Samples {
    fn add(&mut self, share: Ratio) {
        self.counts[bucket(share.0)] += 1;
        self.sum += share.0;
        self.largest.0 = self.largest.0.max(share.0);
    }
}

/// Busy time between two sweeps.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Busy {
    /// `None` on the first sweep, and that after a loss, which only finds its place in the ring, and where the samples are not read.
    pub(super) time: Option<Seconds>,
    /// `None` where there is no time, or no sample.
    pub(super) samples: Option<Samples>,
    /// A number of samples that no ring holds; none of them was read. Or a sample that is no share, in percent; it counts for nothing.
    pub(super) impossible: Option<u32>,
}

/// Busy time between the newest sample of the last sweep and the newest now.
pub(super) fn busy_time(
    device: &Device<'_>,
    ring: &mut Ring,
    moment: Moment,
    time_of_day: SystemTime,
) -> Result<Busy, NvmlError> {
    let newer = ring.newer(device, Sampled::Utilization, moment, time_of_day);
    // The caller fills in a sweep without samples: the next one may not count that time once more.
    let start = ring.newest.take();
    let samples = match newer? {
        Newer::Samples(samples) => samples,
        Newer::Impossible(count) => return Ok(Busy { impossible: Some(count), ..Busy::default() }),
    };
    let (busy, end) = integrate(start, samples.into_iter(), moment.longest_gap);
    ring.newest = end;
    Ok(busy)
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
) -> (Busy, Option<u64>) {
    let (mut busy, mut covered, mut holes, mut last, mut impossible) = (0.0, 0.0, 0.0, start, None);
    let mut seen: Option<Samples> = None;
    for (time, percent) in samples {
        if let (Some(previous), Some(_)) = (last, start) {
            let Some(step) = time.checked_sub(previous).filter(|step| *step > 0) else { continue };
            let seconds = step as f64 / 1e6;
            if let Some(share) = Ratio::from_percent(percent) {
                seen.get_or_insert_default().add(share);
            }
            if step > LONGEST_STEP_US {
                holes += if seconds > longest_gap.as_secs_f64() { 0.0 } else { seconds };
            } else if let Some(Ratio(share)) = Ratio::from_percent(percent) {
                busy += share * seconds;
                covered += seconds;
            } else {
                impossible = Some(percent);
            }
        }
        last = Some(time);
    }
    let mean = if covered > 0.0 { busy / covered } else { 0.0 };
    let time = start.map(|_| Seconds(busy + mean * holes));
    (Busy { time, samples: seen, impossible }, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::reading::ring::of_this_time;
    use std::time::{Instant, UNIX_EPOCH};

    /// A ring of samples as the driver keeps it, half busy, while the time of day is set by `set` seconds in the tenth sweep, before which
    /// the GPU was lost so many times. Returns what each sweep but the first gave.
    fn sweeps_around(set: i64, losses: u32) -> Vec<Option<f64>> {
        let (start, second) = (Instant::now(), Duration::from_secs);
        let day = UNIX_EPOCH + second(1_700_000_000);
        let (mut place, mut ring, mut sums) = (Ring::default(), Vec::new(), Vec::new());
        for sweep in 0..20 {
            let (set, losses) = if sweep < 10 { (0, 0) } else { (set, losses) };
            let time =
                if set < 0 { day - second(set.unsigned_abs()) } else { day + second(set.unsigned_abs()) };
            let time = time + second(sweep);
            let micros =
                u64::try_from(time.duration_since(UNIX_EPOCH).expect("later").as_micros()).expect("small");
            ring.push((micros, 50));
            let now = start + second(sweep);
            place.look(Moment { now, events: 0, losses, longest_gap: Duration::ZERO }, time);
            // As the driver answers: what is newer than the caller's newest, by time.
            let newest = place.newest;
            let newer =
                ring.iter().copied().filter(|(at, _)| newest.is_none_or(|newest| *at > newest)).collect();
            let (Busy { time: busy, .. }, end) =
                integrate(newest, of_this_time(newer, time).into_iter(), Duration::from_mins(2));
            place.newest = end;
            sums.push(busy.map(|Seconds(busy)| busy));
        }
        sums.split_off(1)
    }

    #[test]
    fn the_time_of_day_may_be_set_by_any_time() {
        let half = Some(0.5);
        assert_eq!(sweeps_around(0, 0), [half; 19]);
        for set in [-3600, -7, 30, 86_400] {
            let sums = sweeps_around(set, 0);
            let holes: Vec<_> = (0..19).filter(|sweep| sums[*sweep].is_none()).collect();
            assert_eq!(holes, [9], "{set}: the sweep after it finds its place anew");
            let sum: f64 = sums.iter().flatten().sum();
            assert!((8.0..=9.5).contains(&sum), "{set}: {sum}");
        }
    }

    #[test]
    fn what_a_lost_gpu_did_is_not_counted_by_the_samples_that_it_has_afterwards() {
        let sums = sweeps_around(0, 7);
        let holes: Vec<_> = (0..19).filter(|sweep| sums[*sweep].is_none()).collect();
        assert_eq!(holes, [9], "the sweep after it finds its place anew");
    }

    #[test]
    fn samples_are_integrated_from_where_the_last_sweep_ended() {
        type Case = (Option<u64>, &'static [(u64, u32)], Option<f64>, Option<u64>);
        const SECOND: u64 = 1_000_000;
        let cases: [Case; 7] = [
            // The first sweep only finds its place; what the ring holds of earlier is not counted.
            (None, &[(SECOND, 100), (2 * SECOND, 50)], None, Some(2 * SECOND)),
            (Some(SECOND), &[(2 * SECOND, 100), (3 * SECOND, 50)], Some(1.5), Some(3 * SECOND)),
            (Some(SECOND), &[], Some(0.0), Some(SECOND)),
            // A repeated sample, and an invalid one.
            (Some(SECOND), &[(SECOND, 100), (2 * SECOND, 50)], Some(0.5), Some(2 * SECOND)),
            (Some(SECOND), &[(2 * SECOND, 4_000_000)], Some(0.0), Some(2 * SECOND)),
            // The ring reaches back two of sixty seconds, and the GPU was as busy before as far as anybody knows.
            (
                Some(SECOND),
                &[(59 * SECOND, 9), (60 * SECOND, 100), (61 * SECOND, 50)],
                Some(45.0),
                Some(61 * SECOND),
            ),
            // What it did while the machine slept is unknown.
            (Some(SECOND), &[(900 * SECOND, 9), (901 * SECOND, 100)], Some(1.0), Some(901 * SECOND)),
        ];
        for (start, samples, busy, newest) in cases {
            let (Busy { time, samples: seen, impossible }, end) =
                integrate(start, samples.iter().copied(), Duration::from_mins(2));
            assert_eq!(
                impossible,
                samples.iter().map(|(_, percent)| *percent).find(|percent| *percent > 100)
            );
            assert_eq!(time, busy.map(Seconds), "{samples:?}");
            let newer = samples
                .iter()
                .filter(|(time, percent)| start.is_some_and(|start| *time > start) && *percent <= 100);
            let largest = newer.clone().map(|(_, percent)| *percent).max();
            assert_eq!(seen.as_ref().map(|seen| seen.largest), largest.and_then(Ratio::from_percent));
            let counted = seen.map_or(0, |seen| seen.counts.iter().sum::<u32>() as usize);
            assert_eq!(counted, newer.count(), "{samples:?}");
            assert_eq!(end, newest, "{samples:?}");
        }
    }
}

//! The place in one of the driver's rings of samples that the last sweep came to, and what is newer.
//!
//! The samples carry the machine's time of day. When that is set, samples from before and after it do not go together: the place in the
//! ring is looked for anew. So it is when the GPU was lost: what it did until it came back is unknown.

use std::mem;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::gpu::nvml::raw::{self, Sampled};
use crate::gpu::nvml::{Device, Moment, NvmlError};

/// The place in a ring.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Time of the newest sample taken, microseconds since 1970.
    pub(super) newest: Option<u64>,
    /// The last sweep by a clock that nobody sets, and by the time of day.
    looked: Option<(Instant, SystemTime)>,
    /// How often the GPU had been lost by then.
    losses: u32,
}

/// What is newer than the newest of the sweep before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Newer {
    /// Times, and the numbers, oldest first.
    Samples(Vec<(u64, u32)>),
    /// A number of samples that no ring holds; none of them was read.
    Impossible(u32),
}

/// The time of day may be off from the time that has passed by so much before it counts as set, and a sample be so much younger.
const TOLERANCE: Duration = Duration::from_secs(1);

/// More than any ring holds: 120 were seen.
const MOST_SAMPLES: u32 = 4096;

impl Ring {
    /// Forgets the place if the time of day was set since the last sweep, or the GPU was lost.
    pub(super) fn look(&mut self, moment: Moment, time_of_day: SystemTime) {
        let was_lost = mem::replace(&mut self.losses, moment.losses) != moment.losses;
        let Some((then, time_then)) = self.looked.replace((moment.now, time_of_day)) else { return };
        let passed = moment.now.saturating_duration_since(then);
        let is_set = match time_of_day.duration_since(time_then) {
            Ok(elapsed) => elapsed.abs_diff(passed) > TOLERANCE,
            Err(back) => back.duration() + passed > TOLERANCE,
        };
        if is_set || was_lost {
            self.newest = None;
        }
    }

    /// Reads what is newer. An idle GPU may have no samples at all (`NotFound`): that is none.
    pub(super) fn newer(
        &mut self,
        device: &Device<'_>,
        what: Sampled,
        moment: Moment,
        time_of_day: SystemTime,
    ) -> Result<Newer, NvmlError> {
        self.look(moment, time_of_day);
        let last_seen = self.newest.unwrap_or(0);
        let read = raw::sample_count(device, what, last_seen).and_then(|count| match count {
            0 => Ok(Newer::Samples(Vec::new())),
            1..=MOST_SAMPLES => {
                let samples = raw::samples(device, what, last_seen, count)?;
                Ok(Newer::Samples(of_this_time(samples, time_of_day)))
            }
            _ => Ok(Newer::Impossible(count)),
        });
        match read {
            Err(NvmlError::NotFound) => Ok(Newer::Samples(Vec::new())),
            read => read,
        }
    }
}

/// The samples in the order of their times, without those from before the time of day was set back.
pub(super) fn of_this_time(mut samples: Vec<(u64, u32)>, time_of_day: SystemTime) -> Vec<(u64, u32)> {
    let latest = time_of_day.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO) + TOLERANCE;
    samples.retain(|(time, _)| u128::from(*time) <= latest.as_micros());
    samples.sort_unstable();
    samples
}

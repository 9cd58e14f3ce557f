//! What is summed up over time, so that any scrape interval and any number of scrapers see all of it.

use std::time::Duration;

use crate::gpu::frame::{Reading, Throttle};
use crate::units::{Joules, Seconds};

/// The clock event bits by name (`nvmlClocksEventReasons` in nvml.h).
pub(in crate::gpu) const REASONS: [(u64, &str); 9] = [
    (0x1, "idle"),
    (0x2, "applications_clocks"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal"),
    (0x40, "hw_thermal"),
    (0x80, "hw_power_brake"),
    (0x100, "display_clocks"),
];

/// Sums since the exporter started; `None` until there is something to sum.
#[derive(Clone, Debug, Default)]
pub(in crate::gpu) struct Accumulated {
    pub(in crate::gpu) busy: Option<Seconds>,
    /// Integrated power, for GPUs that do not count energy themselves.
    energy: Option<Joules>,
    /// Time with each of [`REASONS`] active, sampled.
    throttled: Option<[f64; REASONS.len()]>,
    /// What the driver was seen to count itself. Its count and ours differ in origin, so a series that fails once
    /// must have a hole rather than change over.
    counts_energy: bool,
    counts_throttled: [bool; REASONS.len()],
}

impl Accumulated {
    /// Energy by the best source this GPU has.
    pub(in crate::gpu) fn energy(&self, reading: &Reading) -> Option<Joules> {
        reading.power.energy.or(self.energy.filter(|_| !self.counts_energy))
    }

    /// Throttle times by the best source this GPU has, in the order of [`REASONS`].
    pub(in crate::gpu) fn throttled(&self, reading: &Reading) -> [Option<Seconds>; REASONS.len()] {
        let mut times = counted(&reading.throttle);
        for (at, time) in times.iter_mut().enumerate() {
            let sampled = self.throttled.filter(|_| !self.counts_throttled[at]);
            *time = time.or(sampled.map(|sums| Seconds(sums[at])));
        }
        times
    }

    /// Adds a reading that ends a gap; `None` is the first, or a gap too long to fill.
    pub(super) fn add(&mut self, reading: &Reading, gap: Option<Duration>) {
        let gap = gap.map_or(0.0, |gap| gap.as_secs_f64());
        self.counts_energy |= reading.power.energy.is_some();
        for (counts, time) in self.counts_throttled.iter_mut().zip(counted(&reading.throttle)) {
            *counts |= time.is_some();
        }
        // The driver's own samples cover the gap without holes; the last rate is the next best.
        let busy = match (reading.load.busy, reading.load.utilization) {
            (Some(Seconds(sampled)), _) => Some(sampled),
            (None, Some(rate)) => Some(rate.0 * gap),
            (None, None) => None,
        };
        if let Some(busy) = busy {
            self.busy.get_or_insert_default().0 += busy;
        }
        if let Some(power) = reading.power.usage {
            self.energy.get_or_insert_default().0 += power.0 * gap;
        }
        if let Some(active) = reading.throttle.reasons {
            let sums = self.throttled.get_or_insert_default();
            for (sum, (bit, _)) in sums.iter_mut().zip(REASONS) {
                if active & bit != 0 {
                    *sum += gap;
                }
            }
        }
    }
}

/// The driver's own throttle times, in the order of [`REASONS`].
fn counted(throttle: &Throttle) -> [Option<Seconds>; REASONS.len()] {
    let Throttle { sw_power_cap, sync_boost, sw_thermal, hw_thermal, hw_power_brake, .. } = *throttle;
    [None, None, sw_power_cap, None, sync_boost, sw_thermal, hw_thermal, hw_power_brake, None]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Ratio, Watts};

    #[test]
    fn rates_fill_gaps_and_the_drivers_own_sums_win() {
        let mut sum = Accumulated::default();
        let mut reading = Reading::default();
        sum.add(&reading, Some(Duration::from_secs(2)));
        assert!(
            sum.busy.is_none() && sum.energy.is_none() && sum.throttled.is_none(),
            "nothing said, nothing summed"
        );

        reading.load.utilization = Some(Ratio(0.5));
        reading.power.usage = Some(Watts(300.0));
        reading.throttle.reasons = Some(0x44);
        sum.add(&reading, None);
        sum.add(&reading, Some(Duration::from_secs(2)));
        assert_eq!((sum.busy, sum.energy), (Some(Seconds(1.0)), Some(Joules(600.0))));
        assert_eq!(sum.throttled, Some([0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0]));

        reading.load.busy = Some(Seconds(1.75));
        sum.add(&reading, Some(Duration::from_secs(2)));
        assert_eq!(sum.busy, Some(Seconds(2.75)));
    }

    #[test]
    fn a_count_of_the_drivers_is_never_replaced_by_ours() {
        let mut sum = Accumulated::default();
        let mut reading = Reading::default();
        reading.power.usage = Some(Watts(300.0));
        reading.throttle.reasons = Some(0x24);
        reading.power.energy = Some(Joules(9e6));
        reading.throttle.sw_power_cap = Some(Seconds(77.0));
        sum.add(&reading, None);
        sum.add(&reading, Some(Duration::from_secs(2)));
        assert_eq!(sum.energy(&reading), Some(Joules(9e6)));
        assert_eq!(
            (sum.throttled(&reading)[2], sum.throttled(&reading)[5]),
            (Some(Seconds(77.0)), Some(Seconds(2.0)))
        );

        reading.power.energy = None;
        reading.throttle.sw_power_cap = None;
        sum.add(&reading, Some(Duration::from_secs(2)));
        assert_eq!((sum.energy(&reading), sum.throttled(&reading)[2]), (None, None));
    }
}

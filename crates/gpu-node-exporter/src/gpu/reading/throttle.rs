//! What holds the clocks down, and for how long it did.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, ClockEventTimes, Field, Value, field_id, raw};
use crate::gpu::recent::Recent;
use crate::gpu::subject::{Shown, Step, Subject, each_by};
use crate::units::Seconds;

readings! {
    /// What holds the clocks of one GPU down.
    struct Throttle {
        /// `nvmlClocksEventReasons` bits.
        reasons: u64,
        /// Times since the driver was loaded, where the driver counts them.
        sw_power_cap: Seconds,
        sync_boost: Seconds,
        sw_thermal: Seconds,
        hw_thermal: Seconds,
        hw_power_brake: Seconds,
        /// To stay within the board's limits, for a load that is too low, and for the reliability of the voltage.
        board_limit: Seconds,
        low_utilization: Seconds,
        reliability: Seconds,
    }
}

/// The clock event bits by name (`nvmlClocksEventReasons` in nvml.h).
const REASONS: [(u64, &str); 9] = [
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

/// Times by our own count, for reasons whose time the driver does not count. In the order of [`REASONS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// Seconds with each reason active, sampled since the exporter started; `None` until there is something to sum.
    sampled: Option<[f64; REASONS.len()]>,
    /// What the driver was seen to count. Its count and ours differ in origin, so a series that fails once must have a hole
    /// rather than change over.
    is_counted: [bool; REASONS.len()],
    /// Sweeps in which each reason was active.
    pub(crate) recent: [Recent; REASONS.len()],
}

/// The reading by `nvmlDeviceGetCurrentClocksEventReasons`.
const PRESENT_CALL: &str = "clock event reasons";

impl Subject for Throttle {
    /// The numbers of fields that differ by driver.
    type Kept = Cached<Option<ClockEventTimes>>;
    type Sums = Times;

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        // Nothing sets all bits.
        let possible = |bits| (bits < u64::from(u32::MAX)).then_some(bits);
        let mut reasons = ask.quantity(PRESENT_CALL, raw::clock_event_reasons, possible);
        if ask.lacks(PRESENT_CALL) {
            reasons = ask.quantity("clock throttle reasons", raw::clock_throttle_reasons, possible);
        }
        let times = kept.once(ask, |ask| ask.ask("driver version", ClockEventTimes::here).flatten());
        Self { reasons, ..read_times(ask, times) }
    }

    fn add_to(&self, times: &mut Times, step: Step) {
        for (is_counted, time) in times.is_counted.iter_mut().zip(self.counted()) {
            *is_counted |= time.is_some();
        }
        let Some(active) = self.reasons else { return };
        let sums = times.sampled.get_or_insert_default().iter_mut().zip(&mut times.recent);
        for ((sum, recent), (bit, _)) in sums.zip(REASONS) {
            if active & bit != 0 {
                *sum += step.gap.as_secs_f64();
                recent.add(step.now, 1);
            }
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::gauge("gpu_throttle_active", "Whether this holds the clocks down at the moment."),
                "reason",
                gpus,
                |gpu| {
                    REASONS.map(|(bit, name)| (name, gpu.reading.reasons.map(|reasons| reasons & bit != 0)))
                },
            ),
            each_by(
                Family::counter(
                    "gpu_throttle_seconds_total",
                    "Time in which this held the clocks down: the driver's count, else sampled since the exporter started.",
                ),
                "reason",
                gpus,
                |gpu| {
                    let Throttle { board_limit, low_utilization, reliability, .. } = *gpu.reading;
                    let times = gpu.reading.times_by(gpu.sums).into_iter();
                    let mut times = times.chain([board_limit, low_utilization, reliability]);
                    let names = REASONS.map(|(_, name)| name).into_iter();
                    let mut names = names.chain(["board_limit", "low_utilization", "reliability"]);
                    [(); REASONS.len() + 3]
                        .map(|()| (names.next().unwrap_or_default(), times.next().flatten()))
                },
            ),
        ]
    }
}

/// The driver's own times. Before R575 it counts heat as one policy, and no power brake (nvml.h, `nvmlDeviceGetViolationStatus`).
fn read_times(ask: &mut Ask<'_>, moved: Option<ClockEventTimes>) -> Throttle {
    let software_thermal =
        moved.map_or(field_id::NVML_FI_DEV_PERF_POLICY_THERMAL, |times| times.software_thermal);
    let mut wanted = vec![
        ("software power cap time", field_id::NVML_FI_DEV_PERF_POLICY_POWER),
        ("sync boost time", field_id::NVML_FI_DEV_PERF_POLICY_SYNC_BOOST),
        ("software thermal slowdown time", software_thermal),
        ("board limit time", field_id::NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT),
        ("low utilisation time", field_id::NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION),
        ("reliability time", field_id::NVML_FI_DEV_PERF_POLICY_RELIABILITY),
    ];
    if let Some(times) = moved {
        wanted.push(("hardware thermal slowdown time", times.hardware_thermal));
        wanted.push(("hardware power brake time", times.power_brake));
    }
    let fields: Vec<_> = wanted.into_iter().map(|(name, id)| Field::new(name, id)).collect();
    let mut values = vec![None; fields.len()];
    ask.read_values("throttle times", &fields, &mut values);
    let mut found = fields.iter().zip(values).map(|(field, value)| {
        let seconds = |value: Value| Seconds::from_nanoseconds(value.long()?);
        ask.meaning(field.name, value?, seconds)
    });
    let mut next = || found.next().flatten();
    Throttle {
        reasons: None,
        sw_power_cap: next(),
        sync_boost: next(),
        sw_thermal: next(),
        board_limit: next(),
        low_utilization: next(),
        reliability: next(),
        hw_thermal: next(),
        hw_power_brake: next(),
    }
}

impl Throttle {
    /// The driver's own times, in the order of [`REASONS`].
    fn counted(&self) -> [Option<Seconds>; REASONS.len()] {
        let Self { sw_power_cap, sync_boost, sw_thermal, hw_thermal, hw_power_brake, .. } = *self;
        [None, None, sw_power_cap, None, sync_boost, sw_thermal, hw_thermal, hw_power_brake, None]
    }

    /// Times by the best source this GPU has, in the order of [`REASONS`].
    fn times_by(&self, sums: &Times) -> [Option<Seconds>; REASONS.len()] {
        let mut times = self.counted();
        for (at, time) in times.iter_mut().enumerate() {
            let sampled = sums.sampled.filter(|_| !sums.is_counted[at]);
            *time = time.or(sampled.map(|sums| Seconds(sums[at])));
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_count_of_the_drivers_is_never_replaced_by_ours() {
        let mut sums = Times::default();
        let step = |seconds| Step { now: Instant::now(), gap: Duration::from_secs(seconds) };
        let mut throttle = Throttle::default();
        throttle.add_to(&mut sums, step(2));
        assert_eq!(throttle.times_by(&sums), [None; 9], "nothing said, nothing summed");

        throttle.reasons = Some(0x24);
        throttle.sw_power_cap = Some(Seconds(77.0));
        throttle.add_to(&mut sums, step(0));
        throttle.add_to(&mut sums, step(2));
        let times = throttle.times_by(&sums);
        assert_eq!((times[2], times[5]), (Some(Seconds(77.0)), Some(Seconds(2.0))));
        assert_eq!(times[0], Some(Seconds(0.0)));

        throttle.sw_power_cap = None;
        throttle.add_to(&mut sums, step(2));
        assert_eq!(throttle.times_by(&sums)[2], None, "a hole, not another origin");
    }
}

//! Power and energy.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Device};
use crate::gpu::subject::{Shown, Step, Subject, each};
use crate::units::{Joules, Watts};

readings! {
    /// The power of one GPU.
    struct Power {
        usage: Watts,
        limit: Watts,
        /// Since the driver was loaded.
        energy: Joules,
        performance_state: u32,
    }
}

/// Energy by our own sum, for GPUs that do not count it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Energy {
    /// Integrated power since the exporter started; `None` until there is something to sum.
    integrated: Option<Joules>,
    /// The driver was seen to count. Its count and ours differ in origin, so a series that fails once must have a hole rather
    /// than change over.
    is_counted: bool,
}

/// NVML's performance states are P0 to P15; 32 is "unknown".
const STATES: u32 = 16;

impl Subject for Power {
    type Kept = Cached<Option<Watts>>;
    type Sums = Energy;

    fn read(ask: &mut Ask<'_>, limit: &mut Self::Kept) -> Self {
        Self {
            usage: ask.quantity("power", Device::power_usage, Watts::from_milliwatts),
            limit: limit.seldom(ask, |ask| {
                ask.quantity("power limit", Device::enforced_power_limit, Watts::from_milliwatts)
            }),
            energy: ask.quantity("energy", Device::total_energy_consumption, Joules::from_millijoules),
            performance_state: ask
                .ask("performance state", Device::performance_state)
                .map(|state| state.as_c())
                .filter(|state| *state < STATES),
        }
    }

    fn add_to(&self, energy: &mut Energy, step: Step) {
        energy.is_counted |= self.energy.is_some();
        if let Some(power) = self.usage {
            energy.integrated.get_or_insert_default().0 += power.0 * step.gap.as_secs_f64();
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(Family::gauge("gpu_power_watts", "Power drawn by the board."), gpus, |gpu| {
                gpu.reading.usage
            }),
            each(Family::gauge("gpu_power_limit_watts", "Power limit in force."), gpus, |gpu| {
                gpu.reading.limit
            }),
            each(
                Family::counter(
                    "gpu_energy_joules_total",
                    "Energy used, since the driver was loaded; integrated from power since the exporter started where the driver does not count it.",
                ),
                gpus,
                |gpu| gpu.reading.energy_by(gpu.sums),
            ),
            each(
                Family::gauge(
                    "gpu_performance_state",
                    "Performance state: 0 is the fastest, 15 the slowest.",
                ),
                gpus,
                |gpu| gpu.reading.performance_state,
            ),
        ]
    }
}

impl Power {
    /// Energy by the best source this GPU has.
    fn energy_by(&self, sums: &Energy) -> Option<Joules> {
        self.energy.or(sums.integrated.filter(|_| !sums.is_counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn power_is_integrated_until_the_driver_is_seen_to_count() {
        let mut sums = Energy::default();
        let step = |seconds| Step { now: Instant::now(), gap: Duration::from_secs(seconds) };
        let mut power = Power::default();
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums), None, "nothing said, nothing summed");
        power.usage = Some(Watts(300.0));
        power.add_to(&mut sums, step(0));
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums), Some(Joules(600.0)));
        power.energy = Some(Joules(9e6));
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums), Some(Joules(9e6)));
        power.energy = None;
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums), None, "a hole, not another origin");
    }
}

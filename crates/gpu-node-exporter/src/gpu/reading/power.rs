//! Power and energy.

use std::time::SystemTime;

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::raw::Sampled;
use crate::gpu::nvml::{Ask, Cached, Device, Field, Part, field_id};
use crate::gpu::peak::{Peak, WINDOW_LABEL};
use crate::gpu::subject::{Said, Shown, Step, Subject, each, each_by};
use crate::units::{Joules, Watts};

use super::ring::{Newer, Ring};

readings! {
    /// The power of one GPU.
    struct Power {
        usage: Watts,
        /// At the moment and over the last second: of the GPU, of the module it shares with a CPU, of its memory, and of the GPU
        /// without what it draws beside its base power.
        gpu_instant: Watts,
        gpu_average: Watts,
        module_instant: Watts,
        module_average: Watts,
        memory_instant: Watts,
        memory_average: Watts,
        base_instant: Watts,
        base_average: Watts,
        /// The most in the driver's own samples since the sweep before.
        largest: Watts,
        limit: Watts,
        min_limit: Watts,
        max_limit: Watts,
        default_limit: Watts,
        requested_limit: Watts,
        /// Since the driver was loaded.
        energy: Joules,
        performance_state: u32,
    }
}

/// What the probe keeps of one GPU.
#[derive(Default)]
pub(crate) struct Kept {
    limits: Cached<Power>,
    samples: Ring,
}

/// What the exporter sums up of one GPU.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    energy: Energy,
    peak: Peak<Watts>,
}

/// Energy by our own sum, for GPUs that do not count it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Energy {
    /// Integrated power since the exporter started; `None` until there is something to sum.
    integrated: Option<Joules>,
    /// The driver was seen to count. Its count and ours differ in origin, so a series that fails once must have a hole rather
    /// than change over.
    is_counted: bool,
}

/// NVML's performance states are P0 to P15; 32 is "unknown".
const STATES: u32 = 16;

/// What a field of power is about (`NVML_POWER_SCOPE_…`); the last since R610.
const SCOPES: [(&str, u32); 4] = [("gpu", 0), ("module", 1), ("memory", 2), ("gpu_base", 3)];

/// The fields of power, by scope: at the moment, and over a second.
const FIELDS: [Field<'static>; 2 * SCOPES.len()] = {
    const fn field(name: &'static str, id: u32, scope: u32) -> Field<'static> {
        Field { name, id, of: Part::Scope(scope) }
    }
    use field_id::{NVML_FI_DEV_POWER_AVERAGE as AVERAGE, NVML_FI_DEV_POWER_INSTANT as INSTANT};
    [
        field("instant power", INSTANT, SCOPES[0].1),
        field("average power", AVERAGE, SCOPES[0].1),
        field("instant power of the module", INSTANT, SCOPES[1].1),
        field("average power of the module", AVERAGE, SCOPES[1].1),
        field("instant power of memory", INSTANT, SCOPES[2].1),
        field("average power of memory", AVERAGE, SCOPES[2].1),
        field("instant base power", INSTANT, SCOPES[3].1),
        field("average base power", AVERAGE, SCOPES[3].1),
    ]
};

impl Subject for Power {
    type Kept = Kept;
    type Sums = Sums;

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let limits = kept.limits.seldom(ask, read_limits);
        let mut found = ask.fields("power by scope", FIELDS).into_iter();
        let [
            gpu_instant,
            gpu_average,
            module_instant,
            module_average,
            memory_instant,
            memory_average,
            base_instant,
            base_average,
        ] = FIELDS.map(|field| {
            let watts = |milliwatts| Watts::from_milliwatts(u32::try_from(milliwatts).ok()?);
            ask.meaning(field.name, found.next().flatten()?, watts)
        });
        Self {
            usage: ask.quantity("power", Device::power_usage, Watts::from_milliwatts),
            gpu_instant,
            gpu_average,
            module_instant,
            module_average,
            memory_instant,
            memory_average,
            base_instant,
            base_average,
            largest: largest(ask, &mut kept.samples),
            energy: ask.quantity("energy", Device::total_energy_consumption, Joules::from_millijoules),
            performance_state: ask
                .ask("performance state", Device::performance_state)
                .map(|state| state.as_c())
                .filter(|state| *state < STATES),
            ..limits
        }
    }

    fn add_to(&self, Sums { energy, peak }: &mut Sums, step: Step) {
        peak.forget(step.now);
        if let Some(watts) = self.largest.or(self.gpu_instant).or(self.usage) {
            peak.add(step.now, watts);
        }
        energy.is_counted |= self.energy.is_some();
        if let Some(power) = self.usage {
            energy.integrated.get_or_insert_default().0 += power.0 * step.gap.as_secs_f64();
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::gauge(
                    "gpu_power_max_watts",
                    "Most power drawn in the window before the last sweep, of the driver's own samples, else of the sweeps.",
                ),
                WINDOW_LABEL.0,
                gpus,
                |gpu| [(WINDOW_LABEL.1, gpu.sums.peak.max())],
            ),
            each(Family::gauge("gpu_power_watts", "Power drawn by the board."), gpus, |gpu| {
                gpu.reading.usage
            }),
            each_by(
                Family::gauge(
                    "gpu_power_instant_watts",
                    "Power drawn at the moment, by scope: the GPU, the module that it shares with a CPU, its memory.",
                ),
                "scope",
                gpus,
                |gpu| {
                    let Power { gpu_instant, module_instant, memory_instant, base_instant, .. } =
                        *gpu.reading;
                    by_scope([gpu_instant, module_instant, memory_instant, base_instant])
                },
            ),
            each_by(
                Family::gauge("gpu_power_average_watts", "Power drawn over the last second, by scope."),
                "scope",
                gpus,
                |gpu| {
                    let Power { gpu_average, module_average, memory_average, base_average, .. } =
                        *gpu.reading;
                    by_scope([gpu_average, module_average, memory_average, base_average])
                },
            ),
            each(
                Family::counter(
                    "gpu_energy_joules_total",
                    "Energy used, since the driver was loaded; integrated from power since the exporter started where the driver does not count it.",
                ),
                gpus,
                |gpu| gpu.reading.energy_by(&gpu.sums.energy),
            ),
        ]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(Family::gauge("gpu_power_limit_watts", "Power limit in force."), gpus, |gpu| {
                gpu.reading.limit
            }),
            each(
                Family::gauge("gpu_power_requested_limit_watts", "Power limit that was set."),
                gpus,
                |gpu| gpu.reading.requested_limit,
            ),
            each(
                Family::gauge("gpu_power_default_limit_watts", "Power limit after the driver is loaded."),
                gpus,
                |gpu| gpu.reading.default_limit,
            ),
            each(
                Family::gauge("gpu_power_min_limit_watts", "Lowest power limit that can be set."),
                gpus,
                |gpu| gpu.reading.min_limit,
            ),
            each(
                Family::gauge("gpu_power_max_limit_watts", "Highest power limit that can be set."),
                gpus,
                |gpu| gpu.reading.max_limit,
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

    fn is_seldom_same((now, _): Said<'_, Self>, (before, _): Said<'_, Self>) -> bool {
        let seldom = |power: &Self| {
            let Self {
                limit, min_limit, max_limit, default_limit, requested_limit, performance_state, ..
            } = *power;
            ([limit, min_limit, max_limit, default_limit, requested_limit], performance_state)
        };
        seldom(now) == seldom(before)
    }
}

/// The most of the samples that are newer than those of the sweep before.
fn largest(ask: &mut Ask<'_>, ring: &mut Ring) -> Option<Watts> {
    const SAMPLES: &str = "power samples";
    let moment = ask.moment();
    let newer = ask.ask(SAMPLES, |device| ring.newer(device, Sampled::Power, moment, SystemTime::now()))?;
    let samples = match newer {
        Newer::Samples(samples) => samples,
        Newer::Impossible(count) => return ask.meaning(SAMPLES, count, |_| None),
    };
    let (newest, _) = samples.last()?;
    ring.newest = Some(*newest);
    let most = samples.into_iter().map(|(_, milliwatts)| milliwatts).max()?;
    ask.meaning(SAMPLES, most, Watts::from_milliwatts)
}

/// These values with the names of their scopes.
fn by_scope(values: [Option<Watts>; SCOPES.len()]) -> [(&'static str, Option<Watts>); SCOPES.len()] {
    let mut values = values.into_iter();
    SCOPES.map(|(name, _)| (name, values.next().flatten()))
}

fn read_limits(ask: &mut Ask<'_>) -> Power {
    let limit = ask.quantity("power limit", Device::enforced_power_limit, Watts::from_milliwatts);
    let constraints = ask.ask("power limit constraints", Device::power_management_limit_constraints);
    let mut bound = |name, milliwatts: Option<u32>| ask.meaning(name, milliwatts?, Watts::from_milliwatts);
    let min_limit = bound("minimum power limit", constraints.as_ref().map(|bounds| bounds.min_limit));
    let max_limit = bound("maximum power limit", constraints.as_ref().map(|bounds| bounds.max_limit));
    let default_limit =
        ask.quantity("default power limit", Device::power_management_limit_default, Watts::from_milliwatts);
    let requested_limit =
        ask.quantity("requested power limit", Device::power_management_limit, Watts::from_milliwatts);
    Power { limit, min_limit, max_limit, default_limit, requested_limit, ..Power::default() }
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
        let mut sums = Sums::default();
        let step = |seconds| Step { now: Instant::now(), gap: Duration::from_secs(seconds) };
        let mut power = Power::default();
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums.energy), None, "nothing said, nothing summed");
        power.usage = Some(Watts(300.0));
        power.add_to(&mut sums, step(0));
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums.energy), Some(Joules(600.0)));
        power.energy = Some(Joules(9e6));
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums.energy), Some(Joules(9e6)));
        power.energy = None;
        power.add_to(&mut sums, step(2));
        assert_eq!(power.energy_by(&sums.energy), None, "a hole, not another origin");
        assert_eq!(sums.peak.max(), Some(Watts(300.0)));
        power.largest = Some(Watts(450.0));
        power.add_to(&mut sums, step(2));
        assert_eq!(sums.peak.max(), Some(Watts(450.0)), "a peak between two sweeps");
    }
}

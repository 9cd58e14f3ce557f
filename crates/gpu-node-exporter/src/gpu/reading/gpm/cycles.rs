//! Cycles that the SMs and their parts worked, counted by the chip since it was started: with them a rate is right over any window.

use super::sampler::Metric;
use crate::family::Family;
use crate::gpu::nvml::Ask;
use crate::gpu::subject::Shown;

use super::Gpm;

/// What is counted, in the order of [`CYCLES`]; unknown where the driver or the card does not count it.
pub(super) type Cycles = Vec<Option<u64>>;

/// One counter: its metric, its family, and the pipe of the tensor cores where there are several.
struct Counter {
    name: &'static str,
    id: u32,
    family: &'static str,
    help: &'static str,
    pipe: Option<&'static str>,
}

/// The driver branch that has these metrics first (nvml.h 13.2).
const SINCE: u32 = 595;

const TENSOR_PIPES: &str = "gpu_tensor_pipe_active_cycles_total";
const TENSOR_PIPES_HELP: &str = "Cycles in which a tensor core worked, by its operation, of all SMs.";

/// The counters. Those of one family stand together.
const CYCLES: [Counter; 11] = [
    counter(
        "SM cycles",
        248,
        "gpu_sm_elapsed_cycles_total",
        "Cycles of all SMs, whether they had work or not: what the counts of active cycles are shares of.",
    ),
    counter(
        "active SM cycles",
        249,
        "gpu_sm_active_cycles_total",
        "Cycles in which an SM had work, of all SMs.",
    ),
    counter(
        "active tensor cycles",
        250,
        "gpu_tensor_active_cycles_total",
        "Cycles in which a tensor core worked, of all SMs.",
    ),
    pipe("active tensor cycles (DMMA)", 251, "dmma"),
    pipe("active tensor cycles (HMMA)", 252, "hmma"),
    pipe("active tensor cycles (IMMA)", 253, "imma"),
    pipe("active tensor cycles (DFMA)", 254, "dfma"),
    counter(
        "active integer cycles",
        257,
        "gpu_integer_active_cycles_total",
        "Cycles with integer math, of all SMs.",
    ),
    counter(
        "active FP64 cycles",
        258,
        "gpu_fp64_active_cycles_total",
        "Cycles with FP64 math beside tensor cores, of all SMs.",
    ),
    counter(
        "active FP32 cycles",
        259,
        "gpu_fp32_active_cycles_total",
        "Cycles with FP32 math beside tensor cores, of all SMs.",
    ),
    counter(
        "active FP16 cycles",
        260,
        "gpu_fp16_active_cycles_total",
        "Cycles with FP16 math beside tensor cores, of all SMs.",
    ),
];

const fn counter(name: &'static str, id: u32, family: &'static str, help: &'static str) -> Counter {
    Counter { name, id, family, help, pipe: None }
}

const fn pipe(name: &'static str, id: u32, pipe: &'static str) -> Counter {
    Counter { name, id, family: TENSOR_PIPES, help: TENSOR_PIPES_HELP, pipe: Some(pipe) }
}

/// How many metrics there are.
pub(super) const COUNT: usize = CYCLES.len();

/// The metrics, in the order of [`CYCLES`].
pub(super) fn metrics() -> impl Iterator<Item = (Metric, u32)> {
    CYCLES.iter().map(|counter| (Metric { name: counter.name, id: Some(counter.id) }, SINCE))
}

/// What was counted. Nothing at all where no metric is there.
pub(super) fn read<'a>(
    ask: &mut Ask<'_>,
    measured: impl Iterator<Item = (&'a Metric, Option<f64>)>,
) -> Option<Cycles> {
    let counts: Cycles = measured.map(|(metric, count)| ask.meaning(metric.name, count?, whole)).collect();
    counts.iter().any(Option::is_some).then_some(counts)
}

/// More cycles than all SMs of any card have in a century.
const MOST_CYCLES: f64 = 9e18;

/// A count, which GPM gives as a real number like everything.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within the range of counts"
)]
fn whole(count: f64) -> Option<u64> {
    (0.0..MOST_CYCLES).contains(&count).then_some(count as u64)
}

/// The families of these counters.
pub(super) fn families(gpus: &[Shown<'_, Gpm>]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for (at, counter) in CYCLES.iter().enumerate() {
        if families.last().is_none_or(|family| family.name != counter.family) {
            families.push(Family::counter(counter.family, counter.help));
        }
        let Some(family) = families.last_mut() else { continue };
        for gpu in gpus {
            let counts = gpu.reading.cycles.as_ref();
            if let Some(count) = counts.and_then(|counts| counts.get(at).copied().flatten()) {
                family.push(gpu.labels.and(counter.pipe.map(|pipe| ("pipe", pipe))), count);
            }
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_whole_and_possible() {
        assert_eq!(whole(1.5e12), Some(1_500_000_000_000));
        assert_eq!(whole(0.0), Some(0));
        for garbage in [-1.0, 1e19, f64::INFINITY, f64::NAN] {
            assert_eq!(whole(garbage), None, "{garbage}");
        }
    }
}

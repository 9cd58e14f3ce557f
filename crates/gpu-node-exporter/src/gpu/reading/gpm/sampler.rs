//! Pairs of readings of a GPU's performance counters, and what was measured between the two.

use std::time::{Duration, Instant};

use crate::gpu::nvml::raw::{self, GpmSample};
use crate::gpu::nvml::{Ask, Device, NvmlError};

/// Closer together the counters have not been refreshed (nvml.h, `nvmlGpmSampleGet`).
const SHORTEST: Duration = Duration::from_millis(100);

/// Further apart the figures say little of the present.
const LONGEST: Duration = Duration::from_mins(10);

/// The readings of one GPU or GPU instance.
#[derive(Default)]
pub(in crate::gpu::reading) struct Sampler {
    last: Option<Last>,
    /// Room for the next reading.
    spare: Option<GpmSample>,
    /// By the order of the metrics that are asked for, what was measured last.
    measured: Vec<Option<f64>>,
}

/// The reading that the next one is compared with.
struct Last {
    sample: GpmSample,
    at: Instant,
}

/// What to do at a moment, by the reading before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Read, and compare.
    Compare,
    /// Read, and begin anew.
    Begin,
    /// Show what was measured last.
    Wait,
}

/// Whatever the driver reports in between, a program's XID for one, the counters go on; of a GPU that was lost the last reading is gone.
fn turn(last: Option<Instant>, now: Instant) -> Turn {
    let Some(last) = last else { return Turn::Begin };
    let gap = now.saturating_duration_since(last);
    if gap > LONGEST {
        Turn::Begin
    } else if gap < SHORTEST {
        Turn::Wait
    } else {
        Turn::Compare
    }
}

/// A metric that is asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu::reading) struct Metric {
    /// The reading's name for people.
    pub(in crate::gpu::reading) name: &'static str,
    /// Its number in nvml.h (`NVML_GPM_METRIC_…`); `None` on a driver that is older than it, and might refuse the others for it.
    pub(in crate::gpu::reading) id: Option<u32>,
}

/// Whose counters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu::reading) enum Source {
    /// The GPU's as a whole. What it had before and refuses now is a fault.
    Gpu,
    /// Those of a GPU instance (MIG) by its number. It may be gone the next moment, and that is none.
    Instance(u32),
}

impl Source {
    /// Asks for a reading under its name.
    fn ask<'a, T>(
        self,
        ask: &mut Ask<'a>,
        reading: &str,
        call: impl FnOnce(&'a Device<'a>) -> Result<T, NvmlError>,
    ) -> Option<T> {
        match self {
            Self::Gpu => ask.ask(reading, call),
            Self::Instance(_) => ask.ask_each_time(reading, call),
        }
    }

    fn read(self, device: &Device<'_>, into: &mut GpmSample) -> Result<(), NvmlError> {
        match self {
            Self::Gpu => raw::gpm_read(device, into),
            Self::Instance(number) => raw::gpm_read_instance(device, number, into),
        }
    }

    /// The name of a reading of the counters.
    fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPM sample",
            Self::Instance(_) => "GPM sample of a MIG instance",
        }
    }
}

impl Sampler {
    /// Forgets what was read: what comes next is another's. The room for readings stays.
    pub(in crate::gpu::reading) fn forget(&mut self) {
        self.spare = self.last.take().map(|last| last.sample).or(self.spare.take());
        self.measured.clear();
    }

    /// Reads the counters if it is time to, and returns what these metrics say of the time since the reading before. Not a number is
    /// what the driver says of a metric that it did not measure this time.
    pub(in crate::gpu::reading) fn measure(
        &mut self,
        ask: &mut Ask<'_>,
        source: Source,
        metrics: &[Metric],
    ) -> Vec<Option<f64>> {
        let now = ask.moment().now;
        let turn = turn(self.last.as_ref().map(|last| last.at), now);
        if turn == Turn::Wait {
            return self.measured.clone();
        }
        self.measured = vec![None; metrics.len()];
        let spare = self.spare.take();
        let taken = source.ask(ask, source.name(), |device| {
            let mut sample = spare.map_or_else(|| raw::gpm_sample(device), Ok)?;
            source.read(device, &mut sample).map(|()| sample)
        });
        let Some(sample) = taken else {
            // What is measured next begins with the next reading.
            self.spare = self.last.take().map(|last| last.sample);
            return self.measured.clone();
        };
        if let (Turn::Compare, Some(last)) = (turn, &self.last) {
            compare(ask, source, metrics, (&last.sample, &sample), &mut self.measured);
        }
        let before = self.last.replace(Last { sample, at: now });
        self.spare = before.map(|before| before.sample);
        self.measured.clone()
    }
}

/// Asks for those metrics that the card is not known to lack, each into its place.
fn compare(
    ask: &mut Ask<'_>,
    source: Source,
    metrics: &[Metric],
    (before, after): (&GpmSample, &GpmSample),
    measured: &mut [Option<f64>],
) {
    let (asked, ids): (Vec<_>, Vec<_>) = (0..)
        .zip(metrics)
        .filter(|(_, metric)| !ask.lacks(metric.name))
        .filter_map(|(at, metric): (usize, _)| Some((at, metric.id?)))
        .unzip();
    let answers = source.ask(ask, "GPM metrics", |device| raw::gpm_metrics(device, before, after, &ids));
    for (at, answer) in asked.into_iter().zip(answers.into_iter().flatten()) {
        measured[at] = source.ask(ask, metrics[at].name, |_| answer).filter(|value| !value.is_nan());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_compared_that_are_neither_too_close_nor_too_far_apart() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        for (last, now, expected) in [
            (None, start, Turn::Begin),
            (Some(start), after(99), Turn::Wait),
            (Some(start), after(100), Turn::Compare),
            (Some(start), after(600_000), Turn::Compare),
            (Some(start), after(600_001), Turn::Begin),
        ] {
            assert_eq!(turn(last, now), expected, "{:?}", now - start);
        }
    }
}

//! The one shape of all GPU subjects: memory, power, PCIe and so on.
//!
//! A subject is a reading: plain data that one GPU gave in one sweep. Beside it stand how it is asked for, what is summed up of
//! it over time, and which families show it. Owns this shape and the filling of families. The subjects themselves are `reading`'s
//! children.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::delta::Diff;
use super::histogram::{Histogram, SAMPLES};
use super::nvml::Ask;
use crate::family::{Family, LabelSets, Labels, Number};

/// One subject, as one GPU reported it in one sweep.
pub(crate) trait Subject: Diff + Clone + Debug + Default + PartialEq + 'static {
    /// What the probe keeps of one GPU from one sweep to the next: answers that need not be asked for each time, or a place in
    /// a log of the driver's.
    type Kept: Default;

    /// What the exporter sums up of one GPU, so that any scrape interval and any number of scrapers see all of it.
    type Sums: Clone + Debug + Default + PartialEq + 'static;

    /// Asks one GPU. Runs in the probe and is the only I/O.
    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self;

    /// Adds this reading to the sums.
    fn add_to(&self, _sums: &mut Self::Sums, _step: Step) {}

    /// The families that show the GPUs that answer. Pure, and of the arguments alone: while they are the same, so are the families. A subject
    /// that a GPU does not have has no sample.
    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family>;

    /// Those families of it that tell what seldom changes, such as limits. They stay as they are while no GPU says anything else of that, however
    /// its other readings move.
    fn seldom_families(_gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        Vec::new()
    }

    /// Whether a GPU of which this was said has the same [`Subject::seldom_families`] now.
    fn is_seldom_same(_now: Said<'_, Self>, _before: Said<'_, Self>) -> bool {
        true
    }
}

/// What a GPU says of a subject, and what was summed up of it.
pub(crate) type Said<'a, S> = (&'a S, &'a <S as Subject>::Sums);

/// The time that a reading stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// When it arrived.
    pub(crate) now: Instant,
    /// The time since the reading before; zero for the first, and after a gap that is too long to fill.
    pub(crate) gap: Duration,
}

/// One GPU that answers, and one subject of it.
pub(crate) struct Shown<'a, S: Subject> {
    /// `gpu` and `uuid`.
    pub(crate) labels: &'a LabelSets<'a>,
    pub(crate) reading: &'a S,
    pub(crate) sums: &'a S::Sums,
}

/// Fills a family with one value of each GPU.
pub(crate) fn each<S: Subject, V: Into<Number>>(
    mut family: Family,
    gpus: &[Shown<'_, S>],
    value: impl Fn(&Shown<'_, S>) -> Option<V>,
) -> Family {
    family.samples.reserve_exact(gpus.len());
    for gpu in gpus {
        if let Some(value) = value(gpu) {
            family.push(gpu.labels.own(), value);
        }
    }
    family
}

/// Fills a family with several values of each GPU, each with its value of one label.
pub(crate) fn each_by<S: Subject, V: Into<Number>, const N: usize>(
    mut family: Family,
    label: &'static str,
    gpus: &[Shown<'_, S>],
    values: impl Fn(&Shown<'_, S>) -> [(&'static str, Option<V>); N],
) -> Family {
    family.samples.reserve_exact(gpus.len() * N);
    for gpu in gpus {
        for (name, value) in values(gpu) {
            if let Some(value) = value {
                family.push(gpu.labels.and([(label, name)]), value);
            }
        }
    }
    family
}

/// A family with the histogram of each GPU that has counted anything.
pub(crate) fn each_histogram<S: Subject>(
    name: &'static str,
    help: &'static str,
    gpus: &[Shown<'_, S>],
    histogram: impl Fn(&S::Sums) -> &Histogram,
) -> Family {
    let mut family = Family::histogram(name, help);
    family.samples.reserve_exact(gpus.len() * SAMPLES);
    for gpu in gpus {
        let histogram = histogram(gpu.sums);
        if !histogram.is_empty() {
            histogram.write_to(&mut family, gpu.labels);
        }
    }
    family
}

/// Labels with those added whose values are known.
pub(crate) fn known_labels<const N: usize>(
    labels: &Labels,
    more: [(&'static str, Option<&str>); N],
) -> Labels {
    labels.and(known(more))
}

/// The labels among these whose values are known.
pub(crate) fn known<'a, const N: usize>(
    labels: [(&'static str, Option<&'a str>); N],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    labels.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

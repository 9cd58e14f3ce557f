//! How a family goes out in `OpenMetrics`: under which name and type.
//!
//! Owns the format's suffix rules: a counter's family has no `_total`, its samples have, an info's no `_info`, and no two
//! families may claim the same name.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::family::{Kind, Number, Sample};

/// The type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
}

impl Shape {
    /// The shape of a family's own type, when its name and its samples are as that type demands.
    pub(super) fn own<'s>(
        name: &str,
        kind: Kind,
        mut samples: impl Iterator<Item = &'s Sample>,
    ) -> Option<Self> {
        let shape = Self { kind };
        let suffix = shape.suffix();
        // A counter below zero or NaN only comes from a text file, and no strict parser takes it as a counter.
        let countable =
            |sample: &Sample| !matches!(sample.value, Number::Real(real) if real.is_nan() || real < 0.0);
        let valid = kind != Kind::Counter || samples.all(countable);
        (valid && name.ends_with(suffix) && name.len() > suffix.len()).then_some(shape)
    }

    /// The shape without suffix rules.
    pub(super) const UNKNOWN: Self = Self { kind: Kind::Unknown };

    /// What the family's name ends with that its TYPE line leaves out.
    fn suffix(self) -> &'static str {
        match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Unknown | Kind::Histogram | Kind::Summary => "",
        }
    }

    /// The name in the TYPE line.
    pub(super) fn name(self, full: &str) -> &str {
        full.strip_suffix(self.suffix()).unwrap_or(full)
    }

    /// What follows that name in every name that this family claims for itself.
    fn claims(self) -> &'static [&'static str] {
        match self.kind {
            Kind::Counter => &["", "_total", "_created"],
            Kind::Info => &["", "_info"],
            Kind::Gauge | Kind::Unknown => &[""],
            Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
            Kind::Summary => &["", "_sum", "_count", "_created"],
        }
    }
}

/// The names that the families so far have claimed, by their hashes: keyed, so that nobody can choose two names of one
/// hash, and 64 bits are plenty for the names of a page.
#[derive(Default)]
pub(super) struct Taken {
    hasher: RandomState,
    names: HashSet<u64>,
}

impl Taken {
    /// The shape a family can have beside the ones before it. One that cannot go out under its own type goes out as
    /// `unknown`, which has no suffix rules; `None` when its very name is taken.
    pub(super) fn shape(&mut self, full: &str, own: Option<Shape>) -> Option<Shape> {
        [own, Some(Shape::UNKNOWN)].into_iter().flatten().find(|shape| self.claim(full, *shape))
    }

    /// Takes all names of a shape, or none when one of them is taken.
    fn claim(&mut self, full: &str, shape: Shape) -> bool {
        let mut name = self.hasher.build_hasher();
        name.write(shape.name(full).as_bytes());
        let hashes = shape.claims().iter().map(|suffix| {
            let mut hasher = name.clone();
            hasher.write(suffix.as_bytes());
            hasher.finish()
        });
        if hashes.clone().any(|hash| self.names.contains(&hash)) {
            return false;
        }
        self.names.extend(hashes);
        true
    }
}

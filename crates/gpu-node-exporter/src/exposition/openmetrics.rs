//! `OpenMetrics` 1.0.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! Owns the format's suffix rules: a counter's family has no `_total`, its samples have, and no two families may claim
//! the same name. Written here because prometheus-client, which writes the same page, was measured to take three times
//! as long for a sample; the tests compare with it.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use super::lines::{write_header, write_number, write_sample};
use super::page::{Merged, Page};
use crate::family::{Kind, Labels, Number, Sample};

pub(super) fn encode(page: &Page, expected: usize) -> String {
    let mut out = String::with_capacity(expected);
    let mut taken = Taken::default();
    for family in page.families() {
        let Some(Shape { name, kind }) = taken.shape(&family) else { continue };
        write_header(&mut out, name, family.help(), true, word(kind));
        for sample in family.samples() {
            let (labels, value) = (sample.labels.text(), sample.value);
            match kind {
                Kind::Counter => write_sample(&mut out, [name, "_total"], labels, value),
                Kind::Info => write_sample(&mut out, [name, "_info"], labels, Number::Whole(1)),
                Kind::Gauge | Kind::Unknown => write_sample(&mut out, [name, ""], labels, value),
                Kind::Histogram | Kind::Summary => {
                    let labels = with_canonical_bounds(&sample.labels);
                    write_sample(&mut out, [name, sample.suffix], labels.text(), value);
                }
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::Unknown => "unknown",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

/// The numbers in `le` and `quantile` must be in the format's canonical form: `1.0`, not `1`.
fn with_canonical_bounds(labels: &Labels) -> Labels {
    Labels::new(labels.iter().map(|(name, value)| match value.parse() {
        Ok(bound) if name == "le" || name == "quantile" => {
            let mut canonical = String::new();
            write_number(&mut canonical, Number::Real(bound));
            (name, canonical.into())
        }
        _ => (name, value),
    }))
}

/// How a family goes out: the name in its TYPE line, and the type.
#[derive(Clone, Copy)]
struct Shape<'page> {
    name: &'page str,
    kind: Kind,
}

impl Shape<'_> {
    /// What follows the name in every name that this family claims for itself.
    fn suffixes(self) -> &'static [&'static str] {
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
/// hash, and 64 bits are plenty for a few hundred names.
#[derive(Default)]
struct Taken {
    hasher: RandomState,
    names: HashSet<u64>,
}

impl Taken {
    /// The shape a family can have beside the ones before it. One that cannot go out under its own type goes out as
    /// `unknown`, which has no suffix rules; one whose very name is taken is left out.
    fn shape<'page>(&mut self, family: &Merged<'page>) -> Option<Shape<'page>> {
        let as_unknown = Shape { name: family.name(), kind: Kind::Unknown };
        [own_shape(family), Some(as_unknown)].into_iter().flatten().find(|shape| self.claim(*shape))
    }

    /// Takes all names of a shape, or none when one of them is taken.
    fn claim(&mut self, shape: Shape<'_>) -> bool {
        let mut name = self.hasher.build_hasher();
        name.write(shape.name.as_bytes());
        let hashes = shape.suffixes().iter().map(|suffix| {
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

fn own_shape<'page>(family: &Merged<'page>) -> Option<Shape<'page>> {
    let name = family.name();
    let kind = family.kind();
    let name = match kind {
        Kind::Counter => name.strip_suffix("_total")?,
        Kind::Info => name.strip_suffix("_info")?,
        Kind::Gauge | Kind::Unknown | Kind::Histogram | Kind::Summary => name,
    };
    // A counter below zero or NaN only comes from a text file, and no strict parser takes it as a counter.
    let countable =
        |sample: &Sample| !matches!(sample.value, Number::Real(real) if real.is_nan() || real < 0.0);
    let valid = kind != Kind::Counter || family.samples().all(countable);
    (valid && !name.is_empty()).then_some(Shape { name, kind })
}

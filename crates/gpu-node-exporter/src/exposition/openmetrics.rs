//! `OpenMetrics` 1.0.0, written by prometheus-client.
//!
//! Owns what that crate leaves to its caller: HELP is escaped here, counters lose their `_total` before it adds it,
//! and names that would clash under the format's suffix rules are written in a type that has no suffix. Histograms and
//! summaries arrive ready-made from text files, bucket by bucket, which the crate has no call for: their lines are
//! written here.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::classic::{escape, write_number};
use super::{Merged, Page};
use crate::family::{Kind, Label, Number, Sample};

pub(super) fn encode(page: &Arc<Page>, expected: usize) -> String {
    let mut out = String::with_capacity(expected);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Simple(Arc::clone(page))));
    text::encode_registry(&mut out, &registry).expect("writing to a String cannot fail");
    write_composed(&mut out, page);
    text::encode_eof(&mut out).expect("writing to a String cannot fail");
    out
}

/// The families whose every sample is one number.
#[derive(Debug)]
struct Simple(Arc<Page>);

impl Collector for Simple {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut help = String::new();
        for (family, shape) in shapes(&self.0) {
            let kind = match shape.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
                Kind::Unknown => MetricType::Unknown,
                Kind::Histogram | Kind::Summary => continue,
            };
            help.clear();
            escape(&mut help, family.help(), true);
            let mut metric = encoder.encode_descriptor(shape.name, &help, None, kind)?;
            for sample in family.samples() {
                let labels: &[Label] = sample.labels.iter().as_slice();
                if let Kind::Info = shape.kind {
                    metric.encode_info(&labels)?;
                    continue;
                }
                // Without labels the crate would write `name{} 1`: valid, but not what anyone expects to read.
                if labels.is_empty() {
                    encode_number(&mut metric, shape.kind, sample.value)?;
                } else {
                    encode_number(&mut metric.encode_family(&labels)?, shape.kind, sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_number(metric: &mut MetricEncoder<'_>, kind: Kind, value: Number) -> Result<(), fmt::Error> {
    match (kind, value) {
        (Kind::Counter, Number::Whole(whole)) => metric.encode_counter::<NoLabelSet, _, u64>(&whole, None),
        (Kind::Counter, Number::Real(real)) => metric.encode_counter::<NoLabelSet, _, f64>(&real, None),
        (_, Number::Whole(whole)) => metric.encode_gauge(&whole),
        (_, Number::Real(real)) => metric.encode_gauge(&real),
    }
}

/// Histograms and summaries. The numbers in `le` and `quantile` must be in the format's canonical form: `1.0`, not `1`.
fn write_composed(out: &mut String, page: &Page) {
    let is_composed = |family: Merged<'_>| matches!(family.kind(), Kind::Histogram | Kind::Summary);
    if !page.families().any(is_composed) {
        return;
    }
    for (family, shape) in shapes(page) {
        let kind = match shape.kind {
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Counter | Kind::Gauge | Kind::Info | Kind::Unknown => continue,
        };
        out.push_str("# HELP ");
        out.push_str(shape.name);
        out.push(' ');
        escape(out, family.help(), true);
        out.push_str("\n# TYPE ");
        out.push_str(shape.name);
        out.push(' ');
        out.push_str(kind);
        out.push('\n');
        for sample in family.samples() {
            write_composed_sample(out, shape.name, sample);
        }
    }
}

fn write_composed_sample(out: &mut String, name: &str, sample: &Sample) {
    out.push_str(name);
    out.push_str(sample.suffix);
    let mut separator = '{';
    for (label, value) in sample.labels.iter() {
        out.push(separator);
        separator = ',';
        out.push_str(label);
        out.push_str("=\"");
        match value.parse::<f64>() {
            Ok(bound) if label == "le" || label == "quantile" => write_number(out, Number::Real(bound)),
            _ => escape(out, value, true),
        }
        out.push('"');
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    write_number(out, sample.value);
    out.push('\n');
}

/// How a family goes out: the name in its TYPE line, and the type.
#[derive(Clone, Copy)]
struct Shape<'page> {
    name: &'page str,
    kind: Kind,
}

/// Every family with the shape it can have beside the ones before it. A family that cannot go out under its own type
/// goes out as `unknown`, which has no suffix rules; one whose very name is taken is left out.
fn shapes(page: &Page) -> impl Iterator<Item = (Merged<'_>, Shape<'_>)> {
    let mut taken = Taken::default();
    page.families().filter_map(move |family| {
        let as_unknown = Shape { name: family.name(), kind: Kind::Unknown };
        let shape = own_shape(&family).filter(|shape| !taken.has_any_of(*shape)).unwrap_or(as_unknown);
        if taken.has_any_of(shape) {
            return None;
        }
        taken.add(shape);
        Some((family, shape))
    })
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

/// The names that are taken, as keyed hashes: a page has hundreds, and none is ever read back.
#[derive(Default)]
struct Taken {
    hasher: RandomState,
    names: HashSet<u64>,
}

impl Taken {
    fn has_any_of(&self, shape: Shape<'_>) -> bool {
        self.hashes(shape).any(|hash| self.names.contains(&hash))
    }

    fn add(&mut self, shape: Shape<'_>) {
        for suffix in shape.suffixes() {
            let hash = self.hash(shape.name, suffix);
            self.names.insert(hash);
        }
    }

    fn hashes(&self, shape: Shape<'_>) -> impl Iterator<Item = u64> {
        shape.suffixes().iter().map(move |suffix| self.hash(shape.name, suffix))
    }

    /// As if name and suffix were one: bytes given to the hasher in two parts count as one text.
    fn hash(&self, name: &str, suffix: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name.as_bytes());
        hasher.write(suffix.as_bytes());
        hasher.finish()
    }
}

impl Shape<'_> {
    /// What follows the family's name in every name it claims for itself.
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

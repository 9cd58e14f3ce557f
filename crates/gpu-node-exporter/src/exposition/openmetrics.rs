//! `OpenMetrics` 1.0.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! Written here because prometheus-client, which writes the same page, was measured to take three times as long for a
//! sample; the tests compare with it. Names and types are `exposition/shape.rs`'s.

use std::borrow::Cow;

use super::lines::{Lines, write_header, write_number, write_unit};
use super::page::Merged;
use super::shape::Shape;
use crate::family::{Kind, Labels, Number};

/// What a page ends with.
pub(super) const END: &str = "# EOF\n";

pub(super) fn write(out: &mut Lines<'_>, family: &Merged<'_>) {
    let shape = family.shape();
    let (name, kind) = (shape.name(family.name()), shape.kind);
    write_header(out.text, name, family.help(), true, word(kind));
    if let Some(unit) = unit(name, shape) {
        write_unit(out.text, name, unit);
    }
    for sample in family.samples() {
        let (labels, value) = (sample.labels.text(), sample.value);
        match kind {
            Kind::Counter => out.sample([name, "_total"], labels, value),
            Kind::Info => out.sample([name, "_info"], labels, Number::Whole(1)),
            Kind::Gauge | Kind::Unknown => out.sample([name, ""], labels, value),
            Kind::Histogram | Kind::Summary => {
                let labels = with_canonical_bounds(&sample.labels);
                out.sample([name, sample.suffix], labels.text(), value);
            }
        }
    }
}

pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::Unknown => "unknown",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

/// The numbers in `le` and `quantile` must be in the format's canonical form: `1.0`, not `1`. Most are.
pub(super) fn with_canonical_bounds(labels: &Labels) -> Labels {
    let canonical = |name: &str, value: &str| -> Option<String> {
        let bound = value.parse().ok().filter(|_| name == "le" || name == "quantile")?;
        let mut canonical = String::new();
        write_number(&mut canonical, Number::Real(bound));
        (canonical != value).then_some(canonical)
    };
    if labels.escaped().all(|(name, value)| canonical(name, value).is_none()) {
        return labels.clone();
    }
    Labels::new(labels.iter().map(|(name, value)| {
        let bound = canonical(name, &value);
        (name, bound.map_or(value, Cow::Owned))
    }))
}

/// The units a name can end with: the base units of Prometheus
/// (<https://prometheus.io/docs/practices/naming/#base-units>), and the ones of our own families.
const UNITS: [&str; 10] =
    ["seconds", "bytes", "celsius", "ratio", "watts", "joules", "hertz", "volts", "amperes", "meters"];

/// The unit of a family whose name ends with one. An info has none.
pub(super) fn unit(name: &str, shape: Shape) -> Option<&'static str> {
    let (before, last) = name.rsplit_once('_')?;
    let unit = UNITS.into_iter().find(|unit| *unit == last)?;
    (shape.kind != Kind::Info && !before.is_empty()).then_some(unit)
}

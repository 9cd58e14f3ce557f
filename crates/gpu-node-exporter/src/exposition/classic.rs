//! Prometheus' text format 0.0.4.
//!
//! Names stand as they are; `info` is a gauge and `unknown` is `untyped`. See
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use super::lines::{Lines, write_header};
use super::page::Merged;
use crate::family::Kind;

pub(super) fn write(out: &mut Lines<'_>, family: &Merged<'_>) {
    let kind = match family.kind() {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Unknown => "untyped",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    write_header(out.text, family.name(), family.help(), false, kind);
    for sample in family.samples() {
        out.sample([family.name(), sample.suffix], sample.labels.text(), sample.value);
    }
}

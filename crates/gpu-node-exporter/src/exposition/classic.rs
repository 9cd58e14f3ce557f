//! Prometheus' text format 0.0.4.
//!
//! Names stand as they are; `info` is a gauge and `unknown` is `untyped`. See
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use super::lines::{write_header, write_sample};
use super::page::Merged;
use crate::family::Kind;

pub(super) fn write(out: &mut String, family: &Merged<'_>) {
    let kind = match family.kind() {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Unknown => "untyped",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    write_header(out, family.name(), family.help(), false, kind);
    for sample in family.samples() {
        write_sample(out, [family.name(), sample.suffix], sample.labels.text(), sample.value);
    }
}

//! Prometheus' text format 0.0.4.
//!
//! Owns the writing of it: prometheus-client only knows `OpenMetrics`. Names stand as they are; `info` is a gauge and
//! `unknown` is `untyped`. See <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use super::Page;
use crate::family::{Kind, Number, Sample};

pub(super) fn encode(page: &Page, expected: usize) -> String {
    let mut out = String::with_capacity(expected);
    for family in page.families() {
        out.push_str("# HELP ");
        out.push_str(family.name());
        out.push(' ');
        escape(&mut out, family.help(), false);
        out.push_str("\n# TYPE ");
        out.push_str(family.name());
        out.push_str(match family.kind() {
            Kind::Counter => " counter\n",
            Kind::Gauge | Kind::Info => " gauge\n",
            Kind::Unknown => " untyped\n",
            Kind::Histogram => " histogram\n",
            Kind::Summary => " summary\n",
        });
        for sample in family.samples() {
            write_sample(&mut out, family.name(), sample);
        }
    }
    out
}

fn write_sample(out: &mut String, name: &str, sample: &Sample) {
    out.push_str(name);
    out.push_str(sample.suffix);
    let mut separator = '{';
    for (label, value) in sample.labels.iter() {
        out.push(separator);
        separator = ',';
        out.push_str(label);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    write_number(out, sample.value);
    out.push('\n');
}

/// Go's parser reads `+Inf`, `-Inf` and `NaN`; finite numbers are written with the fewest digits that read back equal.
pub(super) fn write_number(out: &mut String, number: Number) {
    let written = match number {
        Number::Whole(whole) => write!(out, "{whole}"),
        Number::Real(real) if real.is_nan() => out.write_str("NaN"),
        Number::Real(real) if real.is_infinite() => out.write_str(if real > 0.0 { "+Inf" } else { "-Inf" }),
        // Debug switches to an exponent for very large and very small numbers, which Display writes out in full.
        Number::Real(real) => write!(out, "{real:?}"),
    };
    written.expect("writing to a String cannot fail");
}

/// `\` and line feed, and in label values the quote. Most texts hold none of them and are copied whole.
pub(super) fn escape(out: &mut String, text: &str, quotes: bool) {
    let special = |byte: u8| byte == b'\\' || byte == b'\n' || (quotes && byte == b'"');
    if !text.bytes().any(special) {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

//! A family whose series are those of the page before, with other values: its lines are copied up to their values.

use super::lines::{length_before_value, write_number};
use super::negotiation::Format;
use super::page::{Merged, Page};
use crate::family::{Kind, Sample};

/// Writes the family as it was written on the page `before`, where its text was `known`, with the values that it has now.
pub(super) fn write(out: &mut String, family: &Merged<'_>, before: &Page, known: &str, format: Format) {
    let head = known.split_inclusive('\n').take_while(|line| line.starts_with('#'));
    // Up to `copied` it is copied; the line of the next sample begins at `begin`.
    let (mut copied, mut begin) = (0, head.map(str::len).sum());
    family.values(before, |sample, then| {
        let least = begin + least_before_value(family, sample, format);
        // Line feeds in labels are escaped.
        let Some(length) = known[least..].bytes().position(|byte| byte == b'\n') else { return };
        let end = least + length;
        if !sample.value.is_written_as(then) {
            // A value is short and has no space in it, one is before it, and nothing follows it.
            let space = known.as_bytes()[..end].iter().rposition(|byte| *byte == b' ');
            out.push_str(&known[copied..space.map_or(begin, |space| space + 1)]);
            write_number(out, sample.value);
            copied = end;
        }
        begin = end + 1;
    });
    out.push_str(&known[copied..]);
}

/// At least so many bytes of a sample's line are before its value: all of them, but for the labels of buckets and quantiles, which `OpenMetrics`
/// may write otherwise than they are (`openmetrics::with_canonical_bounds`).
fn least_before_value(family: &Merged<'_>, sample: &Sample, format: Format) -> usize {
    let name = family.name();
    match (format, family.shape().kind) {
        (Format::Classic, _) => length_before_value([name, sample.suffix], sample.labels.text()),
        (Format::OpenMetrics, Kind::Histogram | Kind::Summary) => {
            length_before_value([name, sample.suffix], "")
        }
        // A counter's name ends with what its samples' names do.
        (Format::OpenMetrics, _) => length_before_value([name, ""], sample.labels.text()),
    }
}

//! A family whose series are those of the page before, with other values: its lines are copied up to their values.

use super::lines::write_number;
use super::page::{Merged, Page};
use super::text::{Known, Text};

/// Writes the family as it was written on the page `before`, with the values that it has now.
pub(super) fn write(text: &mut Text, family: &Merged<'_>, before: &Page, known: Known<'_>) {
    // Up to here `known` is copied.
    let mut copied = 0;
    let mut ends = known.lines.iter();
    let mut begin = ends.next().copied().unwrap_or(0);
    text.end_line_after(begin);
    family.values(before, |now, then| {
        let Some(end) = ends.next().copied() else { return };
        if !now.is_written_as(then) {
            // A value has no space in it, and nothing follows it.
            let value = known.text[begin..end].rfind(' ').map_or(begin, |space| begin + space + 1);
            text.out.push_str(&known.text[copied..value]);
            write_number(&mut text.out, now);
            // The line feed follows.
            copied = end - 1;
        }
        text.end_line_after(end - copied);
        begin = end;
    });
    text.out.push_str(&known.text[copied..]);
}

//! A family whose series are those of the page before, with other values: its lines are copied up to their values.

use super::lines::write_number;
use super::page::{Merged, Page};

/// Writes the family as it was written on the page `before`, where its text was `known`, with the values that it has now.
pub(super) fn write(out: &mut String, family: &Merged<'_>, before: &Page, known: &str) {
    let head = known.split_inclusive('\n').take_while(|line| line.starts_with('#'));
    // Up to `copied` it is copied; the line of the next sample begins at `begin`.
    let (mut copied, mut begin) = (0, head.map(str::len).sum());
    family.values(before, |now, then| {
        // Line feeds in labels are escaped.
        let Some(length) = known[begin..].find('\n') else { return };
        let end = begin + length;
        if !now.is_written_as(then) {
            // A value has no space in it, and nothing follows it.
            let value = known[begin..end].rfind(' ').map_or(begin, |space| begin + space + 1);
            out.push_str(&known[copied..value]);
            write_number(out, now);
            copied = end;
        }
        begin = end + 1;
    });
    out.push_str(&known[copied..]);
}

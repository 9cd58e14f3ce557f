//! A family whose series are those of the page before, with other values: its lines are copied up to their values.

use super::lines::Lines;
use super::page::{Merged, Page};
use super::text::Known;

/// Writes the family as it was written on the page `before`, where its lines were `known`, with the values that it has now.
pub(super) fn write(out: &mut Lines<'_>, family: &Merged<'_>, before: &Page, known: Known<'_>) {
    let (text, mut values) = (known.text(), known.values().iter());
    let mut copied = 0;
    family.values(before, |value, then| {
        let Some(&begin) = values.next() else { return };
        if value.is_written_as(then) {
            out.value_follows_in(begin - copied);
            return;
        }
        out.text.push_str(&text[copied..begin]);
        out.value(value);
        // Nothing follows a value in its line.
        let length = text[begin..].bytes().position(|byte| byte == b'\n');
        copied = length.map_or(text.len(), |length| begin + length);
    });
    out.text.push_str(&text[copied..]);
}

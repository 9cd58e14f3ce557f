//! Two texts of one message as a unified diff.

use std::time::Duration;

use similar::TextDiff;

/// Lines shown of one diff.
const LINES: usize = 60;

/// Unchanged lines around a change.
const CONTEXT: usize = 1;

/// After this the rest counts as replaced, line by line: a text of a hundred kilobytes that has nothing in common.
const LIMIT: Duration = Duration::from_millis(200);

/// The lines that differ, with `-` and `+`.
pub(super) fn unified(before: &str, after: &str) -> String {
    let diff = TextDiff::configure().timeout(LIMIT).diff_lines(before, after);
    let whole = diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).to_string();
    let count = whole.lines().count();
    let mut shown: Vec<String> = whole.lines().take(LINES).map(str::to_owned).collect();
    if count > LINES {
        shown.push(format!("… and {} more lines", count - LINES));
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        assert_eq!(unified("a\nb\nc\nd\n", "a\nb\nx\nd\n"), "@@ -2,3 +2,3 @@\n b\n-c\n+x\n d");
        let many = |word: &str| (0..500).map(|line| format!("{word} {line}\n")).collect::<Vec<_>>().concat();
        let said = unified(&many("old"), &many("new"));
        assert_eq!(said.lines().count(), LINES + 1);
        assert!(said.ends_with("… and 941 more lines"), "{said}");
    }
}

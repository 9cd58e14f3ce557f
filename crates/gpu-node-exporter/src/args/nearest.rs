//! The known name closest to a mistyped one.

/// The candidate with the fewest edits from `name`, when they are few enough to be a slip of the hand.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    let distances = candidates.into_iter().map(|candidate| (edits(name, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements from one word to the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let known = ["collector.cpu", "collector.cpu.info", "web.listen-address", "path.procfs"];
        assert_eq!(nearest(name, known), expected, "{name}");
    }

    #[test]
    fn finds_slips_and_nothing_far_fetched() {
        check("colector.cpu", Some("collector.cpu"));
        check("web.listen-adress", Some("web.listen-address"));
        check("path.proc", Some("path.procfs"));
        check("collector.cpu.inf", Some("collector.cpu.info"));
        check("frobnicate", None);
        check("", None);
    }
}

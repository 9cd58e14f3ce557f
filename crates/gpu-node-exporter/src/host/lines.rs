//! Files that say one thing in each line.
//!
//! Owns what becomes of a line that cannot be read: it costs itself and the collector's success, and is named; the others
//! are served. Leaves out what the lines mean.

use super::excerpt::excerpt;
use crate::collector::Fault;

/// So many lines of a file are named; the rest is counted.
const MOST_NAMED: usize = 8;

/// What the lines of a file say.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    /// One for each line that could be read.
    pub(crate) read: Vec<T>,
    /// What was wrong with the others.
    pub(crate) faults: Vec<Fault>,
}

/// Reads `text`, the content of the file that `file` names in a fault. A file that says nothing at all is a fault too.
pub(crate) fn lines<'t, T>(file: &str, text: &'t str, parse: impl FnMut(&'t str) -> Option<T>) -> Lines<T> {
    numbered_lines(file, text.lines().enumerate(), parse)
}

/// Reads some of a file's lines, which come with their places in it.
pub(crate) fn numbered_lines<'t, T>(
    file: &str,
    numbered: impl Iterator<Item = (usize, &'t str)>,
    mut parse: impl FnMut(&'t str) -> Option<T>,
) -> Lines<T> {
    let mut lines = Lines { read: Vec::new(), faults: Vec::new() };
    let mut more = 0_usize;
    for (place, line) in numbered {
        match parse(line) {
            Some(read) => lines.read.push(read),
            None if lines.faults.len() < MOST_NAMED => {
                let what = format!("{file}: cannot read line {}", place + 1);
                lines.faults.push(Fault::with_excerpt(what, excerpt(line)));
            }
            None => more += 1,
        }
    }
    if more > 0 {
        lines.faults.push(Fault::with_excerpt(format!("{file}: cannot read more lines"), more.to_string()));
    }
    if lines.read.is_empty() && lines.faults.is_empty() {
        lines.faults.push(Fault::new(format!("{file}: there is nothing in it")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, read: &[u32], faults: &[&str]) {
        let lines = lines("file", text, |line| line.parse::<u32>().ok());
        assert_eq!(lines.read, read, "{text:?}");
        let said: Vec<_> = lines.faults.iter().map(ToString::to_string).collect();
        assert_eq!(said, faults, "{text:?}");
    }

    #[test]
    fn an_odd_line_costs_itself_and_is_named() {
        check("1\n2\n", &[1, 2], &[]);
        check("1\n\n-2\n3", &[1, 3], &["file: cannot read line 2: ``", "file: cannot read line 3: `-2`"]);
        check("", &[], &["file: there is nothing in it"]);
        check("x\n", &[], &["file: cannot read line 1: `x`"]);
    }

    #[test]
    fn many_odd_lines_are_counted() {
        let lines = lines("file", &"x\n".repeat(1_000_000), |_| None::<()>);
        assert_eq!(lines.faults.len(), MOST_NAMED + 1);
        assert_eq!(lines.faults[MOST_NAMED].to_string(), "file: cannot read more lines: `999992`");
    }
}

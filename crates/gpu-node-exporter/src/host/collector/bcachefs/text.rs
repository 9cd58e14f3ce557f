//! The texts of Bcachefs' files, which are written for people.
//!
//! Owns reading them, line by line. Leaves out which series they become.

use crate::host::binary_prefix;
use crate::host::excerpt::excerpt;
use crate::host::lines::{Lines, numbered_lines};

/// Compressed and uncompressed bytes of each algorithm.
pub(super) fn compression(text: &str) -> Lines<(&str, [f64; 2])> {
    after_head("bcachefs: compression_stats", text, |line| {
        let mut words = line.split_ascii_whitespace();
        let algorithm = words.next()?.trim_end_matches(':');
        let mut size = || binary_prefix::size(words.next()?);
        Some((algorithm, [size()?, size()?]))
    })
}

/// Writes of each kind: how many, and the average of their bytes.
pub(super) fn writes(text: &str) -> Lines<(&str, (u64, f64))> {
    after_head("bcachefs: btree_write_stats", text, |line| {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next()?.trim_end_matches(':');
        Some((kind, (words.next()?.parse().ok()?, binary_prefix::size(words.next()?)?)))
    })
}

/// How often each kind of error was found; often there are none.
pub(super) fn errors(text: &str) -> Lines<(&str, u64)> {
    lines("bcachefs: errors", text.lines().enumerate(), |line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?, words.next()?.parse().ok()?))
    })
}

/// Bytes that a device has read and written, by what they were: the operation, the kind, the number.
pub(super) fn io_done(text: &str) -> Lines<(&'static str, &str, u64)> {
    let mut operation = None;
    let Lines { read, faults } = lines("bcachefs: a device's io_done", text.lines().enumerate(), |line| {
        match line.trim() {
            "read:" => operation = Some("read"),
            "write:" => operation = Some("write"),
            line => {
                let (kind, number) = line.split_once(':')?;
                return Some(Some((operation?, kind.trim(), number.trim().parse().ok()?)));
            }
        }
        Some(None)
    });
    Lines { read: read.into_iter().flatten().collect(), faults }
}

/// A device's errors of each kind since the file system was made. What follows is since they were last reset.
pub(super) fn io_errors(text: &str) -> Lines<(&str, u64)> {
    let since = |line: &&str| line.starts_with("IO errors since ");
    let numbered = text.lines().enumerate();
    let from_creation =
        numbered.skip_while(|(_, line)| !line.starts_with("IO errors since filesystem creation")).skip(1);
    lines("bcachefs: a device's io_errors", from_creation.take_while(|(_, line)| !since(line)), |line| {
        let (kind, number) = line.split_once(':')?;
        Some((kind.trim(), number.trim().parse().ok()?))
    })
}

/// A counter's number since the file system was made; `None` where it says only how much it is since the mount.
pub(super) fn since_creation(text: &str) -> Result<Option<f64>, String> {
    let after = |words: &str| text.lines().find_map(|line| line.strip_prefix(words));
    match (after("since filesystem creation:"), after("since mount:")) {
        (Some(number), _) => binary_prefix::size(number)
            .map(Some)
            .ok_or_else(|| format!("expected a size, found `{}`", excerpt(number.trim()))),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(format!("expected a counter, found `{}`", excerpt(text.trim()))),
    }
}

/// The lines after the one that names the columns.
fn after_head<'text, T>(
    file: &str,
    text: &'text str,
    parse: impl FnMut(&'text str) -> Option<T>,
) -> Lines<T> {
    lines(file, text.lines().enumerate().skip(1), parse)
}

/// The lines that are not empty, which may be none.
fn lines<'text, T>(
    file: &str,
    numbered: impl Iterator<Item = (usize, &'text str)>,
    parse: impl FnMut(&'text str) -> Option<T>,
) -> Lines<T> {
    let mut numbered = numbered.filter(|(_, line)| !line.trim().is_empty()).peekable();
    if numbered.peek().is_none() {
        return Lines { read: Vec::new(), faults: Vec::new() };
    }
    numbered_lines(file, numbered, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn an_odd_line_costs_itself() {
        let Lines { read, faults } = writes("nr size\ninitial: 3 100k\ninterior: 5\nother: 7 1.5k\n");
        assert_eq!(read, [("initial", (3, 102_400.0)), ("other", (7, 1536.0))]);
        assert_eq!(faults.len(), 1);
        let Lines { read, faults } = io_done("read:\nuser :  7\nwrite:\nuser:8\nsb: x\n");
        assert_eq!(read, [("read", "user", 7), ("write", "user", 8)]);
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn only_errors_since_creation_count() {
        let text = "IO errors since filesystem creation\n  read:    1\n  checksum:2\nIO errors since 8 y ago\n  read: 9\n";
        let Lines { read, faults } = io_errors(text);
        assert_eq!((read, faults.len()), (vec![("read", 1), ("checksum", 2)], 0));
    }

    #[test]
    fn a_counter_of_this_mount_alone_is_not_shown() {
        assert_eq!(since_creation("since mount: 7k\nsince filesystem creation: 1k\n"), Ok(Some(1024.0)));
        assert_eq!(since_creation("since mount: 7k\n"), Ok(None));
        for odd in ["", "7\n", "since filesystem creation: -1\n"] {
            assert!(since_creation(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| compression(text).faults,
            &["head\nlz4\n", "head\nlz4 1k\n", "head\nlz4 1k x\n"],
        );
        check_garbage(|text| errors(text).faults, &["bad\n", "bad -1\n", "bad 18446744073709551616\n"]);
        check_garbage(|text| io_done(text).faults, &["user: 1\n", "read:\nuser\n", "read:\nuser: 1.5\n"]);
        let head = "IO errors since filesystem creation\n";
        check_garbage(
            |text| io_errors(text).faults,
            &[&format!("{head}read\n"), &format!("{head}read: x\n")],
        );
    }
}

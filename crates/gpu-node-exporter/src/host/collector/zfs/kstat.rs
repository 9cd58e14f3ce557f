//! The text of a file of named statistics: a line about the file, a line `name type data`, and a line for each.

use crate::collector::Fault;
use crate::family::Number;
use crate::host::lines::{Lines, numbered_lines};

/// `KSTAT_DATA_INT64` and `KSTAT_DATA_UINT64`; the other types are texts.
const INT64: &str = "3";
const UINT64: &str = "4";

/// One statistic.
#[derive(Debug, PartialEq)]
pub(super) enum Statistic<'text> {
    /// Its name, and what it is.
    Number(&'text str, Number),
    /// A text, which is not shown.
    Text,
}

impl<'text> Statistic<'text> {
    /// Name and number of one that is shown.
    pub(super) fn number(self) -> Option<(&'text str, Number)> {
        match self {
            Self::Number(name, number) => Some((name, number)),
            Self::Text => None,
        }
    }
}

/// The statistics of a file.
pub(super) fn parse<'text>(file: &str, text: &'text str) -> Lines<Statistic<'text>> {
    match after_head(text) {
        Some(lines) => numbered_lines(file, lines, parse_line),
        None => without_head(file),
    }
}

/// The lines after the one that names the columns.
pub(super) fn after_head(text: &str) -> Option<impl Iterator<Item = (usize, &str)>> {
    let mut lines = text.lines().enumerate();
    lines.find(|(_, line)| line.split_ascii_whitespace().eq(["name", "type", "data"]))?;
    Some(lines)
}

/// What is said of a file without that line.
pub(super) fn without_head<T>(file: &str) -> Lines<T> {
    let fault = Fault::new(format!("{file}: expected a line `name type data`"));
    Lines { read: Vec::new(), faults: vec![fault] }
}

/// One line.
pub(super) fn parse_line(line: &str) -> Option<Statistic<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (name, kind, data) = (words.next()?, words.next()?, words.next()?);
    let number = match kind {
        UINT64 => Number::from(data.parse::<u64>().ok()?),
        INT64 => {
            let number: i64 = data.parse().ok()?;
            u64::try_from(number).map_or(Number::Real(number as f64), Number::Whole)
        }
        kind if kind.bytes().all(|byte| byte.is_ascii_digit()) => return Some(Statistic::Text),
        _ => return None,
    };
    Some(Statistic::Number(name, number))
}

/// The name as a part of a series' name.
pub(super) fn in_a_name(key: &str) -> String {
    key.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn only_numbers_are_shown() {
        let check = |line: &str, expected: Option<Statistic<'_>>| {
            assert_eq!(parse_line(line), expected, "{line}");
        };
        check("hits 4 7", Some(Statistic::Number("hits", Number::Whole(7))));
        check("free 3 -7", Some(Statistic::Number("free", Number::Real(-7.0))));
        check("free 3 7", Some(Statistic::Number("free", Number::Whole(7))));
        check("name 7 tank", Some(Statistic::Text));
        for odd in ["", "hits", "hits 4", "hits 4 -7", "hits 4 x", "free 3 9223372036854775808", "hits x 7"] {
            check(odd, None);
        }
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse("file", text).faults,
            &["", "Segmentation fault\n", "name type\n", "name type data\n", "name type data\nhits 4\n"],
        );
    }
}

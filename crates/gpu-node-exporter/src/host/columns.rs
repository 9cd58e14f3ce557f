//! Files in which each line is a word and the numbers after it, such as `rpc 18628 3 1 2 0`.
//!
//! Owns a collector's table of such numbers, and what an odd line costs: its own numbers. Lines that the table does not
//! name are passed over; a newer kernel may have more of them. Leaves out what the numbers mean.

use super::lines::numbered_lines;
use crate::collector::Fault;
use crate::family::{Family, Kind, Labels};

/// A row of a table: a number of the file, and the family it becomes. Rows of one family stand together.
pub(crate) struct Column {
    /// The word that begins the line.
    line: &'static str,
    /// How many numbers stand before it.
    place: usize,
    label: Option<(&'static str, &'static str)>,
    family: &'static str,
    help: &'static str,
    kind: Kind,
}

impl Column {
    /// A number that only grows.
    pub(crate) const fn counter(
        line: &'static str,
        place: usize,
        family: &'static str,
        help: &'static str,
    ) -> Self {
        Self { line, place, label: None, family, help, kind: Kind::Counter }
    }

    /// A number that goes up and down.
    pub(crate) const fn gauge(
        line: &'static str,
        place: usize,
        family: &'static str,
        help: &'static str,
    ) -> Self {
        Self { line, place, label: None, family, help, kind: Kind::Gauge }
    }

    /// The same, with the label that tells the family's rows apart.
    pub(crate) const fn labelled(self, name: &'static str, value: &'static str) -> Self {
        Self { label: Some((name, value)), ..self }
    }
}

/// What a file says, in the order of a table; `None` where it says nothing, or nothing that can be read.
#[derive(Debug)]
pub(crate) struct Numbers(Vec<Option<u64>>);

/// The numbers of a table in `text`, the content of the file that `file` names in a fault. A file without any line of
/// the table is a fault too.
pub(crate) fn numbers(table: &[Column], file: &str, text: &str) -> (Numbers, Vec<Fault>) {
    let is_named = |line: &str| table.iter().any(|column| column.line == word(line));
    let named = text.lines().enumerate().filter(|(_, line)| is_named(line));
    let mut numbers = vec![None; table.len()];
    let lines = numbered_lines(file, named, |line| numbers_of(table, line));
    for (row, number) in lines.read.into_iter().flatten() {
        numbers[row] = Some(number);
    }
    (Numbers(numbers), lines.faults)
}

/// The word that begins a line.
fn word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

/// The numbers of one line, by their rows.
fn numbers_of(table: &[Column], line: &str) -> Option<Vec<(usize, u64)>> {
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let rows = table.iter().enumerate().filter(|(_, column)| column.line == word);
    rows.map(|(row, column)| Some((row, words.get(column.place)?.parse().ok()?))).collect()
}

/// The families of a table, of one file or of one for each device, which has its own labels.
pub(crate) fn families(table: &[Column], read: &[(Labels, Numbers)]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for (row, column) in table.iter().enumerate() {
        if families.last().is_none_or(|family| family.name != column.family) {
            families.push(match column.kind {
                Kind::Counter => Family::counter(column.family, column.help),
                _ => Family::gauge(column.family, column.help),
            });
        }
        let Some(family) = families.last_mut() else { continue };
        for (labels, Numbers(numbers)) in read {
            if let Some(number) = numbers[row] {
                let labels = column.label.map_or(labels.clone(), |label| labels.and([label]));
                family.push(labels, number);
            }
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    static TABLE: [Column; 4] = [
        Column::counter("net", 1, "packets_total", "P.").labelled("protocol", "udp"),
        Column::counter("net", 2, "packets_total", "P.").labelled("protocol", "tcp"),
        Column::gauge("th", 0, "threads", "T."),
        Column::counter("rpc", 0, "rpcs_total", "R."),
    ];

    fn check(text: &str, lines: &[&str], said: &[&str]) {
        let (numbers, faults) = numbers(&TABLE, "file", text);
        assert_eq!(values(&families(&TABLE, &[(Labels::NONE, numbers)])), lines, "{text:?}");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, said, "{text:?}");
    }

    #[test]
    fn an_odd_line_costs_its_own_numbers() {
        let packets = [r#"packets_total{protocol="udp"} 2"#, r#"packets_total{protocol="tcp"} 3"#];
        check("net 1 2 3 4\nth 8 0 0.000\nnew x\n", &[packets[0], packets[1], "threads 8"], &[]);
        check(
            "net 1 2 3\nrpc -1\nth\n",
            &packets,
            &["file: cannot read line 2: `rpc -1`", "file: cannot read line 3: `th`"],
        );
        check(
            "net 1 2\nrpc\t18446744073709551615\n",
            &["rpcs_total 18446744073709551615"],
            &["file: cannot read line 1: `net 1 2`"],
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| numbers(&TABLE, "file", text).1,
            &["", "\n", "Segmentation fault\n", "new 1 2\n", "rpc 1.5\n", "rpc 18446744073709551616\n"],
        );
    }
}

//! Many rows in one statement (pure).

use std::fmt::Write as _;

use crate::outbox::session::Session;

/// Rows in one statement: so many sizes that two statements are enough for most numbers, and so few that all of them stay prepared.
/// 64 rows of a dozen values are far below `SQLite`'s limit of 32,766 parameters.
const SIZES: [usize; 14] = [64, 48, 32, 28, 24, 20, 16, 12, 8, 6, 4, 3, 2, 1];

/// Cuts the rows, in their order, into as many as one statement takes.
pub(super) fn in_statements<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (rows, left) = rest.split_at(size);
        rest = left;
        Some(rows)
    })
}

/// What stands after VALUES, and is followed by no other parameter. To `SQLite` they are without numbers: it looks each number up among all
/// names before it, which for the thousand values of sixty rows takes longer than writing them.
pub(in crate::outbox) fn values(session: &Session<'_>, rows: usize, columns: usize) -> String {
    match session {
        Session::Sqlite(_) => in_order(rows, columns),
        Session::Postgres(_) => parameters(rows, columns),
    }
}

/// `(?, ?), (?, ?)`
fn in_order(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row.as_str(); rows].join(", ")
}

/// `($1, $2), ($3, $4)`. Numbers of parameters only: no value is ever part of the text.
pub(in crate::outbox) fn parameters(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for parameter in 1..=rows * columns {
        let before = match parameter % columns {
            _ if parameter == 1 => "(",
            1 => "), (",
            0 if columns == 1 => "), (",
            _ => ", ",
        };
        write!(text, "{before}${parameter}").expect("a String takes every write");
    }
    text + ")"
}

/// `($3, $4)`: a list of this many parameters, from this one on.
pub(super) fn parameters_from(first: usize, count: usize) -> String {
    let numbers: Vec<String> = (first..first + count).map(|parameter| format!("${parameter}")).collect();
    format!("({})", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_goes_into_one_statement() {
        for (rows, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (7, vec![6, 1]),
            (31, vec![28, 3]),
            (64, vec![64]),
            (150, vec![64, 64, 20, 2]),
        ] {
            let list: Vec<usize> = (0..rows).collect();
            let cut: Vec<&[usize]> = in_statements(&list).collect();
            assert_eq!(cut.iter().map(|rows| rows.len()).collect::<Vec<_>>(), expected);
            assert_eq!(cut.concat(), list);
        }
    }

    #[test]
    fn every_value_has_its_own_parameter() {
        for (rows, columns, expected) in
            [(1, 1, "($1)"), (1, 2, "($1, $2)"), (2, 2, "($1, $2), ($3, $4)"), (3, 1, "($1), ($2), ($3)")]
        {
            assert_eq!(parameters(rows, columns), expected);
            let without_numbers: String =
                expected.chars().filter(|symbol| !symbol.is_ascii_digit()).collect();
            assert_eq!(in_order(rows, columns), without_numbers.replace('$', "?"));
        }
        assert_eq!(parameters_from(3, 2), "($3, $4)");
    }
}

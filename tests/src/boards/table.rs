//! A table: one row a thing, and what its columns show of it.

use super::colour::{Colour, Meaning};
use super::link::Link;
use super::query::expanded;
use super::unit::Unit;
use super::words::{Words, words};

/// What a cell holds where the row's thing does not report the column.
pub(crate) const ABSENT: i32 = -1;

/// How the answers of a table's queries become its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One row a value of this label, which each query keeps.
    By(&'static str),
    /// One row a set of labels: all queries keep the same ones.
    Labels,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) title: Words,
    pub(crate) source: Source,
    pub(crate) look: Look,
    pub(crate) link: Option<Link>,
}

/// Where a column's cells come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A label of the first query that has it.
    Label(&'static str),
    /// A query of the column's own; `None` joins labels only and shows no value.
    Query(String),
}

/// How a cell is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// Not at all: its query brings labels.
    Hidden,
    /// Plainly.
    Text(Unit),
    /// A bar from 0 to 1, red from 1 on when it is a share of a limit.
    Bar { is_limited: bool },
    /// By its value's meaning.
    Meanings(Vec<Meaning>),
    /// Red from this value on.
    BadFrom(Unit, i32),
}

/// Columns of a table in their order.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) rows: Rows,
    pub(crate) columns: Vec<Column>,
    /// The columns to sort by, the most important first, and whether the largest comes first.
    pub(crate) order: Vec<(Words, bool)>,
    /// What every row has: the cells of columns that a thing does not report are filled from it.
    every: Option<String>,
}

impl Table {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { rows, columns: Vec::new(), order: Vec::new(), every: None }
    }

    /// An expression that has every row, by the rows' label; later queries are made whole by it.
    pub(crate) fn every(self, expression: &str) -> Self {
        Self { every: Some(expanded(expression)), ..self }
    }

    /// A column that shows a label.
    pub(crate) fn label(self, label: &'static str, title: Words) -> Self {
        self.with(title, Source::Label(label), Look::Text(Unit::Count))
    }

    /// Brings labels to the rows.
    pub(crate) fn join(self, expression: &str) -> Self {
        self.with(words("", ""), Source::Query(expanded(expression)), Look::Hidden)
    }

    /// A column of numbers.
    pub(crate) fn value(self, title: Words, unit: Unit, expression: &str) -> Self {
        let source = self.whole(expression);
        self.with(title, source, Look::Text(unit))
    }

    /// A column of bars from 0 to 1.
    pub(crate) fn bar(self, title: Words, expression: &str) -> Self {
        let source = self.whole(expression);
        self.with(title, source, Look::Bar { is_limited: false })
    }

    /// A column of bars that are red from 1 on: shares of a limit.
    pub(crate) fn share_of_limit(self, title: Words, expression: &str) -> Self {
        let source = self.whole(expression);
        self.with(title, source, Look::Bar { is_limited: true })
    }

    /// A column of values with names.
    pub(crate) fn meanings(self, title: Words, expression: &str, meanings: &[Meaning]) -> Self {
        self.with(title, Source::Query(expanded(expression)), Look::Meanings(meanings.to_vec()))
    }

    /// A column of numbers that are red from `bad` on.
    pub(crate) fn bad_from(self, title: Words, unit: Unit, bad: i32, expression: &str) -> Self {
        let source = self.whole(expression);
        self.with(title, source, Look::BadFrom(unit, bad))
    }

    /// The last column leads there.
    pub(crate) fn link(mut self, link: Link) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.link = Some(link);
        }
        self
    }

    /// Sorted by this column, the largest first; what was sorted by before counts more.
    pub(crate) fn largest_first(mut self, title: Words) -> Self {
        self.order.push((title, true));
        self
    }

    /// Sorted by this column, the smallest first.
    pub(crate) fn smallest_first(mut self, title: Words) -> Self {
        self.order.push((title, false));
        self
    }

    /// The queries in their order, each with the number of its column.
    pub(crate) fn queries(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter_map(|(number, column)| match &column.source {
            Source::Query(expression) => Some((number, expression.as_str())),
            Source::Label(_) => None,
        })
    }

    /// Nothing reported is not 0, and would take the whole column away where no row has it.
    fn whole(&self, expression: &str) -> Source {
        let expression = expanded(expression);
        Source::Query(match (&self.every, self.rows) {
            (Some(every), Rows::By(label)) => {
                // Less one: see `ABSENT`.
                format!("{expression} or max by ({label}) ({every}) * 0 - 1")
            }
            _ => expression,
        })
    }

    fn with(mut self, title: Words, source: Source, look: Look) -> Self {
        self.columns.push(Column { title, source, look, link: None });
        self
    }
}

/// The name of [`ABSENT`].
pub(crate) const ABSENT_MEANING: Meaning =
    Meaning { value: ABSENT, words: words("n/a", "n/a"), colour: Colour::Quiet };

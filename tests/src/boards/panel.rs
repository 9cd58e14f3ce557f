//! What one panel shows: its kind, words, unit, queries and limits.

use super::colour::{Colour, Meaning};
use super::limit::Limit;
use super::link::Link;
use super::query::{Query, ask};
use super::table::Table;
use super::unit::Unit;
use super::words::{Note, Words};

/// Columns of a board.
pub(crate) const WHOLE: u32 = 24;

/// A panel without its place.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) kind: Kind,
    pub(crate) title: Words,
    pub(crate) note: Note,
    pub(crate) unit: Unit,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) queries: Vec<Query>,
    /// Where alerts fire.
    pub(crate) limits: Vec<Limit>,
    /// The value from which on it is bad, where no alert has a number for it: one of a thing that should not be.
    pub(crate) bad_from: Option<i32>,
    pub(crate) meanings: Vec<Meaning>,
    pub(crate) least: Option<i32>,
    pub(crate) most: Option<i32>,
    pub(crate) links: Vec<Link>,
    /// What is shown when there is no answer; `None` leaves it to Grafana ("No data").
    pub(crate) nothing: Option<Words>,
}

/// How it is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Large numbers.
    Stat,
    /// Lines over time.
    Series {
        /// Values of one machine on top of each other.
        is_stacked: bool,
    },
    /// Coloured spans over time.
    States,
    /// Bars, one a series.
    Bars,
    Table(Table),
}

impl Panel {
    fn new(kind: Kind, title: Words, unit: Unit, size: (u32, u32), note: Note) -> Self {
        let (width, height) = size;
        Self {
            kind,
            title,
            note,
            unit,
            width,
            height,
            queries: Vec::new(),
            limits: Vec::new(),
            bad_from: None,
            meanings: Vec::new(),
            least: None,
            most: None,
            links: Vec::new(),
            nothing: None,
        }
    }

    /// Large numbers of now.
    pub(crate) fn stat(title: Words, unit: Unit, note: Note) -> Self {
        Self::new(Kind::Stat, title, unit, (4, 4), note)
    }

    /// Lines, from 0 up.
    pub(crate) fn series(title: Words, unit: Unit, note: Note) -> Self {
        let kind = Kind::Series { is_stacked: false };
        Self { least: Some(0), ..Self::new(kind, title, unit, (8, 8), note) }
    }

    /// Spans in the colours of `meanings`.
    pub(crate) fn states(title: Words, meanings: &[Meaning], note: Note) -> Self {
        let panel = Self::new(Kind::States, title, Unit::Count, (12, 8), note);
        Self { meanings: meanings.to_vec(), ..panel }
    }

    /// Bars of now.
    pub(crate) fn bars(title: Words, unit: Unit, note: Note) -> Self {
        Self { least: Some(0), ..Self::new(Kind::Bars, title, unit, (8, 8), note) }
    }

    /// A table, whose columns have their units.
    pub(crate) fn table(title: Words, table: Table, note: Note) -> Self {
        Self::new(Kind::Table(table), title, Unit::Count, (WHOLE, 8), note)
    }

    /// Columns of the board's 24, and rows.
    pub(crate) fn size(self, width: u32, height: u32) -> Self {
        Self { width, height, ..self }
    }

    /// A query whose series are called `legend`.
    pub(crate) fn ask(self, expression: &str, legend: &str) -> Self {
        self.query(ask(expression, legend))
    }

    pub(crate) fn query(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    pub(crate) fn queries(mut self, queries: impl IntoIterator<Item = Query>) -> Self {
        self.queries.extend(queries);
        self
    }

    /// Draws where an alert fires.
    pub(crate) fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Red from this value on.
    pub(crate) fn bad_from(self, value: i32) -> Self {
        Self { bad_from: Some(value), ..self }
    }

    pub(crate) fn meanings(self, meanings: &[Meaning]) -> Self {
        Self { meanings: meanings.to_vec(), ..self }
    }

    /// The axis ends there.
    pub(crate) fn up_to(self, most: i32) -> Self {
        Self { most: Some(most), ..self }
    }

    /// Values may be below 0: what is received or read is drawn downwards.
    pub(crate) fn both_ways(self) -> Self {
        Self { least: None, ..self }
    }

    pub(crate) fn stacked(self) -> Self {
        Self { kind: Kind::Series { is_stacked: true }, ..self }
    }

    pub(crate) fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    pub(crate) fn nothing(self, words: Words) -> Self {
        Self { nothing: Some(words), ..self }
    }

    /// The colour of a value that reaches no limit.
    pub(crate) fn base_colour(&self) -> Colour {
        let is_judged = self.bad_from.is_some() || !self.limits.is_empty() || !self.meanings.is_empty();
        if is_judged { Colour::Good } else { Colour::Plain }
    }
}

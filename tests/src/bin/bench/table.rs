//! The numbers, each with what it has to reach.

use std::fmt;

/// What a number has to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Only reported.
    None,
}

/// All numbers, in the order they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    target: Target,
    note: String,
}

impl Table {
    /// Adds one number; `note` says what it was made from.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
        note: impl Into<String>,
    ) {
        self.rows.push(Row { what: what.into(), value, unit, target, note: note.into() });
    }

    /// Whether any target was missed.
    pub(crate) fn missed(&self) -> bool {
        self.rows.iter().any(|row| row.target.verdict(row.value) == "MISSED")
    }
}

impl Target {
    /// A number that could not be had (NaN) reaches no target.
    fn verdict(self, value: f64) -> &'static str {
        let reached = match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::None => return "",
        };
        if reached { "ok" } else { "MISSED" }
    }

    fn in_words(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}", number(most)),
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::None => String::new(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        writeln!(f, "{:<widest$}  {:>9} {:<11} {:>8}  {:<6}  made from", "", "value", "", "target", "")?;
        for row in &self.rows {
            let (value, target) = (number(row.value), row.target.in_words());
            let verdict = row.target.verdict(row.value);
            let Row { what, unit, note, .. } = row;
            writeln!(f, "{what:<widest$}  {value:>9} {unit:<11} {target:>8}  {verdict:<6}  {note}")?;
        }
        Ok(())
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle one of some numbers; NaN of none.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// The value below which `share` of the sorted numbers lie (the next one, never a mean); NaN of none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is an index"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

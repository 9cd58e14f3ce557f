//! What colours mean, on every board the same.

use super::words::Words;

/// A colour by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// As it should be.
    Good,
    /// Look at it today.
    Warning,
    /// Act now.
    Bad,
    /// A value that is neither good nor bad.
    Plain,
    /// Not there, or of no interest.
    Quiet,
    /// A time that is over, for comparison.
    Past,
}

impl Colour {
    /// Grafana's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Good => "green",
            Self::Warning => "orange",
            Self::Bad => "red",
            Self::Plain => "blue",
            Self::Quiet => "transparent",
            Self::Past => "purple",
        }
    }
}

/// What a value is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    pub(crate) value: i32,
    pub(crate) words: Words,
    pub(crate) colour: Colour,
}

/// `value` is called `words`.
pub(crate) const fn meaning(value: i32, words: Words, colour: Colour) -> Meaning {
    Meaning { value, words, colour }
}

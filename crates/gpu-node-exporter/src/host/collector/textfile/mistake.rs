//! What is wrong with a line, and how much of the line is repeated.
//!
//! A mistake goes to the log. What stands in a file that holds no metrics (somebody put a link or a mount in the place of
//! one) is nobody's business there, and what does is repeated in part.

use std::fmt;

use crate::host::excerpt::excerpt;

/// A mistake, with the word of the file that it is about.
#[derive(Debug)]
pub(super) struct Mistake {
    before: &'static str,
    word: Option<String>,
    after: &'static str,
    quotes: bool,
}

impl Mistake {
    /// Without a word of the file.
    pub(super) fn new(what: &'static str) -> Self {
        Self { before: what, word: None, after: "", quotes: true }
    }

    /// About `word`, which stands between the two.
    pub(super) fn about(before: &'static str, word: &str, after: &'static str) -> Self {
        Self { before, word: Some(excerpt(word)), after, quotes: true }
    }

    /// The same mistake; whether its word may be repeated.
    pub(super) fn quoting(self, quotes: bool) -> Self {
        Self { quotes, ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, word, after, quotes } = self;
        match word {
            None => f.write_str(before),
            Some(word) if *quotes => write!(f, "{before}`{word}`{after}"),
            Some(_) => write!(f, "{before}[not shown, since no line before it is of the text format]{after}"),
        }
    }
}

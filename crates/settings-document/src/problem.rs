//! One mistake in the settings, worded for the person who has to correct it.
//!
//! Owns where it is and how it is printed. Leaves out finding it, which the sections do.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// A mistake: where it stands, which key it is about, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    place: Place,
    key: String,
    message: String,
}

/// Where a value came from. The order is the order of printing: the file from top to bottom, then the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// The file as a whole, or its line counted from 1.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Environment(String),
}

impl Problem {
    /// A mistake about `key`, which stands in a line of the file, or belongs into the section that does.
    pub(crate) fn of_key(file: &Path, line: Option<usize>, key: &str, message: impl Into<String>) -> Self {
        Self { place: Place::File(file.to_owned(), line), key: key.to_owned(), message: message.into() }
    }

    /// A mistake about `key`, whose value came from an environment variable.
    pub(crate) fn of_variable(variable: &str, key: &str, message: impl Into<String>) -> Self {
        Self { place: Place::Environment(variable.to_owned()), key: key.to_owned(), message: message.into() }
    }

    /// The problem for people who may not read the settings: where it is and which key it is about, without what was found there. One of the
    /// file as a whole says nothing of what stands in it, and is told as it is.
    pub fn whereabouts(&self) -> String {
        match (&self.place, self.key.as_str()) {
            (Place::File(_, None), "") => self.to_string(),
            _ => self.location(),
        }
    }

    fn location(&self) -> String {
        let place = self.place.to_string();
        if self.key.is_empty() { place } else { format!("{place}: {}", self.key) }
    }

    /// A mistake that concerns the file as a whole: it cannot be read, or it is not YAML from `line` on.
    pub fn of_file(file: &Path, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::File(file.to_owned(), line), key: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is printed to terminals and into logs, and may repeat what stands in the file.
        for character in format!("{}: {}", self.location(), self.message).chars() {
            if character.is_control() {
                write!(out, "{}", character.escape_default())?;
            } else {
                out.write_char(character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, None) => write!(out, "{}", file.display()),
            Self::File(file, Some(line)) => write!(out, "{}:{line}", file.display()),
            Self::Environment(variable) => write!(out, "environment variable {variable}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_stands_in_the_file() {
        let problem =
            Problem::of_key(Path::new("relay.yml"), Some(2), "budget", "found `\u{1b}[2J`\nand more");
        assert_eq!(problem.to_string(), r"relay.yml:2: budget: found `\u{1b}[2J`\nand more");
    }
}

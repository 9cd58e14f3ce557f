//! One mistake in the settings, worded for the person who has to correct it.
//!
//! Owns where it is and how it is printed. Leaves out finding it: that is the readers' part.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake: where it stands, which key it is about, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
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
    /// A mistake that concerns the file as a whole: it cannot be read, or it is not YAML from `line` on.
    pub(crate) fn of_file(file: &Path, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::File(file.to_owned(), line), key: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(file, None) => write!(out, "{}: ", file.display())?,
            Place::File(file, Some(line)) => write!(out, "{}:{line}: ", file.display())?,
            Place::Environment(variable) => write!(out, "environment variable {variable}: ")?,
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)
    }
}

/// Which line of the file, or which environment variable, each key path came from.
#[derive(Debug)]
pub(super) struct Places {
    file: PathBuf,
    lines: BTreeMap<String, usize>,
    variables: BTreeMap<String, String>,
}

impl Places {
    /// `lines` and `variables` by key path, `targets.ops.timeout` or `receivers.ops.routes[0]`.
    pub(super) fn new(
        file: &Path,
        lines: BTreeMap<String, usize>,
        variables: BTreeMap<String, String>,
    ) -> Self {
        Self { file: file.to_owned(), lines, variables }
    }

    /// The problem `message` about `key`. A key that stands nowhere (it is missing) is shown at the section it belongs into.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let place = match self.variables.get(key) {
            Some(variable) => Place::Environment(variable.clone()),
            None => Place::File(self.file.clone(), self.nearest_line(key)),
        };
        Problem { place, key: key.to_owned(), message: message.into() }
    }

    fn nearest_line(&self, key: &str) -> Option<usize> {
        let mut path = key;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

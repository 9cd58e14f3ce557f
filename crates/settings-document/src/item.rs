//! One text of a list, or of a section whose keys are names that people chose: it knows where it stands.
//!
//! Owns the wording of a text that is not what was expected. Leaves out finding the texts, which is the section's.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;

use crate::reading::Reading;
use crate::suggestion::no_such;

/// One text of several.
#[derive(Debug)]
pub struct Item<'a> {
    reading: &'a Reading,
    path: String,
    /// What was written.
    pub text: Cow<'a, str>,
}

impl<'a> Item<'a> {
    /// The text at the key path `path`.
    pub(crate) fn new(reading: &'a Reading, path: String, text: Cow<'a, str>) -> Self {
        Self { reading, path, text }
    }

    /// Notes a problem with this text.
    pub fn problem(&self, message: impl Into<String>) {
        self.reading.note(&self.path, message);
    }

    /// What `parse` makes of it.
    pub fn parsed<T, E: Display>(
        &self,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(&self.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(instead_of(expected, &self.text, &error));
                None
            }
        }
    }

    /// What `parse` makes of it, whose error says all that is to say.
    pub fn said<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(&self.text).map_err(|error| self.problem(error.to_string())).ok()
    }

    /// The text, if it is one of `known`; `what` says what kind of thing it names.
    pub fn one_of(&self, what: &str, known: &BTreeSet<&str>) -> Option<String> {
        if known.contains(&*self.text) {
            return Some(self.text.clone().into_owned());
        }
        self.problem(no_such(what, &self.text, known));
        None
    }
}

/// `reason` may be empty, where the expectation says it all.
pub(crate) fn instead_of(expected: &str, text: &str, reason: &dyn Display) -> String {
    let colon = match reason.to_string().as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("expected {expected}, found `{text}`{colon}")
}

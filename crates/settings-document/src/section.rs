//! Reading one section: each getter checks one key, notes what is wrong with it, and goes on.
//!
//! Owns the wording of what was expected and what was found. Leaves out which keys a section has. A getter returns `None`
//! both for a key that is absent and for one that is wrong: the wrong one has been noted, and noted problems stop the
//! load, so nobody ever sees the difference.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Map, Value, ValueKind};

use crate::reading::Reading;
use crate::secret::Secret;
use crate::suggestion::{did_you_mean, no_such};

/// One section, `server:` or `targets.ops.email:`, while it is read.
#[derive(Debug)]
pub struct Section<'a> {
    reading: &'a Reading,
    path: String,
    values: &'a Map<String, Value>,
    known: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// All of the file.
    pub fn root(reading: &'a Reading, values: &'a Map<String, Value>) -> Self {
        Self { reading, path: String::new(), values, known: BTreeSet::new() }
    }

    /// Notes a problem with `key` of this section.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.reading.note(&self.at(key), message);
    }

    /// Notes a problem with the section itself.
    pub fn own_problem(&self, message: impl Into<String>) {
        self.reading.note(&self.path, message);
    }

    /// Notes that `key` must be there.
    pub fn missing(&self, key: &str, expected: &str) {
        self.problem(key, format!("missing: expected {expected}"));
    }

    /// Where relative paths start.
    pub fn directory(&self) -> &'a Path {
        self.reading.directory()
    }

    /// Whether `key` is there with a value; counts as knowing it.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Any text.
    pub fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.value(key)?;
        match &value.kind {
            ValueKind::String(text) => Some(text),
            ValueKind::I64(_) | ValueKind::Float(_) | ValueKind::Boolean(_) => {
                let found = found(&value.kind);
                self.problem(key, format!("expected text, found {found} (hint: put it in quotes)"));
                None
            }
            other => {
                self.problem(key, format!("expected text, found {}", found(other)));
                None
            }
        }
    }

    /// Text that is not empty; its absence is noted.
    pub fn required_text(&mut self, key: &'static str, expected: &str) -> Option<&'a str> {
        if !self.has(key) {
            self.missing(key, expected);
            return None;
        }
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.problem(key, format!("empty: expected {expected}"));
            return None;
        }
        Some(text)
    }

    /// Text that `parse` understands. The message shows what was written, so this is not for secrets.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let ValueKind::String(text) = &value.kind else {
            self.problem(key, format!("expected {expected}, found {}", found(&value.kind)));
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(key, instead_of(expected, text, &error));
                None
            }
        }
    }

    /// A length of time above zero.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration such as `10s`, `5m` or `30d`", |text| {
            match humantime::parse_duration(text) {
                Ok(Duration::ZERO) => Err("it must be above zero"),
                Ok(duration) => Ok(duration),
                Err(_) => Err(""),
            }
        })
    }

    /// A whole number from 1 to `most`.
    pub fn count(&mut self, key: &'static str, most: u64) -> Option<u64> {
        let value = self.value(key)?;
        let number = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            // The environment has only text.
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        };
        let accepted = number.filter(|number| (1..=most).contains(number));
        if accepted.is_none() {
            let found = found(&value.kind);
            self.problem(key, format!("expected a whole number from 1 to {most}, found {found}"));
        }
        accepted
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        if let ValueKind::Boolean(flag) = value.kind {
            return Some(flag);
        }
        self.problem(key, format!("expected `true` or `false`, found {}", found(&value.kind)));
        None
    }

    /// One text or a list of texts, each with its own key path for problems.
    pub fn texts(&mut self, key: &'static str) -> Vec<Item<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let path = self.at(key);
        match &value.kind {
            ValueKind::String(text) => vec![Item { reading: self.reading, path, text }],
            ValueKind::Array(items) => {
                let mut texts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    match &item.kind {
                        ValueKind::String(text) => texts.push(Item { reading: self.reading, path, text }),
                        other => self.reading.note(&path, format!("expected text, found {}", found(other))),
                    }
                }
                texts
            }
            other => {
                self.problem(key, format!("expected text or a list of texts, found {}", found(other)));
                Vec::new()
            }
        }
    }

    /// A path, from the settings file's directory unless it is absolute; `None` when empty. Whether it exists is not asked.
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key)?;
        (!text.is_empty()).then(|| self.reading.directory().join(text))
    }

    /// A path to a file that can be read.
    pub fn readable_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        match std::fs::File::open(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.problem(key, cannot_read(&path, &error));
                None
            }
        }
    }

    /// A secret: `key` itself or the file that `key_file` names, never both, trimmed.
    pub fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let value = match (self.has(key), self.has(file_key)) {
            (false, false) => return None,
            (true, true) => {
                self.problem(file_key, format!("`{key}` is set too (hint: keep one of the two)"));
                return None;
            }
            (true, false) => self.text(key)?.to_owned(),
            (false, true) => {
                let path = self.path(file_key)?;
                match std::fs::read_to_string(&path) {
                    Ok(value) => value,
                    Err(error) => {
                        // The path is not shown: a secret is easily put under the key of its file.
                        self.problem(file_key, format!("cannot read the file it names: {error}"));
                        return None;
                    }
                }
            }
        };
        let value = value.trim();
        if value.is_empty() {
            let said_by = if self.has(key) { key } else { file_key };
            self.problem(said_by, "the secret is empty");
            return None;
        }
        Some(Secret::new(value))
    }

    /// The section under `key`.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        table(self.reading, self.at(key), value)
    }

    /// The sections under `key` by the names people gave them, in alphabetical order.
    pub fn named_sections(&mut self, key: &'static str) -> Vec<(&'a str, Section<'a>)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        let mut entries: Vec<_> = parent.values.iter().collect();
        entries.sort_by_key(|(name, _)| name.as_str());
        entries
            .into_iter()
            .filter_map(|(name, value)| Some((name.as_str(), table(parent.reading, parent.at(name), value)?)))
            .collect()
    }

    /// The names under `key`, whatever they hold.
    pub fn names(&mut self, key: &'static str) -> BTreeSet<&'a str> {
        match self.value(key).map(|value| &value.kind) {
            Some(ValueKind::Table(entries)) => entries.keys().map(String::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The texts under `key` by the names people gave them, in alphabetical order.
    pub fn named_texts(&mut self, key: &'static str) -> Vec<(&'a str, Item<'a>)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        let mut entries: Vec<_> = parent.values.iter().collect();
        entries.sort_by_key(|(name, _)| name.as_str());
        let item = |(name, value): (&'a String, &'a Value)| match &value.kind {
            ValueKind::String(text) => {
                Some((name.as_str(), Item { reading: parent.reading, path: parent.at(name), text }))
            }
            other => {
                parent.problem(name, format!("expected text, found {}", found(other)));
                None
            }
        };
        entries.into_iter().filter_map(item).collect()
    }

    /// The sections in the list under `key`.
    pub fn listed_sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let ValueKind::Array(items) = &value.kind else {
            self.problem(key, format!("expected a list, found {}", found(&value.kind)));
            return Vec::new();
        };
        let path = self.at(key);
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| table(self.reading, format!("{path}[{index}]"), item))
            .collect()
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for key in self.values.keys() {
            if !self.known.contains(key.as_str()) {
                let hint = did_you_mean(key, self.known.iter().copied());
                self.problem(key, format!("unknown key{hint}"));
            }
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.values.get(key).filter(|value| value.kind != ValueKind::Nil)
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// One text of a list.
#[derive(Debug)]
pub struct Item<'a> {
    reading: &'a Reading,
    path: String,
    /// What was written.
    pub text: &'a str,
}

impl Item<'_> {
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
        match parse(self.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(instead_of(expected, self.text, &error));
                None
            }
        }
    }

    /// What `parse` makes of it, whose error says all that is to say.
    pub fn said<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(self.text).map_err(|error| self.problem(error.to_string())).ok()
    }

    /// The text, if it is one of `known`; `what` says what kind of thing it names.
    pub fn one_of(&self, what: &str, known: &BTreeSet<&str>) -> Option<String> {
        if known.contains(self.text) {
            return Some(self.text.to_owned());
        }
        self.problem(no_such(what, self.text, known));
        None
    }
}

fn table<'a>(reading: &'a Reading, path: String, value: &'a Value) -> Option<Section<'a>> {
    match &value.kind {
        ValueKind::Table(values) => Some(Section { reading, path, values, known: BTreeSet::new() }),
        other => {
            reading.note(&path, format!("expected a section of `key: value` lines, found {}", found(other)));
            None
        }
    }
}

/// What kind of value was found, in words and never the value: it may be a secret under the wrong key.
fn found(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
        _ => "a number",
    }
}

/// `reason` may be empty, where the expectation says it all.
fn instead_of(expected: &str, text: &str, reason: &dyn Display) -> String {
    let colon = match reason.to_string().as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("expected {expected}, found `{text}`{colon}")
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

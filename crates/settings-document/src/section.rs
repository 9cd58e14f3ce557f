//! Reading one section: each getter checks one key, notes what is wrong with it, and goes on.
//!
//! Owns the wording of what was expected and what was found. Leaves out which keys a section has. A getter returns `None`
//! both for a key that is absent and for one that is wrong: the wrong one has been noted, and noted problems stop the
//! load, so nobody ever sees the difference.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::item::{Item, instead_of};
use crate::reader::reader_hint;
use crate::reading::Reading;
use crate::secret::Secret;
use crate::suggestion::did_you_mean;
use crate::value::{Table, Value};

/// What of a value is taken as text.
type TextOf = fn(&Value) -> Option<Cow<'_, str>>;

/// One section, `server:` or `targets.ops.email:`, while it is read.
#[derive(Debug)]
pub struct Section<'a> {
    reading: &'a Reading,
    path: String,
    values: &'a Table,
    known: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// All of the file.
    pub fn root(reading: &'a Reading, values: &'a Table) -> Self {
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

    /// Whether one of `keys` is there with a value that is not empty text; counts as knowing them.
    pub fn gives_any(&mut self, keys: &[&'static str]) -> bool {
        let is_given = |value: &Value| !matches!(value, Value::Text(text) if text.is_empty());
        // All of them are asked, not the first one that is given: each becomes known.
        keys.iter().filter(|key| self.value(key).is_some_and(is_given)).count() > 0
    }

    /// Any text.
    pub fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.value(key)?;
        match value {
            Value::Text(text) => Some(text),
            other => {
                self.problem(key, other.is_no_text());
                None
            }
        }
    }

    /// Any text, or a whole number as text in decimal; `None` when empty.
    pub fn text_or_number(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        let value = self.value(key)?;
        let text = value.text_or_number();
        if text.is_none() {
            self.problem(key, value.is_no_text());
        }
        text.filter(|text| !text.is_empty())
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
        let Value::Text(text) = value else {
            self.problem(key, format!("expected {expected}, found {}", value.found()));
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
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            // The environment has only text.
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let accepted = number.filter(|number| (1..=most).contains(number));
        if accepted.is_none() {
            let found = value.found();
            self.problem(key, format!("expected a whole number from 1 to {most}, found {found}"));
        }
        accepted
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        if let Value::Boolean(flag) = value {
            return Some(*flag);
        }
        self.problem(key, format!("expected `true` or `false`, found {}", value.found()));
        None
    }

    /// One text or a list of texts, each with its own key path for problems.
    pub fn texts(&mut self, key: &'static str) -> Vec<Item<'a>> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Text(text)) => vec![Item::new(self.reading, self.at(key), Cow::Borrowed(text))],
            Some(Value::List(items)) => self.items(key, items, Value::text),
            Some(other) => {
                self.problem(key, format!("expected text or a list of texts, found {}", other.found()));
                Vec::new()
            }
        }
    }

    /// A list of texts, and never one alone. Whole numbers are taken as text.
    pub fn listed_texts(&mut self, key: &'static str) -> Vec<Item<'a>> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::List(items)) => self.items(key, items, Value::text_or_number),
            Some(other) => {
                self.problem(key, format!("expected a list of texts, found {}", other.found()));
                Vec::new()
            }
        }
    }

    fn items(&self, key: &str, items: &'a [Value], text_of: TextOf) -> Vec<Item<'a>> {
        let path = self.at(key);
        let at = items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item));
        at.filter_map(|(path, value)| item(self.reading, path, value, text_of)).collect()
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
                        let hint = reader_hint(&error);
                        self.problem(file_key, format!("cannot read the file it names: {error}{hint}"));
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
        let secret = Secret::new(value);
        self.reading.note_secret(self.at(key), secret.clone());
        Some(secret)
    }

    /// The section under `key`.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        table(self.reading, self.at(key), value)
    }

    /// The sections under `key` by the names people gave them, in alphabetical order.
    pub fn named_sections(&mut self, key: &'static str) -> Vec<(&'a str, Section<'a>)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        parent
            .values
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), table(parent.reading, parent.at(name), value)?)))
            .collect()
    }

    /// The names under `key`, whatever they hold.
    pub fn names(&mut self, key: &'static str) -> BTreeSet<&'a str> {
        match self.value(key) {
            Some(Value::Table(entries)) => entries.keys().map(String::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The texts under `key` by the names people gave them, in alphabetical order.
    pub fn named_texts(&mut self, key: &'static str) -> Vec<(&'a str, Item<'a>)> {
        self.named_items(key, Value::text)
    }

    /// As [`named_texts`](Self::named_texts), and whole numbers are taken as text.
    pub fn named_texts_or_numbers(&mut self, key: &'static str) -> Vec<(&'a str, Item<'a>)> {
        self.named_items(key, Value::text_or_number)
    }

    fn named_items(&mut self, key: &'static str, text_of: TextOf) -> Vec<(&'a str, Item<'a>)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        parent
            .values
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str(), item(parent.reading, parent.at(name), value, text_of)?))
            })
            .collect()
    }

    /// The sections in the list under `key`.
    pub fn listed_sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Value::List(items) = value else {
            self.problem(key, format!("expected a list, found {}", value.found()));
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
        self.values.get(key).filter(|value| **value != Value::Null)
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn item<'a>(reading: &'a Reading, path: String, value: &'a Value, text_of: TextOf) -> Option<Item<'a>> {
    if let Some(text) = text_of(value) {
        return Some(Item::new(reading, path, text));
    }
    reading.note(&path, value.is_no_text());
    None
}

fn table<'a>(reading: &'a Reading, path: String, value: &'a Value) -> Option<Section<'a>> {
    match value {
        Value::Table(values) => Some(Section { reading, path, values, known: BTreeSet::new() }),
        other => {
            reading.note(&path, format!("expected a section of `key: value` lines, found {}", other.found()));
            None
        }
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read `{}`: {error}{}", path.display(), reader_hint(error))
}

#[cfg(test)]
mod tests;

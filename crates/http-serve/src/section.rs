//! A YAML document read key by key, so that every mistake is found in one run and named with its line and path.
//!
//! Owns types and unknown keys. Leaves out what the values mean. Values are never repeated in a message, since some
//! are secrets.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A mapping that is being read. What was not asked for by [`Section::end`] is an unknown key.
pub(crate) struct Section<'y, 'p> {
    path: String,
    entries: Vec<Entry<'y>>,
    known: Vec<&'static str>,
    problems: &'p mut Vec<String>,
}

struct Entry<'y> {
    key: String,
    line: usize,
    value: YamlData<'y, MarkedYaml<'y>>,
}

impl<'y, 'p> Section<'y, 'p> {
    /// Opens a document whose top is a mapping. An empty document is an empty mapping.
    pub(crate) fn open(text: &'y str, problems: &'p mut Vec<String>) -> Option<Self> {
        let mut documents = match MarkedYaml::load_from_str(text) {
            Ok(documents) => documents,
            Err(error) => {
                problems.push(format!("line {}: not YAML: {}", error.marker().line(), error.info()));
                return None;
            }
        };
        if documents.len() > 1 {
            problems.push("one YAML document is expected, the file has several".to_owned());
            return None;
        }
        let top = documents.pop().map_or(YamlData::Value(Scalar::Null), |document| document.data);
        let Some(entries) = entries(top) else {
            problems.push("a mapping is expected (hint: `basic_auth_users:` and the like on top)".to_owned());
            return None;
        };
        Some(Self { path: String::new(), entries, known: Vec::new(), problems })
    }

    /// The text under a key. Absent, null and empty are the same, as in the format's first implementation.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let entry = self.take(key)?;
        match scalar_text(&entry.value) {
            Some(text) => Some(text).filter(|text| !text.is_empty()),
            None => self.wrong_type(&entry, "a text is expected (hint: put quotes around it)"),
        }
    }

    /// `true` or `false` under a key.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let entry = self.take(key)?;
        match entry.value {
            YamlData::Value(Scalar::Boolean(flag)) => Some(flag),
            _ => self.wrong_type(&entry, "`true` or `false` is expected"),
        }
    }

    /// A whole number of at least 1 under a key.
    pub(crate) fn count(&mut self, key: &'static str) -> Option<u32> {
        let entry = self.take(key)?;
        let counted = match entry.value {
            YamlData::Value(Scalar::Integer(number)) => u32::try_from(number).ok().filter(|n| *n >= 1),
            _ => None,
        };
        counted.or_else(|| self.wrong_type(&entry, "a whole number of at least 1 is expected"))
    }

    /// The texts in a list under a key; none when it is absent.
    pub(crate) fn list(&mut self, key: &'static str) -> Vec<String> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let texts = match &entry.value {
            YamlData::Sequence(nodes) => nodes.iter().map(|node| scalar_text(&node.data)).collect(),
            _ => None,
        };
        texts.or_else(|| self.wrong_type(&entry, "a list of texts is expected")).unwrap_or_default()
    }

    /// The mapping under a key.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<Section<'y, '_>> {
        let Entry { key: name, line, value } = self.take(key)?;
        let path = self.path_of(&name);
        let Some(entries) = entries(value) else {
            self.problems.push(format!("line {line}: {path}: a mapping is expected"));
            return None;
        };
        Some(Section { path, entries, known: Vec::new(), problems: self.problems })
    }

    /// Every key with its text, for a mapping whose keys are the user's.
    pub(crate) fn all_texts(&mut self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            if let Some(text) = scalar_text(&entry.value) {
                texts.push((entry.key, text));
            } else {
                self.wrong_type::<()>(&entry, "a text is expected (hint: put quotes around it)");
            }
        }
        texts
    }

    /// Notes what is wrong with a key's value.
    pub(crate) fn problem(&mut self, key: &str, wrong: impl std::fmt::Display) {
        let path = self.path_of(key);
        self.problems.push(format!("{path}: {wrong}"));
    }

    /// Notes what is wrong with a key's value and gives nothing, for the end of a chain of options.
    pub(crate) fn none_with<T>(&mut self, key: &str, wrong: impl std::fmt::Display) -> Option<T> {
        self.problem(key, wrong);
        None
    }

    /// Whether any of these keys has a value.
    pub(crate) fn gives_any(&self, keys: &[&str]) -> bool {
        let has_value = |entry: &Entry<'_>| match &entry.value {
            YamlData::Value(Scalar::Null) => false,
            YamlData::Value(Scalar::String(text)) => !text.is_empty(),
            _ => true,
        };
        self.entries.iter().any(|entry| keys.contains(&entry.key.as_str()) && has_value(entry))
    }

    /// Notes what is wrong with the section as a whole.
    pub(crate) fn problem_of_all(&mut self, wrong: impl std::fmt::Display) {
        self.problems.push(format!("{}: {wrong}", self.path));
    }

    /// Every key that nobody asked for is a mistake: a misspelt one must not be lost in silence.
    pub(crate) fn end(self) {
        let known = self.known.join("`, `");
        for entry in &self.entries {
            let path = self.path_of(&entry.key);
            self.problems
                .push(format!("line {}: {path}: unknown key (hint: known here are `{known}`)", entry.line));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'y>> {
        self.known.push(key);
        let position = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.remove(position);
        (!matches!(entry.value, YamlData::Value(Scalar::Null))).then_some(entry)
    }

    fn wrong_type<T>(&mut self, entry: &Entry<'_>, expected: &str) -> Option<T> {
        let path = self.path_of(&entry.key);
        self.problems.push(format!("line {}: {path}: {expected}", entry.line));
        None
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn entries<'y>(mapping: YamlData<'y, MarkedYaml<'y>>) -> Option<Vec<Entry<'y>>> {
    match mapping {
        YamlData::Value(Scalar::Null) => Some(Vec::new()),
        YamlData::Mapping(pairs) => pairs
            .into_iter()
            .map(|(key, value)| {
                let line = key.span.start.line();
                Some(Entry { key: scalar_text(&key.data)?, line, value: value.data })
            })
            .collect(),
        _ => None,
    }
}

/// The text of a scalar. Whole numbers are taken as they are written in decimal; everything else that YAML reads as
/// another type has more than one spelling, so it is not text.
fn scalar_text<'y>(node: &YamlData<'y, MarkedYaml<'y>>) -> Option<String> {
    match node {
        YamlData::Value(Scalar::String(text)) => Some(text.clone().into_owned()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        _ => None,
    }
}

//! The settings file as YAML, with the line of every key.
//!
//! Owns parsing and the lines. Leaves out what the keys mean.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use crate::value::{Table, Value};

/// A parsed file.
#[derive(Debug, Default)]
pub struct Document {
    /// The top-level keys.
    pub values: Table,
    /// The line of each key path, counted from 1.
    pub lines: BTreeMap<String, usize>,
    /// What is wrong with the file as YAML; empty when all of it was understood.
    pub mistakes: Vec<Mistake>,
}

/// Something that is no settings file, whatever its keys mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// Names no value: the value next to a mistake may be a secret.
    pub message: String,
}

/// Which texts can be keys.
type KeyRule = fn(&str) -> bool;

impl Document {
    /// Parses `text`, all of it or up to the first place that is not YAML. What `is_key` refuses is no key and is not shown: a
    /// secret is easily written where its name should be.
    pub fn parse(text: &str, is_key: KeyRule) -> Self {
        let mut document = Self::default();
        let parsed = match MarkedYaml::load_from_str(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let line = error.marker().line();
                document.mistake(line, format!("not valid YAML: {}", error.info()));
                return document;
            }
        };
        if let Some(second) = parsed.get(1) {
            document.mistake(second.span.start.line(), "a second YAML document (hint: remove the `---`)");
        }
        let Some(root) = parsed.first() else { return document };
        match &root.data {
            YamlData::Mapping(_) => {
                if let Value::Table(values) = document.convert(root, "", is_key) {
                    document.values = values;
                }
            }
            YamlData::BadValue | YamlData::Value(Scalar::Null) => {}
            _ => document.mistake(root.span.start.line(), "expected `key: value` lines"),
        }
        document
    }

    fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    fn convert(&mut self, node: &MarkedYaml<'_>, path: &str, is_key: KeyRule) -> Value {
        let line = node.span.start.line();
        match &node.data {
            YamlData::Value(Scalar::Null) => Value::Null,
            YamlData::Value(Scalar::Boolean(value)) => Value::Boolean(*value),
            YamlData::Value(Scalar::Integer(value)) => Value::Integer(*value),
            YamlData::Value(Scalar::FloatingPoint(value)) => Value::Float(value.into_inner()),
            YamlData::Value(Scalar::String(value)) => Value::Text(value.to_string()),
            YamlData::Sequence(items) => Value::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let path = format!("{path}[{index}]");
                        self.lines.insert(path.clone(), item.span.start.line());
                        self.convert(item, &path, is_key)
                    })
                    .collect(),
            ),
            YamlData::Mapping(entries) => {
                let mut table = Table::new();
                for (key, value) in entries {
                    let key_line = key.span.start.line();
                    let Some(name) = key_name(key).filter(|name| is_key(name)) else {
                        self.mistake(
                            key_line,
                            "a key that is not a name (hint: keys are words such as `timeout`)",
                        );
                        continue;
                    };
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.lines.insert(path.clone(), key_line);
                    let value = self.convert(value, &path, is_key);
                    table.insert(name, value);
                }
                Value::Table(table)
            }
            YamlData::Tagged(..) | YamlData::BadValue | YamlData::Alias(_) | YamlData::Representation(..) => {
                self.mistake(line, "a value with a YAML tag, which settings do not use");
                Value::Null
            }
        }
    }
}

fn key_name(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(name)) => Some(name.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(word)) => Some(word.to_string()),
        _ => None,
    }
}

//! What was said where: the embedded default, the file over it, the environment over both.
//!
//! Owns the order of the layers and the names of the environment variables. Leaves out checking the values.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Environment, Source, ValueKind};
use settings_document::{Table, Value};

/// `ALERT_RELAY__SERVER__LISTEN` sets `server.listen`.
const PREFIX: &str = "ALERT_RELAY__";

/// Sections whose keys are names that people choose. The environment knows no lower and upper case, so names come from the file.
pub(super) const NAMED_SECTIONS: [&str; 4] = ["heartbeats", "people", "receivers", "targets"];

/// The environment variables that are settings: key path to variable and value.
pub(super) type Overrides = BTreeMap<String, (String, String)>;

/// Picks our variables out of the whole environment. An empty variable is as good as none.
pub(super) fn overrides(environment: impl IntoIterator<Item = (String, String)>) -> Overrides {
    environment
        .into_iter()
        .filter_map(|(variable, value)| {
            let path = variable.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
            (!value.is_empty()).then_some((path, (variable, value)))
        })
        .collect()
}

/// The layers merged, key by key.
pub(super) fn merge(default: Table, file: Table, overrides: &Overrides) -> Result<Table, ConfigError> {
    let file = without_blanks(file, &default);
    let variables = overrides.values().cloned().collect();
    let merged = Config::builder()
        .add_source(Layer(default))
        .add_source(Layer(file))
        .add_source(
            Environment::with_prefix(PREFIX.trim_end_matches('_'))
                .prefix_separator("__")
                .separator("__")
                .source(Some(variables)),
        )
        .build()?;
    match merged.cache.kind {
        ValueKind::Table(values) => Ok(table_of(values)),
        _ => Ok(Table::new()),
    }
}

/// A key that is written without a value means its default, where there is one.
fn without_blanks(file: Table, default: &Table) -> Table {
    let keep = |(key, value): (String, Value)| {
        let value = match (value, default.get(&key)) {
            (Value::Null, Some(_)) => return None,
            (Value::Table(table), Some(Value::Table(default))) => {
                Value::Table(without_blanks(table, default))
            }
            (value, _) => value,
        };
        Some((key, value))
    };
    file.into_iter().filter_map(keep).collect()
}

/// A parsed document as the `config` crate takes it. That crate could parse YAML itself but forgets the lines.
#[derive(Clone, Debug)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, config::Value>, ConfigError> {
        Ok(map_of(self.0.clone()))
    }
}

fn map_of(table: Table) -> config::Map<String, config::Value> {
    table.into_iter().map(|(key, value)| (key, config_value(value))).collect()
}

fn config_value(value: Value) -> config::Value {
    let kind = match value {
        Value::Null => ValueKind::Nil,
        Value::Boolean(flag) => ValueKind::Boolean(flag),
        Value::Integer(number) => ValueKind::I64(number),
        Value::Float(number) => ValueKind::Float(number),
        Value::Text(text) => ValueKind::String(text),
        Value::List(items) => ValueKind::Array(items.into_iter().map(config_value).collect()),
        Value::Table(table) => ValueKind::Table(map_of(table)),
    };
    config::Value::new(None, kind)
}

fn table_of(map: config::Map<String, config::Value>) -> Table {
    map.into_iter().map(|(key, value)| (key, document_value(value))).collect()
}

fn document_value(value: config::Value) -> Value {
    match value.kind {
        ValueKind::Nil => Value::Null,
        ValueKind::Boolean(flag) => Value::Boolean(flag),
        ValueKind::I64(number) => Value::Integer(number),
        ValueKind::Float(number) => Value::Float(number),
        ValueKind::String(text) => Value::Text(text),
        ValueKind::Array(items) => Value::List(items.into_iter().map(document_value).collect()),
        ValueKind::Table(map) => Value::Table(table_of(map)),
        // No layer has a number of another width: documents have 64 bits, the environment has text.
        number => Value::Text(number.to_string()),
    }
}

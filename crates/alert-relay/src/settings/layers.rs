//! What was said where: the embedded default, the file over it, the environment over both.
//!
//! Owns the order of the layers and the names of the environment variables. Leaves out checking the values.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Environment, Source};
use settings_document::{Map, Value, ValueKind};

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
pub(super) fn merge(
    default: Map<String, Value>,
    file: Map<String, Value>,
    overrides: &Overrides,
) -> Result<Map<String, Value>, ConfigError> {
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
        ValueKind::Table(values) => Ok(values),
        _ => Ok(Map::new()),
    }
}

/// A key that is written without a value means its default, where there is one.
fn without_blanks(file: Map<String, Value>, default: &Map<String, Value>) -> Map<String, Value> {
    let keep = |(key, value): (String, Value)| {
        let kind = match (value.kind, default.get(&key).map(|default| &default.kind)) {
            (ValueKind::Nil, Some(_)) => return None,
            (ValueKind::Table(table), Some(ValueKind::Table(default))) => {
                ValueKind::Table(without_blanks(table, default))
            }
            (kind, _) => kind,
        };
        Some((key, Value::new(None, kind)))
    };
    file.into_iter().filter_map(keep).collect()
}

/// A parsed document as the `config` crate takes it.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

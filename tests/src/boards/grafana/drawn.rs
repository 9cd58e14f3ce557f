//! How values are drawn: colours, names and steps.

use serde_json::{Map, Value, json};

use crate::boards::colour::{Colour, Meaning};
use crate::boards::link::Link;

/// Value mappings.
pub(super) fn mappings(meanings: &[Meaning]) -> Value {
    if meanings.is_empty() {
        return json!([]);
    }
    let named = |(index, meaning): (usize, &Meaning)| {
        let Meaning { value, words, colour } = meaning;
        let colour = if *colour == Colour::Quiet { "text" } else { colour.name() };
        (value.to_string(), json!({"text": words.to_string(), "color": colour, "index": index}))
    };
    let options: Map<String, Value> = meanings.iter().enumerate().map(named).collect();
    json!([{"type": "value", "options": options}])
}

/// Thresholds, from the least to the greatest.
pub(super) fn steps(base: Colour, steps: &[(f64, Colour)]) -> Value {
    let mut written = vec![json!({"color": base.name(), "value": null})];
    written.extend(steps.iter().map(|(value, colour)| json!({"color": colour.name(), "value": value})));
    json!({"mode": "absolute", "steps": written})
}

pub(super) fn links(links: &[Link]) -> Value {
    links.iter().map(|link| json!({"title": link.title.to_string(), "url": link.url})).collect()
}

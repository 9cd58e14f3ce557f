//! A request body in JSON, as robots take it.

use serde_json::Value;

use crate::channel::part::Content;

/// The body.
#[derive(Debug)]
pub(super) struct JsonBody(pub(super) String);

impl Content for JsonBody {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The body with its text as text.
    fn preview(&self) -> String {
        let Ok(Value::Object(body)) = serde_json::from_str(&self.0) else { return self.0.clone() };
        let mut lines = Vec::new();
        let mut text = "";
        for (section, value) in &body {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        match value {
                            Value::String(words) if name == "text" || name == "content" => text = words,
                            Value::String(words) => lines.push(format!("{section}.{name}: {words}")),
                            Value::Array(list) if list.is_empty() => {}
                            Value::Bool(false) => {}
                            other => lines.push(format!("{section}.{name}: {other}")),
                        }
                    }
                }
                Value::String(words) => lines.insert(0, format!("{section}: {words}")),
                other => lines.push(format!("{section}: {other}")),
            }
        }
        format!("{}\n\n{text}", lines.join("\n"))
    }
}

/// What a text costs inside a JSON string, as `serde_json` writes it.
pub(super) fn encoded_len(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_cost_is_what_json_takes(text in any::<String>()) {
            let json = serde_json::to_string(&text).expect("a string is JSON");
            prop_assert_eq!(encoded_len(&text), json.len() - 2);
        }
    }
}

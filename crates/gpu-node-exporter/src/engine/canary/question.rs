//! The question of a canary: a chat completion of one token, as both engines take it
//! (<https://platform.openai.com/docs/api-reference/chat/create>).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::json;

use super::kind::Kind;
use super::picture::png;

/// The body of the request. `number` makes its picture another than the last.
pub(super) fn question(kind: Kind, model: &str, number: u64) -> Bytes {
    const TEXT: &str = "Answer with one word.";
    // Writing into memory does not fail; an empty picture would be refused as any other that cannot be read.
    let picture = || BASE64_STANDARD.encode(png(number).unwrap_or_default());
    let content = match kind {
        Kind::Text => json!(TEXT),
        Kind::Image => json!([
            { "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{}", picture()) } },
            { "type": "text", "text": TEXT },
        ]),
    };
    let question = json!({
        "model": model,
        "messages": [{ "role": "user", "content": content }],
        "max_tokens": 1,
        "temperature": 0,
        "stream": false,
    });
    question.to_string().into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn one_token_is_asked_for() {
        let text: Value = serde_json::from_slice(&question(Kind::Text, "a \"b\"", 1)).unwrap();
        assert_eq!(text["model"], "a \"b\"");
        assert_eq!((&text["max_tokens"], &text["temperature"]), (&json!(1), &json!(0)));
        assert_eq!(text["messages"][0]["content"], "Answer with one word.");
        let image: Value = serde_json::from_slice(&question(Kind::Image, "m", 1)).unwrap();
        let url = image["messages"][0]["content"][0]["image_url"]["url"].as_str().unwrap();
        let picture = BASE64_STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        assert_eq!(picture, png(1).unwrap());
        assert!(question(Kind::Image, "m", 1).len() < 700);
    }
}

//! What commands ask of the relay that runs with their store, and what it says to people.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::control::{self, ControlAnswer};
use crate::outbox::Outbox;

/// Posts to a path of the relay that runs with this store; `None` if there is none.
///
/// Errors when one runs that cannot be asked, with `kept`: what was therefore not done, and why.
pub(super) async fn ask(store: &Path, uri: &str, kept: &str) -> anyhow::Result<Option<ControlAnswer>> {
    let answer = control::post(store, uri).await.with_context(|| {
        format!("cannot ask the relay that runs with this store; {kept} (hint: run it as the relay's user)")
    })?;
    if answer.is_none() && Outbox::is_in_use(store) {
        bail!(
            "a relay runs with `{}` and does not listen for commands, so {kept} (hint: its log says why; a relay of an older version \
             has to be restarted)",
            store.display()
        );
    }
    Ok(answer)
}

/// What it answered, line by line: its answers are JSON with a `message` and, for settings, a list of `problems`.
pub(super) fn lines(answer: &ControlAnswer) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = match body.get("message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => format!("the relay answered {}", answer.status),
    };
    let problems = body.get("problems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let problems = problems.iter().filter_map(Value::as_str).map(str::to_owned);
    problems.chain([message]).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn an_answer_is_told_in_the_relays_own_words_and_never_empty() {
        let check = |body: &'static str, expected: &[&str]| {
            let answer = ControlAnswer { status: StatusCode::BAD_REQUEST, body: body.into() };
            assert_eq!(lines(&answer), expected, "{body}");
        };
        check(r#"{"message":"in force"}"#, &["in force"]);
        check(
            r#"{"message":"the old ones stay","problems":["a: bad","b: bad"]}"#,
            &["a: bad", "b: bad", "the old ones stay"],
        );
        check("", &["the relay answered 400 Bad Request"]);
        check(r#"{"message":1,"problems":{}}"#, &["the relay answered 400 Bad Request"]);
    }
}

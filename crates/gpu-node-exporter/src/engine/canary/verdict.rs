//! What an answer to a canary says. Pure.

use http::StatusCode;
use serde_json::Value;

use super::kind::Outcome;
use crate::engine::client::Failure;
use crate::host::excerpt::excerpt;

/// What came of a canary, and why, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Judgement {
    pub(in crate::engine) outcome: Outcome,
    /// Behind the name of who was asked it makes a sentence.
    pub(in crate::engine) why: String,
}

/// Judges an answer of the engine that was asked for this model.
pub(super) fn judge(status: StatusCode, body: &[u8], model: &str) -> Judgement {
    let judgement = |outcome, why: String| Judgement { outcome, why };
    let refused =
        |outcome| judgement(outcome, format!("answers with status {}{}", status.as_u16(), words(body)));
    match status.as_u16() {
        200 => match choice(body, model) {
            Ok(()) => judgement(Outcome::Right, "answers".to_owned()),
            Err(wrong) => judgement(Outcome::Wrong, format!("answers {wrong}")),
        },
        // Its words may repeat the key.
        401 | 403 => judgement(
            Outcome::Unauthorized,
            format!("answers with status {} (hint: --engine.canary.api-key-file)", status.as_u16()),
        ),
        429 => refused(Outcome::Busy),
        400..=499 => refused(Outcome::Refused),
        500.. => refused(Outcome::Failed),
        _ => refused(Outcome::Wrong),
    }
}

/// What it means that no answer came.
pub(super) fn of_failure(failure: &Failure) -> Judgement {
    let outcome = match failure {
        Failure::Late(_) => Outcome::Timeout,
        Failure::Unreachable(_) | Failure::Tls(_) | Failure::BrokenOff(_) => Outcome::Unreachable,
        Failure::Status(_) | Failure::TooLong(_) => Outcome::Wrong,
    };
    Judgement { outcome, why: failure.to_string() }
}

/// Whether a completion has something in it, and is of this model.
fn choice(body: &[u8], model: &str) -> Result<(), &'static str> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "with something that is no JSON")?;
    if answer["model"].as_str() != Some(model) {
        return Err("for another model");
    }
    let choice = answer["choices"].get(0).ok_or("without a choice")?;
    let has = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    if has(&choice["message"]["content"]) || has(&choice["finish_reason"]) {
        Ok(())
    } else {
        Err("with a choice that has neither text nor an end")
    }
}

/// The reason that an engine gives, in short.
fn words(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = [&answer["error"]["message"], &answer["message"], &answer["error"]];
    let message = message.into_iter().find_map(Value::as_str);
    message.map(|message| format!(": `{}`", excerpt(message))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_choice_of_the_right_model_is_right() {
        let check = |status: u16, body: &str, outcome: Outcome, why: &str| {
            let judged = judge(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "m");
            assert_eq!((judged.outcome, judged.why.as_str()), (outcome, why), "{status} {body}");
        };
        let right = r#"{"model":"m","choices":[{"message":{"content":"Yes"},"finish_reason":null}]}"#;
        check(200, right, Outcome::Right, "answers");
        // A model that thinks first has no text after one token.
        let thinks = r#"{"model":"m","choices":[{"message":{"content":null},"finish_reason":"length"}]}"#;
        check(200, thinks, Outcome::Right, "answers");
        let empty = r#"{"model":"m","choices":[{"message":{"content":""},"finish_reason":null}]}"#;
        check(200, empty, Outcome::Wrong, "answers with a choice that has neither text nor an end");
        check(200, r#"{"model":"m","choices":[]}"#, Outcome::Wrong, "answers without a choice");
        check(200, r#"{"model":"m","choices":"x"}"#, Outcome::Wrong, "answers without a choice");
        check(200, &right.replace("\"m\"", "\"n\""), Outcome::Wrong, "answers for another model");
        check(200, "<html>", Outcome::Wrong, "answers with something that is no JSON");
        check(204, "", Outcome::Wrong, "answers with status 204");
        check(302, "", Outcome::Wrong, "answers with status 302");
        let not_multimodal = r#"{"error":{"message":"m is not a multimodal model","code":400}}"#;
        check(
            400,
            not_multimodal,
            Outcome::Refused,
            "answers with status 400: `m is not a multimodal model`",
        );
        check(404, r#"{"detail":"Not Found"}"#, Outcome::Refused, "answers with status 404");
        check(429, "", Outcome::Busy, "answers with status 429");
        check(
            500,
            r#"{"message":"EngineDeadError"}"#,
            Outcome::Failed,
            "answers with status 500: `EngineDeadError`",
        );
        check(
            401,
            r#"{"error":"wrong key sk-secret"}"#,
            Outcome::Unauthorized,
            "answers with status 401 (hint: --engine.canary.api-key-file)",
        );
    }

    #[test]
    fn no_answer_has_a_result_too() {
        let check = |failure: Failure, outcome: Outcome| assert_eq!(of_failure(&failure).outcome, outcome);
        check(Failure::Late(Duration::from_secs(30)), Outcome::Timeout);
        check(Failure::Unreachable(String::new()), Outcome::Unreachable);
        check(Failure::BrokenOff(String::new()), Outcome::Unreachable);
        check(Failure::TooLong("64 KiB"), Outcome::Wrong);
    }

    proptest! {
        #[test]
        fn no_body_panics(status in 100_u16..1000, body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = judge(StatusCode::from_u16(status).unwrap(), &body, "m");
        }
    }
}

//! What is asked of a target: to send a test message.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::answer::Answer;
use crate::http::caller::Caller;
use crate::http::named::Named;
use crate::outcome::Reason;
use crate::relay::Relay;
use crate::test_report::{TestRefusal, TestReport, TestedPart};

/// `/api/v1/targets/{name}/test`: 200 if the message arrived, 502 if the channel did not take it, 503 if its budget does not allow
/// it now.
pub(super) async fn test(State(relay): State<Arc<Relay>>, Caller(who): Caller, Named(name): Named) -> Answer {
    match relay.send_test_for(&who, &name).await {
        Ok(report) => answer(&report),
        Err(TestRefusal::Unknown(message)) => Answer::new(StatusCode::NOT_FOUND, "error", message),
        Err(later @ (TestRefusal::Stopping | TestRefusal::Store(_) | TestRefusal::Elsewhere)) => {
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error", later.to_string())
        }
    }
}

fn answer(report: &TestReport) -> Answer {
    let message = report.lines().join("\n");
    let answer = match report.not_before() {
        _ if report.is_delivered() => Answer::new(StatusCode::OK, "delivered", message),
        Some(wait) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "waiting", message).again_after(wait),
        None => Answer::new(StatusCode::BAD_GATEWAY, "failed", message),
    };
    let parts: Vec<Value> = report.parts.iter().map(part).collect();
    answer.with("target", report.target.as_str()).with("parts", parts)
}

fn part(part: &TestedPart) -> Value {
    match part {
        TestedPart::Sent(outcome) => json!({
            "outcome": outcome.as_str(),
            "reason": outcome.reason().map(Reason::as_str),
            "detail": outcome.detail(),
        }),
        TestedPart::NotBefore(wait) => json!({ "outcome": "not_sent", "wait_seconds": wait.as_secs_f64() }),
    }
}

//! What `WeCom`'s answers mean: the table of its codes.

use std::time::Duration;

use crate::channel::reply::Reply;
use crate::outcome::{Outcome, Reason};

/// The rest of the minute with a margin; no longer penalty is documented.
const THROTTLED: Duration = Duration::from_secs(70);

/// The verdict. The vendor's words carry a hint id and our public address: they stay in the record.
pub(in crate::channel) fn classify(reply: &Reply) -> Outcome {
    let Some(verdict) = reply.verdict("errcode", "errmsg") else { return reply.unproven() };
    let retry = |reason, after| Outcome::Retry { reason, after, detail: verdict.detail("") };
    let rejected = |reason| Outcome::Rejected { reason, detail: verdict.detail("") };
    match verdict.code {
        0 if reply.status == 200 => Outcome::Delivered { receipt: verdict.detail("") },
        0 => reply.unproven(),
        -1 | 45_033 => retry(Reason::Busy, None),
        45_009 => retry(Reason::Throttled, Some(THROTTLED)),
        93_000 => Outcome::Misconfigured {
            reason: Reason::UnknownRobot,
            detail: verdict
                .detail("check `webhook_url`: the key is wrong, or the robot was removed from the group"),
        },
        40_058 if verdict.words.contains("exceed max length") => {
            Outcome::TooLarge { detail: verdict.detail("") }
        }
        40_058 | 40_008 => rejected(Reason::BadRequest),
        44_001 | 44_004 => rejected(Reason::Content),
        _ => retry(Reason::UnknownCode, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(status: u16, body: &str, expected: &Outcome) {
        let outcome = classify(&Reply { status, retry_after: None, body: body.to_owned() });
        assert_eq!(&outcome, expected, "HTTP {status} {body}");
    }

    #[test]
    fn every_documented_code_has_its_outcome() {
        let code = |code: i64, words: &str, expected: &dyn Fn(String) -> Outcome| {
            let body = json!({ "errcode": code, "errmsg": words }).to_string();
            check(200, &body, &expected(format!("errcode {code}: {words}")));
        };
        let retry = |reason, after: Option<u64>| {
            move |detail| Outcome::Retry { reason, after: after.map(Duration::from_secs), detail }
        };
        let rejected = |reason| move |detail| Outcome::Rejected { reason, detail };
        code(0, "ok", &|receipt| Outcome::Delivered { receipt });
        code(-1, "system busy", &retry(Reason::Busy, None));
        code(45_033, "concurrency", &retry(Reason::Busy, None));
        code(45_009, "api freq out of limit", &retry(Reason::Throttled, Some(70)));
        code(93_000, "invalid webhook url, hint: [123], from ip: 1.2.3.4", &|detail| {
            Outcome::Misconfigured {
                reason: Reason::UnknownRobot,
                detail: format!(
                    "{detail} (hint: check `webhook_url`: the key is wrong, or the robot was removed from the group)"
                ),
            }
        });
        code(40_058, "markdown.content exceed max length 4096", &|detail| Outcome::TooLarge { detail });
        code(40_058, "text.content is missing", &rejected(Reason::BadRequest));
        code(40_008, "invalid message type", &rejected(Reason::BadRequest));
        code(44_001, "empty media data", &rejected(Reason::Content));
        code(44_004, "empty content", &rejected(Reason::Content));
        code(1, "something new", &retry(Reason::UnknownCode, None));
    }

    #[test]
    fn only_a_code_of_zero_proves_success() {
        let unproven = |detail: &str| Outcome::Retry {
            reason: Reason::UnprovenReply,
            after: None,
            detail: detail.to_owned(),
        };
        check(200, r#"{"errmsg":"ok"}"#, &unproven(r#"HTTP 200: {"errmsg":"ok"}"#));
        check(200, "<html>", &unproven("HTTP 200: <html>"));
        check(301, r#"{"errcode":0}"#, &unproven(r#"HTTP 301: {"errcode":0}"#));
    }
}

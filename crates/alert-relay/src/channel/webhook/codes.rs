//! What a receiver's status means.
//!
//! 2xx is delivered. What says that the address or the login is wrong keeps the queue until somebody has put it right, since dropping every
//! alert meanwhile would be worse. What is refused otherwise is refused for good.

use crate::channel::reply::Reply;
use crate::outcome::{Outcome, Reason};

pub(in crate::channel) fn classify(reply: &Reply) -> Outcome {
    let detail = reply.excerpt();
    let misconfigured = |reason, hint: &str| {
        let detail = format!("{detail} (hint: {hint})");
        Outcome::Misconfigured { reason, detail }
    };
    match reply.status {
        200..=299 => Outcome::Delivered { receipt: detail },
        408 => Outcome::Retry { reason: Reason::Timeout, after: reply.retry_after, detail },
        429 => Outcome::Retry { reason: Reason::Throttled, after: reply.retry_after, detail },
        500.. => Outcome::Retry { reason: Reason::Busy, after: reply.retry_after, detail },
        413 => Outcome::TooLarge { detail },
        300..=399 => misconfigured(Reason::UnknownRobot, "redirects are not followed: check `url`"),
        404 | 405 | 410 => misconfigured(Reason::UnknownRobot, "nothing takes webhooks there: check `url`"),
        401 | 403 | 407 => {
            misconfigured(Reason::Refused, "check `authorization`, `headers` and `secret` of this webhook")
        }
        _ => Outcome::Rejected { reason: Reason::BadRequest, detail },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::channel::testing::said;

    #[test]
    fn every_status_has_its_outcome() {
        let check = |status: u16, retry_after: Option<u64>, expected: &str| {
            let retry_after = retry_after.map(Duration::from_secs);
            let outcome = classify(&Reply { status, retry_after, body: "words".to_owned() });
            assert_eq!(said(&outcome), expected, "HTTP {status}");
        };
        for status in [200, 201, 202, 204, 299] {
            check(status, Some(9), "delivered");
        }
        check(408, None, "retry timeout");
        check(429, None, "retry throttled");
        check(429, Some(7), "retry throttled after 7s");
        check(500, None, "retry busy");
        check(503, Some(30), "retry busy after 30s");
        check(599, None, "retry busy");
        check(413, None, "too large");
        check(301, None, "misconfigured unknown_robot");
        check(404, None, "misconfigured unknown_robot");
        check(410, None, "misconfigured unknown_robot");
        check(401, None, "misconfigured refused");
        check(403, None, "misconfigured refused");
        check(400, None, "rejected bad_request");
        check(422, None, "rejected bad_request");
        check(100, None, "rejected bad_request");
    }
}

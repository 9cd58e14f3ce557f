//! An HTTP answer, bounded and free of secrets, and what holds for the answers of all robots.
//!
//! HTTP 200 does not mean delivered: the verdict is a number in the body, and success must be there in full, a code that is
//! present and 0. A gateway's page or an object without the code proves nothing.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::outcome::{Outcome, Reason};

/// What the record keeps of an answer, in bytes.
const RECORD_LIMIT: usize = 2_000;

/// Longest pause a reply without a verdict can ask for; longer ones are cut to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(30);

/// Shortest pause that counts as one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// One HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long to wait by the header Retry-After; `None` where it is absent or no number of seconds or date.
    pub(super) retry_after: Option<Duration>,
    /// The body, at most 64 KiB, with our own secrets blacked out.
    pub(super) body: String,
}

impl Reply {
    /// The verdict, when the body has one. The vendor's names for the code and the words are given.
    pub(super) fn verdict(&self, code: &'static str, words: &str) -> Option<Verdict> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let number = body.get(code)?.as_i64()?;
        let words = body.get(words).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Verdict { name: code, code: number, words })
    }

    /// The first part of the body on one line, for the record.
    pub(super) fn excerpt(&self) -> String {
        let line: String = self.body.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let end = line.floor_char_boundary(RECORD_LIMIT);
        format!("HTTP {}: {}", self.status, line[..end].trim())
    }

    /// The outcome of an answer without a verdict: nothing is proven, so the message stays. Only a time that is named is a demand to be left
    /// alone; a page where JSON should be, or a bare 429, is a failure like others.
    pub(super) fn unproven(&self) -> Outcome {
        let detail = self.excerpt();
        let within_reason = |asked: Duration| asked.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        match self.status {
            413 => Outcome::TooLarge { detail },
            429 => {
                let after = self.retry_after.map(within_reason);
                Outcome::Retry { reason: Reason::Throttled, after, detail }
            }
            500.. => Outcome::Retry { reason: Reason::Busy, after: None, detail },
            _ => {
                let after = self.ban().map(within_reason);
                Outcome::Retry { reason: Reason::UnprovenReply, after, detail }
            }
        }
    }

    /// `{"status":1111,"wait":5,…}`: `DingTalk`'s gateway bans this address for so many minutes. A redirect is none.
    fn ban(&self) -> Option<Duration> {
        if self.status != 200 {
            return None;
        }
        let body: Value = serde_json::from_str(&self.body).ok()?;
        let minutes = body.get("wait")?.as_u64()?;
        Some(Duration::from_secs(minutes.saturating_mul(60)))
    }
}

/// What Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3).
pub(super) fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// The number that decides, with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What the vendor calls the number.
    name: &'static str,
    /// The number.
    pub(super) code: i64,
    /// The vendor's words, or nothing.
    pub(super) words: String,
}

impl Verdict {
    /// The verdict for the record, with what can be done about it.
    pub(super) fn detail(&self, hint: &str) -> String {
        let line: String = self.words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words = &line[..line.floor_char_boundary(RECORD_LIMIT)];
        let hint = if hint.is_empty() { String::new() } else { format!(" (hint: {hint})") };
        format!("{} {}: {words}{hint}", self.name, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T06:08:22Z".parse().unwrap();
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(parse_retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Mon, 23 Nov 2026 06:10:22 GMT", Some(120));
        check("Mon, 23 Nov 2026 06:00:00 GMT", Some(0));
        for value in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            check(value, None);
        }
    }

    #[test]
    fn a_gateway_is_left_alone_as_long_as_it_asks_within_reason() {
        let after = |asked: Option<u64>| {
            let retry_after = asked.map(Duration::from_secs);
            let Outcome::Retry { after, .. } =
                (Reply { status: 429, retry_after, body: String::new() }).unproven()
            else {
                panic!("429 is a retry")
            };
            after.map(|after| after.as_secs())
        };
        assert_eq!(
            [None, Some(0), Some(7), Some(900), Some(999_999)].map(after),
            [None, Some(1), Some(7), Some(900), Some(1_800)]
        );
    }
}

//! What fuzzers drive of the channels.

use serde_json::Value;

pub use super::email::fuzz::mail_reply;
use super::reply::Reply;
use super::{dingtalk, webhook, wecom};
use crate::outcome::Outcome;

/// The answer of a robot, its status in the first two bytes: it counts as delivered only with the proof of its vendor, and what is kept of it
/// is bounded and on one line.
pub fn vendor_reply(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else { return };
    let status = 100 + u16::from_le_bytes(*status) % 500;
    let body = String::from_utf8_lossy(body).into_owned();
    let reply = Reply { status, retry_after: None, body };
    let is_zero = serde_json::from_str::<Value>(&reply.body).is_ok_and(|body| body["errcode"] == 0);
    let proven = status == 200 && is_zero;
    check(&dingtalk::codes::classify(&reply), proven);
    check(&wecom::codes::classify(&reply), proven);
    check(&webhook::codes::classify(&reply), (200..300).contains(&status));
}

pub(super) fn check(outcome: &Outcome, proven: bool) {
    let (is_delivered, words) = match outcome {
        Outcome::Delivered { receipt } => (true, receipt),
        Outcome::Retry { detail, .. }
        | Outcome::TooLarge { detail }
        | Outcome::Misconfigured { detail, .. }
        | Outcome::Rejected { detail, .. } => (false, detail),
    };
    assert!(!is_delivered || proven, "delivered without proof: {words}");
    assert!(words.len() < 4_000 && !words.contains(char::is_control), "{words:?}");
}

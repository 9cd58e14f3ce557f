//! What `DingTalk`'s answers mean: the table of its codes.

use std::time::Duration;

use crate::channel::reply::Reply;
use crate::outcome::{Outcome, Reason};

/// How long the vendor mutes a robot that sent too fast.
const MUTED: Duration = Duration::from_mins(10);

/// How long to leave a robot alone whose organisation used up its calls.
const QUOTA_PAUSE: Duration = Duration::from_hours(1);

/// The verdict. Codes first, words second: 310000 and 300001 have several meanings.
pub(in crate::channel) fn classify(reply: &Reply) -> Outcome {
    let Some(verdict) = reply.verdict("errcode", "errmsg") else { return reply.unproven() };
    let retry = |reason, after, hint| Outcome::Retry { reason, after, detail: verdict.detail(hint) };
    let misconfigured = |reason, hint| Outcome::Misconfigured { reason, detail: verdict.detail(hint) };
    let rejected = |reason| Outcome::Rejected { reason, detail: verdict.detail("") };
    let words = verdict.words.to_lowercase();
    match verdict.code {
        0 if reply.status == 200 => Outcome::Delivered { receipt: verdict.detail("") },
        0 => reply.unproven(),
        -1 => retry(Reason::Busy, None, ""),
        90_002 | 90_018 => retry(Reason::Busy, Some(Duration::from_secs(1)), ""),
        130_101 | 410_100 => {
            retry(Reason::Throttled, Some(MUTED), "another sender may use this robot; lower `budget`")
        }
        90_030 => {
            retry(Reason::Throttled, Some(QUOTA_PAUSE), "the organisation's quota of robot calls is used up")
        }
        310_000 => misconfigured(Reason::Refused, security_hint(&words)),
        300_001 if words.contains("null") || words.contains("title") || words.contains("text") => {
            rejected(Reason::Content)
        }
        300_001 | 300_005 | 400_101 => {
            misconfigured(Reason::UnknownRobot, "check `webhook_url`: the robot's token does not exist")
        }
        400_102 => {
            misconfigured(Reason::UnknownRobot, "the robot was stopped: enable it in the group's settings")
        }
        400_106 => misconfigured(Reason::UnknownRobot, "the robot was removed from the group"),
        400_013 => misconfigured(Reason::UnknownRobot, "the group was dissolved"),
        400_105 | 40_035 | 43_002 | 43_004 => rejected(Reason::BadRequest),
        430_101..=430_104 => rejected(Reason::Content),
        460_101 | 101_002 => Outcome::TooLarge { detail: verdict.detail("") },
        _ => retry(Reason::UnknownCode, None, ""),
    }
}

const SIGNATURE: &str = "check `secret`: the robot's signing secret, beginning with SEC";

/// What to do about 310000, whose text says which of the robot's checks failed, in English (`keywords not in content`) or in Chinese
/// (`description:关键词不匹配;solution:…`, `错误描述:关键词不匹配`). Only the description counts: a solution may name the other checks.
fn security_hint(words: &str) -> &'static str {
    let described = words.split([';', '；']).next().unwrap_or_default();
    // Whole words: "description" has "ip" in it, and "assigned" has "sign".
    let says = |wanted: &[&str]| {
        described.split(|symbol: char| !symbol.is_ascii_alphanumeric()).any(|word| wanted.contains(&word))
    };
    if says(&["keyword", "keywords"]) || described.contains("关键词") {
        "the robot demands a keyword: put it into a `template`, or use a signature (加签)"
    } else if described.contains("签名不匹配") {
        SIGNATURE
    } else if says(&["timestamp", "expire", "expired"])
        || described.contains("时间戳")
        || described.contains("过期")
    {
        "the signature's time is refused: check this machine's clock"
    } else if says(&["sign", "signature"]) || described.contains("签名") || described.contains("加签") {
        SIGNATURE
    } else if says(&["whitelist", "ip", "ips"]) || described.contains("白名单") {
        "add this machine's public address to the robot's address list"
    } else {
        "the robot's security settings refuse us: see keyword, signature and addresses there"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::channel::testing::said;

    fn verdict(status: u16, body: &str) -> Outcome {
        classify(&Reply { status, retry_after: None, body: body.to_owned() })
    }

    fn check(status: u16, body: &str, expected: &str) {
        assert_eq!(said(&verdict(status, body)), expected, "HTTP {status} {body}");
    }

    #[test]
    fn every_documented_code_has_its_outcome() {
        let code = |code: i64, words: &str, expected: &str| {
            check(200, &json!({ "errcode": code, "errmsg": words }).to_string(), expected);
        };
        code(0, "ok", "delivered");
        code(-1, "system busy", "retry busy");
        code(90_002, "qps", "retry busy after 1s");
        code(90_018, "qps", "retry busy after 1s");
        code(130_101, "send too fast, exceed 20 times per minute", "retry throttled after 600s");
        code(410_100, "sending too fast", "retry throttled after 600s");
        code(90_030, "webhook over limit", "retry throttled after 3600s");
        code(310_000, "keywords not in content", "misconfigured refused");
        code(310_000, "sign not match", "misconfigured refused");
        code(310_000, "ip 1.2.3.4 not in whitelist", "misconfigured refused");
        code(310_000, "invalid timestamp", "misconfigured refused");
        code(300_001, "param title or text is null", "rejected content");
        code(300_001, "token is not exist", "misconfigured unknown_robot");
        code(300_005, "token is not exist", "misconfigured unknown_robot");
        code(400_101, "token is not exist", "misconfigured unknown_robot");
        code(400_102, "robot stopped", "misconfigured unknown_robot");
        code(400_106, "robot not in group", "misconfigured unknown_robot");
        code(400_013, "group dissolved", "misconfigured unknown_robot");
        code(400_105, "unsupported msgtype", "rejected bad_request");
        code(40_035, "missing parameter", "rejected bad_request");
        code(43_002, "require http POST method", "rejected bad_request");
        code(43_004, "invalid content type", "rejected bad_request");
        code(430_101, "unsafe link", "rejected content");
        code(430_102, "improper text", "rejected content");
        code(430_103, "improper image", "rejected content");
        code(430_104, "improper content", "rejected content");
        code(460_101, "message too long, exceed 20000 bytes", "too large");
        code(101_002, "message is too long", "too large");
        code(999_999, "something new", "retry unknown_code");
    }

    #[test]
    fn only_a_code_of_zero_proves_success() {
        check(200, r#"{"errmsg":"ok"}"#, "retry unproven_reply");
        check(200, r#"{"errcode":null}"#, "retry unproven_reply");
        check(200, r#"{"errcode":"0"}"#, "retry unproven_reply");
        check(
            200,
            r#"{"status":1111,"wait":5,"source":"x5","punish":"deny"}"#,
            "retry unproven_reply after 300s",
        );
        check(200, r#"{"status":1111,"wait":10}"#, "retry unproven_reply after 600s");
        check(200, r#"{"wait":99999999999999999}"#, "retry unproven_reply after 1800s");
        check(200, "<html>please wait</html>", "retry unproven_reply");
        check(200, r#"{"status":1111}"#, "retry unproven_reply");
        check(200, "", "retry unproven_reply");
        check(200, "[0]", "retry unproven_reply");
        check(302, r#"{"errcode":0}"#, "retry unproven_reply");
        check(404, "not found", "retry unproven_reply");
        check(413, "too large", "too large");
        check(429, "slow down", "retry throttled");
        check(500, "oops", "retry busy");
        check(502, r#"{"errcode":0}"#, "retry busy");
        check(400, r#"{"errcode":43002,"errmsg":"require http POST method"}"#, "rejected bad_request");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let Outcome::Misconfigured { detail, .. } =
            verdict(200, r#"{"errcode":310000,"errmsg":"sign not match"}"#)
        else {
            panic!("not misconfigured")
        };
        assert_eq!(
            detail,
            "errcode 310000: sign not match (hint: check `secret`: the robot's signing secret, beginning with SEC)"
        );
    }

    /// Texts as they were answered over the years.
    #[test]
    fn a_failed_check_is_told_from_the_others() {
        let check = |words: &str, expected: &str| {
            let hint = security_hint(&words.to_lowercase());
            assert!(hint.contains(expected), "{words}: {hint}");
        };
        check("keywords not in content", "keyword");
        check("sign not match", "secret");
        check("ip 1.2.3.4 not in whitelist", "address list");
        check("invalid timestamp", "clock");
        check(
            "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词;",
            "keyword",
        );
        check(
            "description:机器人发送签名不匹配，请确认签名和生成签名的时间戳必须都放在调用的网址中;solution:请确认",
            "secret",
        );
        check("错误描述:关键词不匹配;解决方案:请联系群管理员", "keyword");
        check("description:来源IP地址不在白名单中;solution:请确认发送消息来源IP地址", "address list");
        check("description: assigned elsewhere", "security settings");
    }

    proptest! {
        #[test]
        fn any_answer_has_an_outcome(status in 100_u16..600, body in any::<String>()) {
            let outcome = verdict(status, &body);
            let is_delivered = matches!(outcome, Outcome::Delivered { .. });
            prop_assert!(!is_delivered, "nothing random proves success");
        }
    }
}

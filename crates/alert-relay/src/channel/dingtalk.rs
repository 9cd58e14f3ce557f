//! `DingTalk` custom group robot (自定义机器人): signed markdown messages.
//!
//! Limits, codes and the signature are those of the page "custom robots send group messages" of `DingTalk`'s open platform.
//! More than 20 messages a minute mute the robot for 10 minutes; the budget that prevents it is not this file's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::channel::dingtalk::sign::{Signature, sign};
use crate::channel::hook::Hook;
use crate::channel::reply::Reply;
use crate::channel::{ChannelError, Part, Payload, RobotId, Stamp, Texts};
use crate::message::Message;
use crate::message::Wording;
use crate::outcome::{Outcome, Reason};
use crate::people::Person;
use crate::render::Draft;
use crate::render::markup::Markup;
use crate::settings::TargetSettings;
use crate::split::Room;
use settings_document::Secret;

mod sign;

/// The keys under `dingtalk:`.
#[derive(Clone, Debug)]
pub(crate) struct DingTalkSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `access_token`.
    pub(crate) webhook_url: Secret,
    /// `secret` or `secret_file`: signs each request (加签); `None` when the robot uses keywords or an address list.
    pub(crate) secret: Option<Secret>,
}

/// Bytes of the whole request body; the robot refuses more than 20 000 with 460101.
const BODY_LIMIT: usize = 19_600;

/// Parts of one message: 58 kB is more than anybody reads on a phone.
const MOST_PARTS: usize = 3;

/// People mentioned in one message.
const MOST_MENTIONS: usize = 20;

/// How long the vendor mutes a robot that sent too fast.
const MUTED: Duration = Duration::from_mins(10);

/// How long to leave a robot alone whose organisation used up its calls.
const QUOTA_PAUSE: Duration = Duration::from_hours(1);

/// One robot.
#[derive(Debug)]
pub(crate) struct DingTalk {
    hook: Hook,
    secret: Option<Secret>,
    texts: Texts,
}

impl DingTalk {
    /// See [`Channel::new`](crate::channel::Channel::new).
    pub(crate) fn new(settings: &DingTalkSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
        Ok(Self {
            hook: Hook::new(&settings.webhook_url, settings.secret.as_ref(), target)?,
            secret: settings.secret.clone(),
            texts: Texts::new(Markup::DingTalk, target)?,
        })
    }

    /// The robot behind the token.
    pub(crate) fn robot(&self) -> &RobotId {
        self.hook.robot()
    }

    /// Markdown messages (plain `text` ones for [`Wording::Plain`]); the first mentions people when alerts are new.
    pub(crate) fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let mentions = Mentions::of(message);
        let limit = if wording == Wording::Smaller { BODY_LIMIT / 2 } else { BODY_LIMIT };
        let room = |draft: &Draft| {
            let envelope = body(wording, &draft.title, "", &mentions);
            Room {
                bytes: limit.saturating_sub(envelope.len()),
                parts: MOST_PARTS,
                cost: encoded_len,
                separator: "\n\n",
            }
        };
        let mention = mentions.text();
        let (title, texts) = self.texts.pack(message, wording, &mention, room, |draft| {
            if wording == Wording::Plain { draft } else { with_line_breaks(draft) }
        });
        let nobody = Mentions::default();
        let bodies = texts.iter().enumerate().map(|(index, text)| {
            let mentions = if index == 0 { &mentions } else { &nobody };
            Part { payload: Payload::Json(body(wording, &title, text, mentions)) }
        });
        bodies.collect()
    }

    /// Posts one part, signed for this attempt.
    pub(crate) async fn send(&self, part: &Part, stamp: &Stamp<'_>) -> Outcome {
        let Payload::Json(body) = &part.payload else { return Part::foreign() };
        let signature = self.secret.as_ref().map(|secret| sign(secret, stamp.at));
        let query = match &signature {
            Some(Signature { timestamp, sign }) => {
                vec![("timestamp", timestamp.as_str()), ("sign", sign.as_str())]
            }
            None => Vec::new(),
        };
        match self.hook.post(&query, body).await {
            Ok(reply) => classify(&reply),
            Err(outcome) => outcome,
        }
    }
}

/// The request body.
fn body(wording: Wording, title: &str, text: &str, mentions: &Mentions) -> String {
    let at =
        json!({ "atMobiles": mentions.mobiles, "atUserIds": mentions.users, "isAtAll": mentions.everyone });
    let body: Value = match wording {
        Wording::Plain => json!({ "msgtype": "text", "text": { "content": text }, "at": at }),
        Wording::Normal | Wording::Smaller => {
            json!({ "msgtype": "markdown", "markdown": { "title": title, "text": text }, "at": at })
        }
    };
    body.to_string()
}

/// Whom the robot calls: only members of the group can be.
#[derive(Debug, Default)]
struct Mentions {
    mobiles: Vec<String>,
    users: Vec<String>,
    everyone: bool,
}

impl Mentions {
    /// Nobody, unless alerts are new: a repeat or an all-clear rings no phone.
    fn of(message: &Message) -> Self {
        let mut mentions = Self::default();
        if message.changes.new.is_empty() {
            return mentions;
        }
        for Person { dingtalk, mobile, .. } in message.mentions.iter().take(MOST_MENTIONS) {
            match (dingtalk, mobile) {
                (Some(id), _) if id == "@all" => mentions.everyone = true,
                (Some(id), _) => mentions.users.push(id.clone()),
                (None, Some(number)) => mentions.mobiles.push(number.clone()),
                (None, None) => {}
            }
        }
        mentions
    }

    /// The same names in the text: without them nobody is called.
    fn text(&self) -> String {
        let names = self.users.iter().chain(&self.mobiles).map(|name| format!("@{name}"));
        names.collect::<Vec<_>>().join(" ")
    }
}

/// A single line feed is no line break in `DingTalk`'s markdown; two spaces before it make one.
fn with_line_breaks(mut draft: Draft) -> Draft {
    let broken = |text: &str| text.replace('\n', "  \n").replace("  \n  \n", "\n\n");
    draft.header = broken(&draft.header);
    draft.footer = broken(&draft.footer);
    draft.blocks = draft.blocks.iter().map(|block| broken(block)).collect();
    draft
}

/// What a text costs inside a JSON string, as `serde_json` writes it.
fn encoded_len(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

/// The verdict. Codes first, words second: 310000 and 300001 have several meanings.
fn classify(reply: &Reply) -> Outcome {
    let Some(verdict) = reply.verdict() else { return reply.unproven() };
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
        310_000 if words.contains("keyword") => misconfigured(
            Reason::Refused,
            "the robot demands a keyword: put it into a `template`, or use a signature (加签)",
        ),
        310_000 if words.contains("timestamp") || words.contains("expire") => {
            misconfigured(Reason::Refused, "the signature's time is refused: check this machine's clock")
        }
        310_000 if words.contains("sign") => {
            misconfigured(Reason::Refused, "check `secret`: the robot's signing secret, beginning with SEC")
        }
        310_000 if words.contains("whitelist") || words.contains("ip") => {
            misconfigured(Reason::Refused, "add this machine's public address to the robot's address list")
        }
        310_000 => misconfigured(Reason::Refused, "the robot's security settings refuse us"),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(status: u16, body: &str) -> Outcome {
        classify(&Reply { status, body: body.to_owned() })
    }

    /// What an outcome says, without its words.
    fn said(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Delivered { .. } => "delivered".to_owned(),
            Outcome::Retry { reason, after, .. } => {
                let after = after.map_or(String::new(), |after| format!(" after {}s", after.as_secs()));
                format!("retry {}{after}", reason.as_str())
            }
            Outcome::TooLarge { .. } => "too large".to_owned(),
            Outcome::Misconfigured { reason, .. } => format!("misconfigured {}", reason.as_str()),
            Outcome::Rejected { reason, .. } => format!("rejected {}", reason.as_str()),
        }
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
        check(200, r#"{"errmsg":"ok"}"#, "retry unproven_reply after 300s");
        check(200, r#"{"errcode":null}"#, "retry unproven_reply after 300s");
        check(200, r#"{"errcode":"0"}"#, "retry unproven_reply after 300s");
        check(
            200,
            r#"{"status":1111,"wait":5,"source":"x5","punish":"deny"}"#,
            "retry unproven_reply after 300s",
        );
        check(200, r#"{"status":1111,"wait":10}"#, "retry unproven_reply after 600s");
        check(200, r#"{"wait":99999999999999999}"#, "retry unproven_reply after 1800s");
        check(200, "<html>please wait</html>", "retry unproven_reply after 300s");
        check(200, "", "retry unproven_reply after 300s");
        check(200, "[0]", "retry unproven_reply after 300s");
        check(302, r#"{"errcode":0}"#, "retry unproven_reply");
        check(404, "not found", "retry unproven_reply");
        check(413, "too large", "too large");
        check(429, "slow down", "retry throttled after 300s");
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

    #[test]
    fn line_breaks_survive_the_vendor() {
        let draft = Draft { header: "a\nb\n\nc".to_owned(), ..Draft::default() };
        assert_eq!(with_line_breaks(draft).header, "a  \nb\n\nc");
    }

    proptest! {
        #[test]
        fn the_cost_is_what_json_takes(text in any::<String>()) {
            let json = serde_json::to_string(&text).expect("a string is JSON");
            prop_assert_eq!(encoded_len(&text), json.len() - 2);
        }

        #[test]
        fn any_answer_has_an_outcome(status in 100_u16..600, body in any::<String>()) {
            let outcome = verdict(status, &body);
            let is_delivered = matches!(outcome, Outcome::Delivered { .. });
            prop_assert!(!is_delivered, "nothing random proves success");
        }
    }
}

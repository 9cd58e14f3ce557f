//! `WeCom` group robot (群机器人, now 消息推送): markdown messages.
//!
//! Limits and codes are those of `WeCom`'s developer pages 91770 and 90455.

use std::time::Duration;

use serde_json::json;

use crate::channel::hook::Hook;
use crate::channel::reply::Reply;
use crate::channel::{ChannelError, Part, Payload, RobotId, Stamp, Texts};
use crate::message::Message;
use crate::message::Wording;
use crate::outcome::{Outcome, Reason};
use crate::people::Person;
use crate::render::markup::Markup;
use crate::settings::TargetSettings;
use crate::split::Room;
use settings_document::Secret;

/// The keys under `wecom:`.
#[derive(Clone, Debug)]
pub(crate) struct WecomSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `key`.
    pub(crate) webhook_url: Secret,
}

/// Bytes of a markdown message's content; the robot refuses more than 4096 with 40058.
const MARKDOWN_LIMIT: usize = 4_000;

/// Bytes of a text message's content; 2048 are allowed.
const TEXT_LIMIT: usize = 2_000;

/// Clients show an empty line only for three line feeds.
const SEPARATOR: &str = "\n\n\n";

/// Parts of one message: a fifth of a minute's budget.
const MOST_PARTS: usize = 4;

/// People mentioned in one message.
const MOST_MENTIONS: usize = 20;

/// The rest of the minute with a margin; no longer penalty is documented.
const THROTTLED: Duration = Duration::from_secs(70);

/// One robot.
#[derive(Debug)]
pub(crate) struct Wecom {
    hook: Hook,
    texts: Texts,
}

impl Wecom {
    /// See [`Channel::new`](crate::channel::Channel::new).
    pub(crate) fn new(settings: &WecomSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
        Ok(Self {
            hook: Hook::new(&settings.webhook_url, None, target)?,
            texts: Texts::new(Markup::Wecom, target)?,
        })
    }

    /// The robot behind the key.
    pub(crate) fn robot(&self) -> &RobotId {
        self.hook.robot()
    }

    /// Markdown messages (plain `text` ones for [`Wording::Plain`]). When alerts are new, user ids are mentioned in the first;
    /// phone numbers and `@all` can't be, so a short text message rings them right after it.
    pub(crate) fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let mentions = Mentions::of(message);
        let bytes = match wording {
            Wording::Normal => MARKDOWN_LIMIT,
            Wording::Smaller => MARKDOWN_LIMIT / 2,
            Wording::Plain => TEXT_LIMIT,
        };
        let mention = if wording == Wording::Plain { String::new() } else { mentions.text() };
        let room = Room { bytes, parts: MOST_PARTS, cost: str::len, separator: SEPARATOR };
        let (title, texts) = self.texts.pack(message, wording, &mention, |_| room, |draft| draft);
        let part = |body: serde_json::Value| Part { payload: Payload::Json(body.to_string()) };
        if wording == Wording::Plain {
            let nobody = Mentions::default();
            let bodies = texts.iter().enumerate().map(|(index, text)| {
                let mentions = if index == 0 { &mentions } else { &nobody };
                part(text_body(text, &mentions.users, mentions))
            });
            return bodies.collect();
        }
        let mut parts: Vec<Part> = texts
            .iter()
            .map(|text| part(json!({ "msgtype": "markdown", "markdown": { "content": text } })))
            .collect();
        if mentions.needs_text() {
            parts.insert(1, part(text_body(&title, &[], &mentions)));
        }
        parts
    }

    /// Posts one part.
    pub(crate) async fn send(&self, part: &Part, _stamp: &Stamp<'_>) -> Outcome {
        let Payload::Json(body) = &part.payload else { return Part::foreign() };
        match self.hook.post(&[], body).await {
            Ok(reply) => classify(&reply),
            Err(outcome) => outcome,
        }
    }
}

/// A text message that rings.
fn text_body(content: &str, users: &[String], mentions: &Mentions) -> serde_json::Value {
    let mut list: Vec<&str> = users.iter().map(String::as_str).collect();
    if mentions.everyone {
        list.push("@all");
    }
    json!({ "msgtype": "text", "text": { "content": content, "mentioned_list": list, "mentioned_mobile_list": mentions.mobiles } })
}

/// Whom the robot calls.
#[derive(Debug, Default)]
struct Mentions {
    users: Vec<String>,
    mobiles: Vec<String>,
    everyone: bool,
}

impl Mentions {
    /// Nobody, unless alerts are new: a repeat or an all-clear rings no phone.
    fn of(message: &Message) -> Self {
        let mut mentions = Self::default();
        if message.changes.new.is_empty() {
            return mentions;
        }
        for Person { wecom, mobile, .. } in message.mentions.iter().take(MOST_MENTIONS) {
            match (wecom, mobile) {
                (Some(id), _) if id == "@all" => mentions.everyone = true,
                (Some(id), _) => mentions.users.push(id.clone()),
                (None, Some(number)) => mentions.mobiles.push(number.clone()),
                (None, None) => {}
            }
        }
        mentions
    }

    /// User ids as markdown mentions.
    fn text(&self) -> String {
        self.users.iter().map(|id| format!("<@{id}>")).collect::<Vec<_>>().join(" ")
    }

    fn needs_text(&self) -> bool {
        self.everyone || !self.mobiles.is_empty()
    }
}

/// The verdict. The vendor's words carry a hint id and our public address: they stay in the record.
fn classify(reply: &Reply) -> Outcome {
    let Some(verdict) = reply.verdict() else { return reply.unproven() };
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
    use super::*;

    fn check(status: u16, body: &str, expected: &Outcome) {
        let outcome = classify(&Reply { status, body: body.to_owned() });
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
        let unproven = |after, detail: &str| Outcome::Retry {
            reason: Reason::UnprovenReply,
            after,
            detail: detail.to_owned(),
        };
        let pause = Some(Duration::from_mins(5));
        check(200, r#"{"errmsg":"ok"}"#, &unproven(pause, r#"HTTP 200: {"errmsg":"ok"}"#));
        check(200, "<html>", &unproven(pause, "HTTP 200: <html>"));
        check(301, r#"{"errcode":0}"#, &unproven(None, r#"HTTP 301: {"errcode":0}"#));
    }
}

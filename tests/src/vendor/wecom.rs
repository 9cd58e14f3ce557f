//! A `WeCom` group robot (群机器人, 消息推送), as developer page 91770 describes it: key, types, sizes in bytes and 20
//! messages a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use http::Method;
use serde_json::Value;
use test_peers::endpoint::Call;

use crate::vendor::robot::{Post, Robot, Verdict};
use crate::vendor::traffic::{Limit, Traffic};

const PATH: &str = "/cgi-bin/webhook/send";
/// `content` of markdown and `markdown_v2`, in bytes of UTF-8.
const MAX_MARKDOWN: usize = 4096;
/// `content` of text, in bytes of UTF-8.
const MAX_TEXT: usize = 2048;
/// What the vendor states: 20 a minute; only the excess is refused.
pub const LIMIT: Limit = Limit { calls: 20, window: Duration::from_mins(1), mute: Duration::ZERO };

/// How the robot was set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `key` of its address.
    pub key: String,
    /// How often it may be called.
    pub limit: Limit,
}

impl Default for Setup {
    fn default() -> Self {
        Self { key: "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa".to_owned(), limit: LIMIT }
    }
}

/// A robot that runs.
pub struct Wecom {
    /// Its chat, its record and its faults.
    pub robot: Robot,
    setup: Setup,
}

impl Wecom {
    /// Serves on a free port.
    pub fn start(setup: Setup) -> Result<Self> {
        let traffic = Mutex::new(Traffic::default());
        let rules = setup.clone();
        let robot = Robot::start(PATH, move |call, now| {
            judge(&rules, call, &mut traffic.lock().unwrap_or_else(PoisonError::into_inner), now)
        })?;
        Ok(Self { robot, setup })
    }

    /// The address the group's settings show: a secret in real life.
    pub fn webhook_url(&self) -> String {
        format!("http://{}{PATH}?key={}", self.robot.address(), self.setup.key)
    }
}

fn judge(setup: &Setup, call: &Call, traffic: &mut Traffic, now: Instant) -> Verdict {
    match admit(setup, call, traffic, now).and_then(|()| read(call)) {
        Ok(post) => Verdict::Posted(post),
        Err((code, text)) => Verdict::Refused(code, text),
    }
}

type Refusal = (i64, String);

/// Who calls, and how often. Whether the vendor counts calls it cannot read is not said: here every one counts.
fn admit(setup: &Setup, call: &Call, traffic: &mut Traffic, now: Instant) -> Result<(), Refusal> {
    if call.method != Method::POST || call.query.get("key") != Some(&setup.key) {
        return Err((93_000, with_hint("invalid webhook url")));
    }
    if !traffic.take(now, setup.limit) {
        return Err((45_009, with_hint("api freq out of limit")));
    }
    Ok(())
}

/// The vendor appends a number for its support and the caller's address.
fn with_hint(text: &str) -> String {
    format!("{text}, hint: [1577808000123456], from ip: 127.0.0.1")
}

fn read(call: &Call) -> Result<Post, Refusal> {
    let unread = || (40_008, "invalid message type".to_owned());
    if !call.content_type().starts_with("application/json") {
        return Err(unread());
    }
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| unread())?;
    let kind = body.get("msgtype").and_then(Value::as_str).unwrap_or("");
    let limit = match kind {
        "markdown" | "markdown_v2" => MAX_MARKDOWN,
        "text" => MAX_TEXT,
        _ => return Err(unread()),
    };
    let section = &body[kind];
    let content = section.get("content").and_then(Value::as_str).unwrap_or("");
    if content.is_empty() {
        return Err((44_004, "empty content".to_owned()));
    }
    if content.len() > limit {
        let text = format!("{kind}.content exceed max length {limit}. invalid Request Parameter");
        return Err((40_058, text));
    }
    let mentions = match kind {
        "markdown" => named_in(content),
        "text" => ["mentioned_list", "mentioned_mobile_list"]
            .into_iter()
            .filter_map(|list| section.get(list)?.as_array())
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    Ok(Post { title: None, text: content.to_owned(), mentions })
}

/// Markdown notifies by `<@userid>` only; `@all` and numbers do nothing there.
fn named_in(content: &str) -> Vec<String> {
    content
        .split("<@")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "all")
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;
    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    fn call(body: &Value) -> Call {
        Call {
            at: SystemTime::now(),
            method: Method::POST,
            query: [("key".to_owned(), Setup::default().key)].into(),
            path: PATH.to_owned(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
            body: Bytes::from(body.to_string()),
        }
    }

    fn code(call: &Call) -> i64 {
        match judge(&Setup::default(), call, &mut Traffic::default(), Instant::now()) {
            Verdict::Posted(_) => 0,
            Verdict::Refused(code, _) => code,
        }
    }

    #[test]
    fn each_mistake_has_its_code() {
        let check = |body: Value, expected: i64| assert_eq!(code(&call(&body)), expected, "{body}");
        check(json!({"msgtype": "markdown", "markdown": {"content": "x"}}), 0);
        check(json!({"msgtype": "markdown", "markdown": {"content": ""}}), 44_004);
        check(json!({"msgtype": "markdown", "text": {"content": "x"}}), 44_004);
        check(json!({"msgtype": "card"}), 40_008);
        check(json!([]), 40_008);
        let mut stranger = call(&json!({"msgtype": "text", "text": {"content": "x"}}));
        assert_eq!(code(&stranger), 0);
        stranger.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert_eq!(code(&stranger), 40_008);
        stranger.query.clear();
        assert_eq!(code(&stranger), 93_000);
    }

    #[test]
    fn sizes_count_bytes_not_characters() {
        let check = |kind: &str, characters: usize, expected: i64| {
            assert_eq!(
                code(&call(&json!({"msgtype": kind, kind: {"content": "满".repeat(characters)}}))),
                expected
            );
        };
        check("markdown", 1365, 0);
        check("markdown", 1366, 40_058);
        check("text", 682, 0);
        check("text", 683, 40_058);
    }

    #[test]
    fn who_is_notified() {
        let notified = |body: Value| read(&call(&body)).unwrap().mentions;
        assert_eq!(
            notified(json!({"msgtype": "markdown", "markdown": {"content": "a <@zhangsan> <@all>"}})),
            ["zhangsan"]
        );
        let text = json!({"msgtype": "text", "text": {"content": "a", "mentioned_list": ["@all"], "mentioned_mobile_list": ["138"]}});
        assert_eq!(notified(text), ["@all", "138"]);
    }

    #[test]
    fn only_the_excess_of_a_minute_is_refused() {
        let call = call(&json!({"msgtype": "text", "text": {"content": "x"}}));
        let (setup, now) = (Setup::default(), Instant::now());
        let mut traffic = Traffic::default();
        let mut posts_at = |second: u64| {
            matches!(
                judge(&setup, &call, &mut traffic, now + Duration::from_secs(second)),
                Verdict::Posted(_)
            )
        };
        assert!((0..20).all(|_| posts_at(0)));
        assert!(!posts_at(30));
        assert!(posts_at(60));
    }

    #[test]
    fn a_call_that_posts_nothing_counts_as_well() {
        let empty = call(&json!({}));
        let (setup, now) = (Setup::default(), Instant::now());
        let mut traffic = Traffic::default();
        let mut codes = (0..21).map(|_| match judge(&setup, &empty, &mut traffic, now) {
            Verdict::Posted(_) => 0,
            Verdict::Refused(code, _) => code,
        });
        assert!(codes.by_ref().take(20).all(|code| code == 40_008));
        assert_eq!(codes.next(), Some(45_009));
    }
}

//! A `DingTalk` custom group robot (自定义机器人), as its page "custom-robots-send-group-messages" describes it: token,
//! signature, keywords, types, sizes and the 20 messages a minute with their ten minutes of silence.
//!
//! Codes and texts are those users have reported for the live endpoint.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use serde_json::Value;
use sha2::Sha256;
use test_peers::endpoint::Call;

use crate::vendor::robot::{Post, Robot, Verdict};
use crate::vendor::traffic::{Limit, Traffic};

const PATH: &str = "/robot/send";
/// The whole request body, in bytes as sent.
const MAX_BODY: usize = 20_000;
/// How far the caller's clock may be off.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(1);
/// What the vendor states: 20 a minute, and who exceeds it is silent for ten minutes.
pub const LIMIT: Limit = Limit { calls: 20, window: Duration::from_mins(1), mute: Duration::from_mins(10) };

/// How the robot was set up in the group's settings.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `access_token` of its address.
    pub token: String,
    /// The secret of 加签; `None` when the group did not choose it.
    pub secret: Option<String>,
    /// Words of which a message must contain one; none when the group did not choose it.
    pub keywords: Vec<String>,
    /// How often it may be called.
    pub limit: Limit,
}

impl Setup {
    /// A signed robot with the vendor's own limit.
    pub fn signed() -> Self {
        Self {
            token: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned(),
            secret: Some("SEC1f2e3d4c5b6a798897a6b5c4d3e2f10f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned()),
            keywords: Vec::new(),
            limit: LIMIT,
        }
    }
}

/// A robot that runs.
pub struct DingTalk {
    /// Its chat, its record and its faults.
    pub robot: Robot,
    setup: Setup,
}

impl DingTalk {
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
        format!("http://{}{PATH}?access_token={}", self.robot.address(), self.setup.token)
    }

    /// The secret the group's settings show.
    pub fn secret(&self) -> &str {
        self.setup.secret.as_deref().unwrap_or_default()
    }
}

fn judge(setup: &Setup, call: &Call, traffic: &mut Traffic, now: Instant) -> Verdict {
    match admit(setup, call, traffic, now).and_then(|()| read(setup, call)) {
        Ok(post) => Verdict::Posted(post),
        Err((code, text)) => Verdict::Refused(code, text.to_owned()),
    }
}

type Refusal = (i64, &'static str);

/// The gateway's part: who calls, how often, how much.
fn admit(setup: &Setup, call: &Call, traffic: &mut Traffic, now: Instant) -> Result<(), Refusal> {
    if call.method != Method::POST {
        return Err((43002, "require POST method"));
    }
    match call.query.get("access_token") {
        None => return Err((40035, "缺少参数 access_token")),
        Some(token) if *token != setup.token => return Err((300_005, "token is not exist")),
        Some(_) => {}
    }
    if !call.content_type().starts_with("application/json") {
        return Err((43004, "invalid Content-Type, should be application/json"));
    }
    if !traffic.take(now, setup.limit) {
        return Err((130_101, "send too fast, exceed 20 times per minute"));
    }
    if let Some(secret) = &setup.secret {
        check_signature(secret, call)?;
    }
    if call.body.len() > MAX_BODY {
        return Err((460_101, "message too long, exceed 20000 bytes"));
    }
    Ok(())
}

/// Of a caller whose clock is off by an hour.
pub const WRONG_TIME: &str = "invalid timestamp";

/// `sign` is base64 of HMAC-SHA256 over `timestamp`, a newline and the secret, with the secret as the key.
fn check_signature(secret: &str, call: &Call) -> Result<(), Refusal> {
    let timestamp = call.query.get("timestamp").map_or("", String::as_str);
    let Ok(milliseconds) = timestamp.parse::<u64>() else {
        return Err((310_000, WRONG_TIME));
    };
    if clock_skew(call.at, UNIX_EPOCH + Duration::from_millis(milliseconds)) > MAX_CLOCK_SKEW {
        return Err((310_000, WRONG_TIME));
    }
    let given = call.query.get("sign").map_or("", String::as_str);
    if given == sign(secret, timestamp) { Ok(()) } else { Err((310_000, "sign not match")) }
}

fn clock_skew(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|earlier| earlier.duration())
}

fn sign(secret: &str, timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{timestamp}\n{secret}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The message itself.
fn read(setup: &Setup, call: &Call) -> Result<Post, Refusal> {
    const EMPTY: Refusal = (300_001, "param title or text is null");
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return Err((40035, "不合法的参数"));
    };
    let field = |path: &str| body.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (title, text) = match field("/msgtype") {
        Some("markdown") => {
            (Some(field("/markdown/title").ok_or(EMPTY)?), field("/markdown/text").ok_or(EMPTY)?)
        }
        Some("actionCard") => {
            (Some(field("/actionCard/title").ok_or(EMPTY)?), field("/actionCard/text").ok_or(EMPTY)?)
        }
        Some("text") => (None, field("/text/content").ok_or(EMPTY)?),
        _ => return Err((400_105, "unsupported msgtype")),
    };
    let has_keyword = |text: &str| setup.keywords.iter().any(|word| text.contains(word));
    if !setup.keywords.is_empty() && !has_keyword(text) && !title.is_some_and(has_keyword) {
        return Err((310_000, "keywords not in content"));
    }
    Ok(Post { title: title.map(str::to_owned), text: text.to_owned(), mentions: mentions(&body, text) })
}

/// Who is notified: those named in `at` and again in the text. Who is named in one place only is not notified.
fn mentions(body: &Value, text: &str) -> Vec<String> {
    let named =
        ["/at/atMobiles", "/at/atUserIds"].into_iter().filter_map(|path| body.pointer(path)?.as_array());
    let mut mentions: Vec<String> = named
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| text.contains(&format!("@{name}")))
        .map(str::to_owned)
        .collect();
    if body.pointer("/at/isAtAll").and_then(Value::as_bool) == Some(true) {
        mentions.push("@all".to_owned());
    }
    mentions
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "SECtestsecret";
    /// 2019-12-31T16:00:00Z, the moment of the signature below.
    const TIMESTAMP: &str = "1577808000000";
    const SIGNATURE: &str = "rdhUiyGbHzH4Olal17v5mIhUEQxxOsuSFZjuo2SM7Xw=";

    fn setup() -> Setup {
        Setup { token: "t".to_owned(), secret: Some(SECRET.to_owned()), ..Setup::signed() }
    }

    fn call(body: &Value) -> Call {
        let query = [("access_token", "t"), ("timestamp", TIMESTAMP), ("sign", SIGNATURE)];
        Call {
            at: UNIX_EPOCH + Duration::from_hours(438_280),
            method: Method::POST,
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            path: PATH.to_owned(),
            headers: HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static("application/json; charset=utf-8"),
            )]),
            body: Bytes::from(body.to_string()),
        }
    }

    fn markdown(text: &str) -> Value {
        json!({"msgtype": "markdown", "markdown": {"title": "磁盘", "text": text}, "at": {"atMobiles": ["13800000000", "139"]}})
    }

    fn code(setup: &Setup, call: &Call) -> i64 {
        match judge(setup, call, &mut Traffic::default(), Instant::now()) {
            Verdict::Posted(_) => 0,
            Verdict::Refused(code, _) => code,
        }
    }

    #[test]
    fn a_good_call_is_posted_and_notifies_only_who_is_named_twice() {
        let verdict =
            judge(&setup(), &call(&markdown("满了 @13800000000")), &mut Traffic::default(), Instant::now());
        let post = Post {
            title: Some("磁盘".to_owned()),
            text: "满了 @13800000000".to_owned(),
            mentions: vec!["13800000000".to_owned()],
        };
        assert_eq!(verdict, Verdict::Posted(post));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let good = call(&markdown("x"));
        let with = |change: &dyn Fn(&mut Call)| {
            let mut changed = good.clone();
            change(&mut changed);
            code(&setup(), &changed)
        };
        let query = |name: &'static str, value: &'static str| {
            with(&|call| {
                call.query.insert(name.to_owned(), value.to_owned());
            })
        };
        assert_eq!(with(&|_| {}), 0);
        assert_eq!(with(&|call| call.method = Method::GET), 43002);
        assert_eq!(with(&|call| call.query = BTreeMap::new()), 40035);
        assert_eq!(query("access_token", "another"), 300_005);
        assert_eq!(with(&|call| call.headers.clear()), 43004);
        assert_eq!(query("sign", "rdhUiyGbHzH4Olal17v5mIhUEQxxOsuSFZjuo2SM7Xw%3D"), 310_000);
        assert_eq!(query("timestamp", ""), 310_000);
        assert_eq!(with(&|call| call.at += Duration::from_secs(3601)), 310_000);
        assert_eq!(with(&|call| call.at -= Duration::from_secs(3599)), 0);
        assert_eq!(with(&|call| call.body = Bytes::from_static(b"{")), 40035);
        assert_eq!(code(&setup(), &call(&json!({"msgtype": "Markdown"}))), 400_105);
        assert_eq!(code(&setup(), &call(&markdown(""))), 300_001);
    }

    #[test]
    fn the_body_is_counted_as_encoded() {
        let spare = MAX_BODY - markdown("").to_string().len();
        assert_eq!(code(&setup(), &call(&markdown(&"a".repeat(spare)))), 0);
        assert_eq!(code(&setup(), &call(&markdown(&"a".repeat(spare + 1)))), 460_101);
        // A quotation mark takes two bytes on the wire.
        assert_eq!(code(&setup(), &call(&markdown(&"\"".repeat(spare / 2 + 1)))), 460_101);
    }

    #[test]
    fn a_keyword_must_be_there_once() {
        let picky = Setup { keywords: vec!["告警".to_owned()], ..setup() };
        assert_eq!(code(&picky, &call(&markdown("x"))), 310_000);
        assert_eq!(code(&picky, &call(&markdown("告警 x"))), 0);
    }

    #[test]
    fn the_21st_message_of_a_minute_silences_the_robot() {
        let (setup, call, now) = (setup(), call(&markdown("x")), Instant::now());
        let mut traffic = Traffic::default();
        let mut code_at = |second: u64| judge(&setup, &call, &mut traffic, now + Duration::from_secs(second));
        assert!((0..20).all(|second| matches!(code_at(second), Verdict::Posted(_))));
        let too_fast = Verdict::Refused(130_101, "send too fast, exceed 20 times per minute".to_owned());
        assert_eq!(code_at(20), too_fast);
        assert_eq!(code_at(619), too_fast);
        assert!(matches!(code_at(620), Verdict::Posted(_)));
    }
}

//! What holds for every channel: its texts, its limits, and that no secret leaves it.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::budget::Budget;
use crate::channel::dingtalk::DingTalkSettings;
use crate::channel::email::{EmailSettings, Login, MailTls, Smarthost};
use crate::channel::wecom::WecomSettings;
use crate::channel::{Channel, ChannelSettings, Part, Payload};
use crate::message::Wording;
use crate::message::{Changes, Language, Message, sample};
use crate::people::Person;
use crate::settings::TargetSettings;
use settings_document::Secret;

/// A target around a channel section, with a short time-out.
pub(crate) fn target(channel: ChannelSettings) -> TargetSettings {
    TargetSettings {
        name: "ops".to_owned(),
        channel,
        budget: Budget { sends: 20, window: Duration::from_mins(1) },
        fallback: None,
        language: Language::ZhCn,
        template: None,
        send_resolved: true,
        proxy: None,
        timeout: Duration::from_millis(500),
    }
}

pub(crate) fn dingtalk(url: &str) -> ChannelSettings {
    let secret = Some(Secret::new("SECtestsecret"));
    ChannelSettings::DingTalk(DingTalkSettings { webhook_url: Secret::new(url), secret })
}

pub(crate) fn wecom(url: &str) -> ChannelSettings {
    ChannelSettings::Wecom(WecomSettings { webhook_url: Secret::new(url) })
}

pub(crate) fn email(port: u16, tls: MailTls) -> ChannelSettings {
    let password = Secret::new("mail-password-1");
    ChannelSettings::Email(EmailSettings {
        smarthost: Smarthost { host: "127.0.0.1".to_owned(), port },
        hello: Some("relay.example".to_owned()),
        from: "告警 <alerts@example.com>".to_owned(),
        to: vec!["Ops <ops@example.com>".to_owned()],
        login: Some(Login { username: "alerts@example.com".to_owned(), password }),
        tls,
        ca_file: None,
    })
}

const DINGTALK_URL: &str = "https://oapi.dingtalk.com/robot/send?access_token=dingtalk-token-1";
const WECOM_URL: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=wecom-key-1";

fn all() -> [(&'static str, ChannelSettings); 3] {
    [
        ("dingtalk", dingtalk(DINGTALK_URL)),
        ("wecom", wecom(WECOM_URL)),
        ("email", email(587, MailTls::StartTls)),
    ]
}

fn channel(settings: ChannelSettings, language: Language) -> Channel {
    Channel::new(&TargetSettings { language, ..target(settings) }).expect("the settings are good")
}

/// The samples people look at, with what a delivery adds to them.
fn shown() -> Vec<(&'static str, Message)> {
    let of = |name| sample::named(name).expect("a sample of this name");
    let oncall = Person {
        name: "oncall".to_owned(),
        mobile: Some("13800000000".to_owned()),
        wecom: Some("zhangsan".to_owned()),
        ..Person::default()
    };
    let phone =
        Person { name: "boss".to_owned(), mobile: Some("13900000000".to_owned()), ..Person::default() };
    vec![
        ("firing, with mentions", Message { mentions: vec![oncall, phone], ..of("firing") }),
        ("mixed", of("mixed")),
        ("resolved", of("resolved")),
        ("repeat", of("repeat")),
        ("vanished", of("vanished")),
        ("merged and truncated", Message { snapshots: 3, truncated_alerts: 12, ..of("mixed") }),
        (
            "fallback banner",
            Message {
                banner: Some("ops-wecom 无法送达，改由此处通知".to_owned()), ..of("firing")
            },
        ),
        ("empty labels", of("empty-labels")),
    ]
}

#[test]
fn built_in_texts() {
    for (name, settings) in all() {
        for (language, suffix) in [(Language::ZhCn, "zh-CN"), (Language::En, "en")] {
            let channel = channel(settings.clone(), language);
            let mut out = String::new();
            for (title, message) in shown() {
                for part in channel.render(&message, Wording::Normal) {
                    let _ = writeln!(out, "===== {title} ({} bytes)\n{}\n", part.bytes(), part.preview());
                }
            }
            insta::assert_snapshot!(format!("{name}-{suffix}"), out);
        }
    }
}

#[test]
fn plain_texts_after_a_refusal() {
    let mut out = String::new();
    for (name, settings) in all() {
        let channel = channel(settings, Language::ZhCn);
        for (title, message) in shown().into_iter().take(2) {
            for part in channel.render(&message, Wording::Plain) {
                assert!(!part.preview().contains("http"), "no links: {}", part.preview());
                let _ = writeln!(out, "===== {name}: {title}\n{}\n", part.preview());
            }
        }
    }
    insta::assert_snapshot!("plain", out);
}

#[test]
fn every_sample_fits_every_limit() {
    for (name, settings) in all() {
        let channel = channel(settings, Language::ZhCn);
        for (title, message) in sample::all() {
            for wording in [Wording::Normal, Wording::Smaller, Wording::Plain] {
                let parts = channel.render(&message, wording);
                assert!(!parts.is_empty());
                assert_eq!(parts, channel.render(&message, wording), "{name} {title}: rendering is pure");
                for part in &parts {
                    check_limit(&part.payload, name, title);
                }
            }
        }
    }
}

fn check_limit(payload: &Payload, channel: &str, title: &str) {
    let Payload::Json(body) = payload else { return };
    let json: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
    let markdown = json["markdown"]["content"].as_str().map_or(0, str::len);
    let text = json["text"]["content"].as_str().map_or(0, str::len);
    match channel {
        "dingtalk" => assert!(body.len() <= 20_000, "{title}: {} bytes", body.len()),
        _ => assert!(markdown <= 4_096 && text <= 2_048, "{title}: {markdown} and {text} bytes"),
    }
}

/// Built once for all cases: reading the system's authorities takes longer than rendering.
static CHANNELS: LazyLock<Vec<(&'static str, Channel)>> = LazyLock::new(|| {
    all().into_iter().map(|(name, settings)| (name, channel(settings, Language::ZhCn))).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Labels and annotations of any length and content, measured against the vendors' own limits.
    #[test]
    fn any_alert_fits_every_limit(
        labels in btree_map("[a-z_]{1,12}", value(), 0..12),
        annotations in btree_map(prop::sample::select(vec!["summary", "description", "value", "runbook_url"]), value(), 0..4),
        count in 1_usize..12,
    ) {
        let mut message = sample::named("firing").expect("a sample of this name");
        let mut alert = message.changes.new.remove(0);
        alert.labels.extend(labels);
        alert.annotations.extend(annotations.into_iter().map(|(name, text)| (name.to_owned(), text)));
        message.changes.new = vec![alert; count];
        for (name, channel) in CHANNELS.iter() {
            for wording in [Wording::Normal, Wording::Smaller, Wording::Plain] {
                for part in channel.render(&message, wording) {
                    check_limit(&part.payload, name, "random");
                }
            }
        }
    }
}

/// What people put into labels, and what they should not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:.-]{1,40}",
        "[\u{4e00}-\u{9fa5}🔥]{1,400}",
        "[<>@_*`#()\\[\\]\\\\\"\n]{1,300}",
        any::<String>()
    ]
}

#[test]
fn a_storm_is_told_in_short_before_anything_is_left_out() {
    let mut storm = sample::named("storm").expect("a sample of this name");
    let told = |storm: &Message| -> (usize, usize, String) {
        let parts = channel(wecom(WECOM_URL), Language::ZhCn).render(storm, Wording::Normal);
        let texts: Vec<String> = parts.iter().map(Part::preview).collect();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains("新告警")).count();
        (parts.len(), lines, texts.last().expect("a part").clone())
    };
    let (parts, lines, last) = told(&storm);
    assert_eq!((parts, lines), (4, 200));
    assert!(last.contains("(4/4)") && !last.contains("条未列出"), "{last}");

    storm.changes.new.extend(storm.changes.new.clone());
    let (parts, lines, last) = told(&storm);
    assert_eq!(parts, 4);
    assert!(last.contains(&format!("…另有 {} 条未列出", 400 - lines)), "{lines} lines, {last}");
    assert!(last.contains("查看全部"), "{last}");
}

#[test]
fn only_new_alerts_mention_people() {
    let oncall = Person {
        wecom: Some("zhangsan".to_owned()),
        dingtalk: Some("user1".to_owned()),
        ..Person::default()
    };
    for settings in [dingtalk(DINGTALK_URL), wecom(WECOM_URL)] {
        let channel = channel(settings, Language::ZhCn);
        for (name, expected) in [("firing", 1), ("storm", 1), ("resolved", 0), ("repeat", 0), ("vanished", 0)]
        {
            let message =
                Message { mentions: vec![oncall.clone()], ..sample::named(name).expect("a sample") };
            for wording in [Wording::Normal, Wording::Plain] {
                let parts = channel.render(&message, wording);
                let calls = parts.iter().filter(|part| {
                    let preview = part.preview();
                    preview.contains("zhangsan") || preview.contains("user1")
                });
                assert_eq!(calls.count(), expected, "{name} {wording:?}");
            }
        }
    }
}

#[test]
fn nothing_shown_holds_a_secret() {
    let secrets = ["dingtalk-token-1", "SECtestsecret", "wecom-key-1", "mail-password-1"];
    for (name, settings) in all() {
        let target = target(settings.clone());
        let channel = channel(settings, Language::En);
        let parts =
            channel.render(&Message { changes: Changes::default(), ..shown()[0].1.clone() }, Wording::Normal);
        let shown = format!("{target:?} {channel:?} {parts:?} {:?}", channel.robot());
        for secret in secrets {
            assert!(!shown.contains(secret), "{name} shows {secret}: {shown}");
        }
    }
}

#[test]
fn targets_with_one_token_share_a_robot() {
    let robot = |settings| Channel::new(&target(settings)).expect("the settings are good").robot().clone();
    assert_eq!(robot(dingtalk(DINGTALK_URL)), robot(dingtalk(&format!("{DINGTALK_URL}&x=1"))));
    assert_ne!(robot(dingtalk(DINGTALK_URL)), robot(dingtalk(&DINGTALK_URL.replace("-1", "-2"))));
    assert_ne!(robot(dingtalk(DINGTALK_URL)), robot(wecom(WECOM_URL)));
}

#[test]
fn wrong_settings_are_named_without_their_secret() {
    let check = |settings, expected: &str| {
        let error = Channel::new(&target(settings)).expect_err("the settings are bad").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("token-1"), "{error}");
    };
    check(dingtalk("http://oapi.dingtalk.com/robot/send?access_token=token-1"), "use https://");
    check(dingtalk("oapi.dingtalk.com/robot/send?access_token=token-1"), "is not an address");
    check(wecom("ftp://x/token-1"), "neither https nor http");
    let mut settings = email(587, MailTls::StartTls);
    if let ChannelSettings::Email(email) = &mut settings {
        email.to = vec!["nobody".to_owned()];
    }
    check(settings, "`to`: `nobody` is not a mailbox");
    let mut settings = email(587, MailTls::StartTls);
    if let ChannelSettings::Email(email) = &mut settings {
        email.ca_file = Some("/nonexistent/ca.pem".into());
    }
    check(settings, "`ca_file` `/nonexistent/ca.pem`");
}

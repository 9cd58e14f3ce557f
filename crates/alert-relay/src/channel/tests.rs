//! What holds for every channel: its texts, its limits, and that no secret leaves it.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::channel::Channel;
use crate::channel::json_body::JsonBody;
use crate::channel::part::Part;
use crate::channel::testing::{
    DINGTALK_URL, SECRETS, WECOM_URL, all, dingtalk, email, email_to, open, target, wecom,
};
use crate::message::{Changes, Message, Wording, sample};
use crate::notification::Alert;
use crate::people::Person;

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
    for (name, section) in all() {
        for language in ["zh-CN", "en"] {
            let channel = open(&format!("{section}, language: {language}"));
            let mut out = String::new();
            for (title, message) in shown() {
                for part in channel.render(&message, Wording::Normal) {
                    let _ = writeln!(out, "===== {title} ({} bytes)\n{}\n", part.bytes(), part.preview());
                }
            }
            insta::assert_snapshot!(format!("{name}-{language}"), out);
        }
    }
}

#[test]
fn plain_texts_after_a_refusal() {
    let mut out = String::new();
    for (name, section) in all() {
        let channel = open(&section);
        for (title, message) in shown().into_iter().take(2) {
            for part in channel.render(&message, Wording::Plain) {
                // What a webhook carries as data is all annotations.
                let has_links = part.preview().contains("http") && name != "webhook";
                assert!(!has_links, "{}", part.preview());
                let _ = writeln!(out, "===== {name}: {title}\n{}\n", part.preview());
            }
        }
    }
    insta::assert_snapshot!("plain", out);
}

#[test]
fn every_sample_fits_every_limit() {
    for (name, section) in all() {
        let channel = open(&section);
        for (title, message) in sample::all() {
            for wording in [Wording::Normal, Wording::Smaller, Wording::Plain] {
                let parts = channel.render(&message, wording);
                assert!(!parts.is_empty());
                let again = channel.render(&message, wording);
                assert_eq!(format!("{parts:?}"), format!("{again:?}"), "{name} {title}: rendering is pure");
                for part in &parts {
                    check_limit(part, name, title);
                }
            }
        }
    }
}

fn check_limit(part: &Part, channel: &str, title: &str) {
    let Ok(JsonBody(body)) = part.content() else { return };
    let json: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
    let markdown = json["markdown"]["content"].as_str().map_or(0, str::len);
    let text = json["text"]["content"].as_str().map_or(0, str::len);
    match channel {
        "dingtalk" => assert!(body.len() <= 20_000, "{title}: {} bytes", body.len()),
        _ => assert!(markdown <= 4_096 && text <= 2_048, "{title}: {markdown} and {text} bytes"),
    }
}

/// Built once for all cases: reading the system's authorities takes longer than rendering.
static CHANNELS: LazyLock<Vec<(&'static str, Arc<dyn Channel>)>> =
    LazyLock::new(|| all().into_iter().map(|(name, section)| (name, open(&section))).collect());

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
                    check_limit(&part, name, "random");
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
        let parts = open(&wecom(WECOM_URL)).render(storm, Wording::Normal);
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
fn what_burns_comes_before_thousands_that_are_over() {
    let firing = sample::named("firing").expect("a sample").changes.new.remove(0);
    let numbered = |word: &str, count: usize| -> Vec<Alert> {
        let of = |n| {
            let mut alert = firing.clone();
            let labels = [("alertname", "NodeDown".to_owned()), ("instance", format!("{word}-{n}:9100"))];
            alert.labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            alert
        };
        (0..count).map(of).collect()
    };
    let changes =
        Changes { still: numbered("burns", 10), resolved: numbered("over", 1_990), ..Changes::default() };
    let message = Message { changes, ..sample::named("mixed").expect("a sample") };
    for (name, section) in all() {
        let parts = open(&section).render(&message, Wording::Normal);
        let first = parts[0].preview();
        for n in 0..10 {
            assert!(first.contains(&format!("burns-{n}")), "{name} does not say burns-{n}: {first}");
        }
        let title = first.lines().find(|line| line.contains('🔵')).unwrap_or_default();
        assert!(name == "webhook" || (title.contains("burns-") && !title.contains("over-")), "{title}");
    }
}

#[test]
fn mentions_that_are_left_out_are_counted() {
    let person = |n| Person {
        wecom: Some(format!("wecom{n}")),
        dingtalk: Some(format!("ding{n}")),
        ..Person::default()
    };
    let mentions: Vec<_> = (0..25).map(person).collect();
    let message = Message { mentions, ..sample::named("firing").expect("a sample") };
    for section in [dingtalk(DINGTALK_URL), wecom(WECOM_URL)] {
        let first = open(&section).render(&message, Wording::Normal)[0].preview();
        assert!(first.contains("…+5"), "{first}");
    }
}

#[test]
fn only_new_alerts_mention_people() {
    let oncall = Person {
        wecom: Some("zhangsan".to_owned()),
        dingtalk: Some("user1".to_owned()),
        ..Person::default()
    };
    for section in [dingtalk(DINGTALK_URL), wecom(WECOM_URL)] {
        let channel = open(&section);
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
    for (name, section) in all() {
        let target = target(&section).expect("the settings are good");
        let channel = &target.channel;
        let parts =
            channel.render(&Message { changes: Changes::default(), ..shown()[0].1.clone() }, Wording::Normal);
        let shown = format!("{target:?} {channel:?} {parts:?} {:?}", channel.robot());
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{name} shows {secret}: {shown}");
        }
    }
}

#[test]
fn targets_with_one_token_share_a_robot() {
    let robot = |section: &str| open(section).robot().clone();
    assert_eq!(robot(&dingtalk(DINGTALK_URL)), robot(&dingtalk(&format!("{DINGTALK_URL}&x=1"))));
    assert_ne!(robot(&dingtalk(DINGTALK_URL)), robot(&dingtalk(&DINGTALK_URL.replace("-1", "-2"))));
    assert_ne!(robot(&dingtalk(DINGTALK_URL)), robot(&wecom(WECOM_URL)));
}

#[test]
fn wrong_settings_are_named_without_their_secret() {
    let check = |keys: &str, expected: &str| {
        let error = target(keys).expect_err("the settings are bad");
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("token-1"), "{error}");
    };
    check(
        &dingtalk("http://oapi.dingtalk.com/robot/send?access_token=token-1"),
        "relay.yml:1: targets.ops.dingtalk.webhook_url: the address is http, which shows its token to the network",
    );
    check(
        &wecom("ftp://x/token-1"),
        "targets.ops.wecom.webhook_url: expected an address that begins with `https://` or `http://`",
    );
    check(&email_to(587, "nobody", ""), "targets.ops.email.to: expected a mail address, found `nobody`");
    check(&email(587, ", ca_file: /nonexistent/ca.pem"), "targets.ops.email.ca_file: cannot read");
    check(&format!("{}, proxy: 'http://h:1'", email(587, "")), "email cannot be sent through an HTTP proxy");
}

/// Who writes a file's name finds the key that names it.
#[test]
fn what_is_wrong_in_a_file_is_told_at_the_key_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let webhook = |key: &str, file: &str| format!("webhook: {{ url: 'https://h/x', {key}: {file} }}");
    let proxy = file("proxy", "http://proxy:3128");
    let secret = file("secret", "whsec_***");
    for (keys, expected) in [
        (webhook("secret_file", &secret), "targets.ops.webhook.secret_file: "),
        (
            webhook("authorization_file", &file("authorization", "Bearer a\u{7}b")),
            "targets.ops.webhook.authorization_file: ",
        ),
        (format!("{}, proxy_file: {proxy}", email(587, "")), "targets.ops.proxy_file: email cannot be sent"),
        (
            format!("webhook: {{ url: 'http://127.0.0.1/x' }}, proxy_file: {proxy}"),
            "targets.ops.proxy_file: this target's address is http",
        ),
    ] {
        let error = target(&keys).expect_err("the file is bad");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// Each mistake is shown where it stands, in the channel's section or at the target.
#[test]
fn a_template_that_fails_is_a_mistake_at_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.j2");
    std::fs::write(&file, "{{ nothing_of_this_name }}").unwrap();
    for (name, section) in all() {
        let error = target(&format!("{section}, template: {}", file.display())).expect_err("it fails");
        assert!(error.starts_with("relay.yml:1: targets.ops.template: template `"), "{name}: {error}");
    }
}

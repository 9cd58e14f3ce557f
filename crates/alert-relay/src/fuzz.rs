//! What fuzzers drive: each target takes any bytes and asserts what must hold of them, beyond not crashing.
//!
//! `fuzz/` at the top of the repository has a program for each target, and bytes to begin with; the tests below give
//! all of those to the same functions. Built for tests and for fuzzers (`--cfg fuzzing`) alone.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

pub use crate::channel::fuzz::{mail_reply, vendor_reply};
use crate::intake;
use crate::message::{Language, Wording};
use crate::notification::{LabelSet, Notification};
use crate::preview;
use crate::render::Draft;
use crate::render::markup::Markup;
use crate::routes::Matcher;
use crate::settings::Settings;
use crate::split::{PartLimits, pack};

/// A target of every kind of channel that is rendered as JSON; one person may be mentioned.
const SETTINGS: &str = "
alertmanager: { url: 'https://am.example' }
targets:
  dingtalk: { dingtalk: { webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=1' } }
  wecom: { wecom: { webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1' } }
  webhook: { webhook: { url: 'https://hooks.example.com/alerts' } }
  mail: { email: { smarthost: 'mail.example:587', from: relay@example.com, to: [ops@example.com] } }
receivers: { ops: { routes: [ { targets: [dingtalk, wecom, webhook, mail], mentions: [oncall] } ] } }
people: { oncall: { wecom: lisi, dingtalk: '13800000000' } }
";

thread_local! {
    static OPS: Settings = Settings::from_text(Path::new("relay.yml"), SETTINGS, [])
        .expect("the settings above are good");
}

/// A webhook of Alertmanager, on its way to each channel: what was read can be written and reads back, every part is within the vendor's
/// limits and of the vendor's form, and nobody is mentioned but whom the settings name.
pub fn webhook(bytes: &[u8]) {
    let Ok(notification) = intake::parse(bytes) else { return };
    let again = intake::parse(&intake::write(&notification)).expect("what was written is a webhook");
    let declared = Notification { is_declared_repeat: notification.is_declared_repeat, ..again };
    assert_eq!(declared, notification);
    OPS.with(|settings| {
        for (name, target) in &settings.targets {
            let message = preview::of_webhook(&notification, settings, target, Timestamp::UNIX_EPOCH);
            for wording in [Wording::Normal, Wording::Smaller, Wording::Plain] {
                let parts = target.channel.render(&message, wording);
                assert!(!parts.is_empty(), "{name} has nothing to send");
                for part in parts {
                    check_part(name, &part.preview(), part.bytes());
                }
            }
        }
    });
}

/// What holds for one request to a robot. Limits are the vendors' own, without our margins.
fn check_part(target: &str, shown: &str, bytes: usize) {
    match target {
        // DingTalk: 460101 beyond 20 000 bytes. It calls whom `at` names, and nobody else.
        "dingtalk" => assert!(bytes <= 20_000, "{bytes} bytes to DingTalk"),
        // WeCom: 40058 beyond these bytes of content; it calls whom the content names in `<@…>`, in markdown and in plain text.
        "wecom" => {
            let (fields, content) = shown.split_once("\n\n").expect("the content follows the other fields");
            let limit = if fields.starts_with("msgtype: text") { 2_048 } else { 4_096 };
            assert!(content.len() <= limit, "{} bytes to WeCom", content.len());
            for called in shown.split("<@").skip(1) {
                assert!(called.starts_with("lisi>"), "WeCom calls {called:?}");
            }
        }
        // The template's own form is JSON whatever the values are.
        "webhook" => drop(serde_json::from_str::<Value>(shown).expect("the webhook's body is JSON")),
        _ => {}
    }
}

/// Matchers: what is written as in the settings reads back, and decides the same.
pub fn matchers(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(matchers) = Matcher::parse_list(text) else { return };
    let labels = LabelSet::from([("severity".to_owned(), "critical".to_owned())]);
    for matcher in matchers {
        let written = matcher.to_string();
        let again = Matcher::parse_list(&written).expect("what was written is a matcher");
        let [again] = &again[..] else { panic!("{written} is not one matcher") };
        assert_eq!(again.to_string(), written);
        assert_eq!(again.matches(&labels), matcher.matches(&labels), "{written}");
    }
}

/// A settings file: it is good, or every mistake has words that stay on a line.
pub fn relay_settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    // A file that a key names would be read.
    if text.contains("file") || text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let Err(rejected) = Settings::from_text(Path::new("relay.yml"), text, []) else { return };
    assert!(!rejected.problems.is_empty(), "refused without a reason");
    for problem in rejected.problems {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
        assert!(said.len() < 4_000, "{} bytes for one mistake", said.len());
    }
}

/// A draft of title, header, footer and alerts with 0xFF between them: every part fits its room, and what is said to be whole is.
pub fn split(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let mut texts = bytes.split(|byte| *byte == 0xFF).map(|text| String::from_utf8_lossy(text).into_owned());
    let markup = [Markup::DingTalk, Markup::Wecom, Markup::Plain][usize::from(choice % 3)];
    // A title is one line and bounded where it is made.
    let title =
        texts.next().unwrap_or_default().chars().filter(|symbol| !symbol.is_control()).take(150).collect();
    let mut escaped = texts.map(|text| markup.escape(&text));
    let draft = Draft {
        title,
        header: escaped.next().unwrap_or_default(),
        footer: escaped.next().unwrap_or_default(),
        blocks: escaped.collect(),
        ..Draft::default()
    };
    let limits = PartLimits { cost_limit: 2_000, parts: 4, cost: str::len, separator: "\n\n" };
    let packed = pack(&draft, "<@zhangsan>", limits, markup, Language::ZhCn);
    assert!((1..=4).contains(&packed.parts.len()));
    for part in &packed.parts {
        assert!(part.len() <= limits.cost_limit, "{} of {} bytes", part.len(), limits.cost_limit);
    }
    if packed.is_whole {
        let all = packed.parts.concat();
        assert!(draft.blocks.iter().all(|block| all.contains(block.as_str())));
    }
}

#[cfg(test)]
mod replay {
    test_peers::replay_corpus!(mail_reply, matchers, relay_settings, split, vendor_reply, webhook);
}

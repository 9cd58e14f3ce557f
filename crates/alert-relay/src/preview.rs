//! Messages that no delivery asks for: what `render` shows and what `send-test` sends.
//!
//! Owns what they are about. They are composed as those of deliveries are (`compose`), so that a preview shows what would be sent.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::clock::Millis;
use crate::compose::{Content, MessageDefaults, compose};
use crate::ledger::{Snapshot, Terms, fold};
use crate::message::{Changes, Language, Links, Message, sample};
use crate::notification::{Alert, Fingerprint, GroupKey, LabelSet, Notification, Status};
use crate::settings::{Settings, TargetSettings};

/// The message of a webhook for a target that knows of nothing yet.
pub(crate) fn of_webhook(
    notification: &Notification,
    settings: &Settings,
    target: &TargetSettings,
    at: Timestamp,
) -> Message {
    let senders = BTreeSet::new();
    let terms = Terms { send_resolved: target.send_resolved, senders: &senders, now: Millis::from(at) };
    let changes = fold(&[], &[Snapshot::whole(notification)], terms).changes;
    let content = Content {
        delivery: "preview".to_owned(),
        newest: notification,
        // Also for a target with `send_resolved: false`: people want to see how the end of an alert would look.
        changes: changes.unwrap_or_else(|_suppressed| Changes {
            resolved: notification.alerts.clone(),
            ..Changes::default()
        }),
        snapshots: 1,
        mentions: mentioned(settings, target),
        banner: None,
    };
    compose(&MessageDefaults::new(settings), content, at)
}

/// The message of a built-in sample for a target; `None` if there is none of this name.
pub(crate) fn of_sample(name: &str, settings: &Settings, target: &TargetSettings) -> Option<Message> {
    let sample = sample::named(name)?;
    Some(MessageDefaults::new(settings).around(sample, mentioned(settings, target)))
}

/// A test message, which nobody can take for an incident. It mentions nobody, and a link to silence a test would only mislead.
pub(crate) fn test(defaults: &MessageDefaults, target: &str, language: Language, at: Timestamp) -> Message {
    let (summary, banner) = match language {
        Language::ZhCn => ("alert-relay 的测试消息，收到即表示此通道可用", "测试消息，无需处理"),
        Language::En => {
            ("A test by alert-relay: if you read this, the channel works", "Test message, nothing to do")
        }
    };
    let labels = LabelSet::from([
        ("alertname".to_owned(), "AlertRelayTest".to_owned()),
        ("severity".to_owned(), "info".to_owned()),
        ("target".to_owned(), target.to_owned()),
    ]);
    let annotations = LabelSet::from([("summary".to_owned(), summary.to_owned())]);
    let alert = Alert {
        status: Status::Firing,
        labels: labels.clone(),
        annotations: annotations.clone(),
        starts_at: at,
        ends_at: None,
        generator_url: String::new(),
        fingerprint: Fingerprint("0000000000000000".to_owned()),
    };
    let notification = Notification {
        receiver: "send-test".to_owned(),
        group_key: GroupKey("send-test".to_owned()),
        group_labels: LabelSet::new(),
        common_labels: labels,
        common_annotations: annotations,
        external_url: String::new(),
        truncated_alerts: 0,
        is_declared_repeat: false,
        alerts: vec![alert],
    };
    let content = Content {
        delivery: format!("test-{}", at.as_millisecond()),
        newest: &notification,
        changes: Changes { new: notification.alerts.clone(), ..Changes::default() },
        snapshots: 1,
        mentions: BTreeSet::new(),
        banner: Some(banner.to_owned()),
    };
    compose(&MessageDefaults { links: Links::default(), ..defaults.clone() }, content, at)
}

/// Everyone whom some route mentions to the target.
fn mentioned<'s>(settings: &'s Settings, target: &TargetSettings) -> BTreeSet<&'s str> {
    let routes = settings.receivers.values().flat_map(|receiver| &receiver.routes);
    routes
        .filter(|route| route.targets.contains(&target.name))
        .flat_map(|route| &route.mentions)
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::message::Wording;

    const SETTINGS: &str = r#"
timezone: Asia/Shanghai
language: en
alertmanager: { url: "https://am.example" }
targets:
  chat: { wecom: { webhook_url: "https://qyapi.example/cgi-bin/webhook/send?key=wecom-key-1" } }
receivers:
  ops: { routes: [ { targets: [chat], mentions: [oncall] } ] }
people:
  oncall: { wecom: zhangsan }
"#;

    const WEBHOOK: &str = r#"{"receiver":"ops","status":"firing","version":"4","groupKey":"{}","truncatedAlerts":0,
        "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://9f1c:9093","alerts":[
        {"status":"firing","labels":{"alertname":"DiskFull"},"annotations":{"summary":"/ is full"},
         "startsAt":"2026-11-23T01:02:03Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"1"},
        {"status":"resolved","labels":{"alertname":"DiskSlow"},"annotations":{},
         "startsAt":"2026-11-23T01:02:03Z","endsAt":"2026-11-23T01:04:03Z","generatorURL":"","fingerprint":"2"}]}"#;

    fn settings() -> Settings {
        Settings::from_text(Path::new("relay.yml"), SETTINGS, []).expect("good settings")
    }

    /// What the chat would be shown.
    fn shown(message: &Message) -> String {
        settings().targets["chat"].channel.render(message, Wording::Normal)[0].preview()
    }

    #[test]
    fn a_webhook_is_shown_as_the_target_would_be_told() {
        let settings = settings();
        let target = &settings.targets["chat"];
        let notification = crate::intake::parse(WEBHOOK.as_bytes()).expect("a webhook");
        let shown = shown(&of_webhook(&notification, &settings, target, Timestamp::UNIX_EPOCH));
        for expected in
            ["🔵 1 firing · 1 resolved: DiskFull", "/ is full", "https://am.example/#/", "<@zhangsan>"]
        {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
        assert!(!shown.contains("9f1c") && !shown.contains("wecom-key-1"), "{shown}");
    }

    #[test]
    fn a_sample_has_the_settings_links_and_mentions_and_its_own_where_they_say_nothing() {
        let mut settings = settings();
        let shown = |settings: &Settings| {
            shown(&of_sample("mixed", settings, &settings.targets["chat"]).expect("a sample"))
        };
        let said = shown(&settings);
        assert!(said.contains("https://am.example/#/") && said.contains("<@zhangsan>"), "{said}");
        settings.alertmanager_url = String::new();
        assert!(shown(&settings).contains("http://alertmanager.example:9093/#/"));
    }

    #[test]
    fn nobody_takes_a_test_for_an_incident() {
        let defaults = MessageDefaults::new(&settings());
        insta::assert_snapshot!(shown(&test(
            &defaults,
            "chat",
            Language::En,
            Timestamp::constant(946_684_800, 0)
        )));
    }
}

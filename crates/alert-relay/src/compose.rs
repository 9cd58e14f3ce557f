//! From what has changed in a group to the message for one chat (pure).
//!
//! Owns the content of a message: what it says of whom, whom it mentions, which links it has. Deliveries, previews and test messages
//! are all made here, so that they cannot differ by accident. Leaves out what has changed (`ledger`) and how it looks (`render`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::message::{Changes, Digest, Language, Links, Message};
use crate::notification::{Alert, Fingerprint, LabelSet, Notification};
use crate::people::{People, Person};
use crate::routes::Mentions;
use crate::settings::Settings;

/// What all messages of one relay have in common, as the settings say.
#[derive(Clone, Debug)]
pub(crate) struct MessageDefaults {
    /// Times are shown in this zone.
    pub(crate) time_zone: TimeZone,
    /// Base addresses; empty ones are unset.
    pub(crate) links: Links,
    /// Who can be mentioned.
    pub(crate) people: People,
}

impl MessageDefaults {
    /// What these settings say.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            time_zone: settings.time_zone.clone(),
            links: Links {
                alertmanager: settings.alertmanager_url.clone(),
                prometheus: settings.prometheus_url.clone(),
                relay: settings.server.external_url.clone(),
            },
            people: settings.people.clone(),
        }
    }

    /// Those of these people who are in the settings. Somebody who has left them since the webhook came is not mentioned.
    fn resolve<'a>(&self, names: impl IntoIterator<Item = &'a str>, at: Timestamp) -> Vec<Person> {
        names.into_iter().filter_map(|name| self.people.resolve(name, at)).cloned().collect()
    }

    /// A message that was made elsewhere (a built-in sample), as it would look under these settings.
    pub(crate) fn around<'a>(
        &self,
        message: Message,
        mentions: impl IntoIterator<Item = &'a str>,
    ) -> Message {
        let links = self.links.clone().or(message.links);
        let mentions = self.resolve(mentions, message.now);
        Message { time_zone: self.time_zone.clone(), links, mentions, ..message }
    }
}

/// The content of a message, before times, links and people are filled in.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// The delivery's public name.
    pub(crate) delivery: String,
    /// The newest snapshot of the group.
    pub(crate) newest: &'a Notification,
    /// What the chat does not know yet, and what it does.
    pub(crate) changes: Changes,
    /// How many waiting snapshots this is sent for.
    pub(crate) snapshots: u32,
    /// Whom to mention, by their keys under `people:`.
    pub(crate) mentions: BTreeSet<&'a str>,
    /// A warning above the text.
    pub(crate) banner: Option<String>,
}

/// The message, as of `at`. From the same content and the same defaults it is the same message.
pub(crate) fn compose(defaults: &MessageDefaults, content: Content<'_>, at: Timestamp) -> Message {
    let Content { delivery, newest, changes, snapshots, mentions, banner } = content;
    let of_webhook =
        Links { alertmanager: newest.external_url.trim_end_matches('/').to_owned(), ..Links::default() };
    Message {
        delivery,
        time_zone: defaults.time_zone.clone(),
        now: at,
        receiver: newest.receiver.clone(),
        group_key: newest.group_key.clone(),
        group_labels: newest.group_labels.clone(),
        common_labels: newest.common_labels.clone(),
        common_annotations: newest.common_annotations.clone(),
        changes,
        truncated_alerts: newest.truncated_alerts,
        snapshots,
        mentions: defaults.resolve(mentions, at),
        links: defaults.links.clone().or(of_webhook),
        banner,
        digest: None,
    }
}

/// The content of a digest, before times, links and people are filled in.
#[derive(Debug)]
pub(crate) struct DigestContent<'a> {
    /// The public name of the delivery that stands for all of them.
    pub(crate) delivery: String,
    /// A webhook of one of the groups: where their Alertmanager is.
    pub(crate) newest: &'a Notification,
    /// What the chat does not know yet, and what it does, of all groups.
    pub(crate) changes: Changes,
    /// How many groups, and since when they wait.
    pub(crate) digest: Digest,
    /// How many alerts Alertmanager left out.
    pub(crate) truncated_alerts: u64,
    /// Whom to mention, by their keys under `people:`.
    pub(crate) mentions: BTreeSet<&'a str>,
    /// A warning above the text.
    pub(crate) banner: Option<String>,
}

/// The message that tells of many groups at once, as of `at`.
pub(crate) fn compose_digest(
    defaults: &MessageDefaults,
    content: DigestContent<'_>,
    at: Timestamp,
) -> Message {
    let DigestContent { delivery, newest, changes, digest, truncated_alerts, mentions, banner } = content;
    let content = Content { delivery, newest, changes, snapshots: 1, mentions, banner };
    Message {
        group_labels: LabelSet::new(),
        common_labels: LabelSet::new(),
        common_annotations: LabelSet::new(),
        truncated_alerts,
        digest: Some(digest),
        ..compose(defaults, content, at)
    }
}

/// Whom the waiting deliveries want mentioned for an alert that is new: each person once, however many alerts and snapshots name
/// them.
pub(crate) fn to_mention<'d>(
    deliveries: impl IntoIterator<Item = &'d Mentions>,
    new: &[Alert],
) -> BTreeSet<&'d str> {
    let new: BTreeSet<&Fingerprint> = new.iter().map(|alert| &alert.fingerprint).collect();
    let is_new = |name: &Fingerprint| new.contains(name);
    let mentions = deliveries.into_iter().flatten();
    mentions.filter(|(_, alerts)| alerts.iter().any(is_new)).map(|(name, _)| name.as_str()).collect()
}

/// The banner of a message that a fallback sends for a dead target.
pub(crate) fn fallback_banner(dead: &str, fallback: &str, language: Language) -> String {
    match language {
        Language::ZhCn => format!("目标 {dead} 当前无法送达，本条由备用目标 {fallback} 代发"),
        Language::En => format!("The target {dead} cannot be reached; its fallback {fallback} brings this"),
    }
}

/// The banner of a message that a fallback sends because the target's own channel refuses its text.
pub(crate) fn refusal_banner(refusing: &str, fallback: &str, language: Language) -> String {
    match language {
        Language::ZhCn => format!("目标 {refusing} 的渠道拒收本条正文，由备用目标 {fallback} 代发"),
        Language::En => {
            format!("The channel of {refusing} refuses this text; its fallback {fallback} brings it")
        }
    }
}

/// The banner of a message that may have arrived before.
pub(crate) fn repeat_banner(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "上一次发送没有收到结果，本条可能重复",
        Language::En => "No answer came when this was sent before: it may be a repeat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{firing, notification};

    fn fingerprints(names: &str) -> Vec<Fingerprint> {
        names.split_whitespace().map(|name| Fingerprint(name.to_owned())).collect()
    }

    fn mentions(mentions: &[(&str, &str)]) -> Mentions {
        mentions.iter().map(|(name, alerts)| ((*name).to_owned(), fingerprints(alerts))).collect()
    }

    #[test]
    fn only_who_is_meant_for_a_new_alert_is_mentioned_and_only_once() {
        let deliveries = [mentions(&[("boss", "a")]), mentions(&[("boss", "a"), ("oncall", "a b")])];
        let check = |new: &[&str], expected: &[&str]| {
            let new: Vec<Alert> = new.iter().map(|name| firing(name, 10)).collect();
            assert_eq!(to_mention(&deliveries, &new).into_iter().collect::<Vec<_>>(), expected, "{new:?}");
        };
        check(&["a"], &["boss", "oncall"]);
        check(&["b"], &["oncall"]);
        check(&["c"], &[]);
        check(&[], &[]);
    }

    fn message(defaults: &MessageDefaults) -> Message {
        let mut newest = notification("group", vec![firing("a", 10)]);
        newest.external_url = "http://9f1c:9093/".to_owned();
        let content = Content {
            delivery: "x-1".to_owned(),
            changes: Changes { new: newest.alerts.clone(), ..Changes::default() },
            newest: &newest,
            snapshots: 2,
            mentions: BTreeSet::from(["gone", "oncall"]),
            banner: None,
        };
        compose(defaults, content, Timestamp::UNIX_EPOCH)
    }

    fn defaults(alertmanager: &str) -> MessageDefaults {
        let person = Person { name: "oncall".to_owned(), ..Person::default() };
        MessageDefaults {
            time_zone: TimeZone::UTC,
            links: Links { alertmanager: alertmanager.to_owned(), ..Links::default() },
            people: People::from_iter([("oncall".to_owned(), person)]),
        }
    }

    #[test]
    fn a_link_is_the_settings_own_and_else_the_webhooks() {
        assert_eq!(message(&defaults("https://am.example")).links.alertmanager, "https://am.example");
        assert_eq!(message(&defaults("")).links.alertmanager, "http://9f1c:9093");
    }

    #[test]
    fn who_has_left_the_settings_is_not_mentioned() {
        let mentions = message(&defaults("")).mentions;
        assert_eq!(mentions.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["oncall"]);
    }

    #[test]
    fn a_fallback_says_for_whom_it_sends() {
        for language in [Language::ZhCn, Language::En] {
            let text = fallback_banner("ops-dingtalk", "ops-mail", language);
            assert!(text.contains("ops-dingtalk") && text.contains("ops-mail"), "{text}");
        }
    }
}

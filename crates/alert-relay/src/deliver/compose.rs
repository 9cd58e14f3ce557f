//! From a claimed lane to the message for its chat (pure).

use std::collections::BTreeSet;

use crate::clock::Millis;
use crate::deliver::targets::{Target, Targets};
use crate::delivery::{Claim, Pending};
use crate::ledger::Snapshot;
use crate::message::{Changes, Language, Links, Message};
use crate::notification::{Alert, Fingerprint, Notification};

/// What a target is shown of a notification: its own alerts.
pub(super) fn snapshot(notification: &Notification, delivery: &Pending) -> Snapshot {
    let only = |names: &[Fingerprint]| -> Vec<Alert> {
        let names: BTreeSet<&Fingerprint> = names.iter().collect();
        notification.alerts.iter().filter(|alert| names.contains(&alert.fingerprint)).cloned().collect()
    };
    Snapshot {
        alerts: only(&delivery.alerts),
        quiet: only(&delivery.quiet),
        is_truncated: notification.truncated_alerts > 0,
    }
}

/// The message of a lane, spoken by `via`, whose words and links it takes. Built for the same `at` it is the same message.
pub(super) fn message(
    targets: &Targets,
    claim: &Claim,
    newest: &Notification,
    changes: &Changes,
    via: &Target,
    public_id: String,
    at: Millis,
) -> Message {
    let links = Links {
        alertmanager: if targets.links.alertmanager.is_empty() {
            newest.external_url.trim_end_matches('/').to_owned()
        } else {
            targets.links.alertmanager.clone()
        },
        ..targets.links.clone()
    };
    Message {
        delivery: public_id,
        time_zone: targets.time_zone.clone(),
        now: at.timestamp(),
        receiver: newest.receiver.clone(),
        group_key: newest.group_key.clone(),
        group_labels: newest.group_labels.clone(),
        common_labels: newest.common_labels.clone(),
        common_annotations: newest.common_annotations.clone(),
        changes: changes.clone(),
        truncated_alerts: newest.truncated_alerts,
        snapshots: u32::try_from(claim.deliveries.len()).unwrap_or(u32::MAX),
        // Somebody who has left the settings meanwhile is not rung.
        mentions: to_mention(claim, &changes.new)
            .into_iter()
            .filter_map(|name| targets.people.get(name))
            .cloned()
            .collect(),
        links,
        banner: (via.settings.name != claim.key.target)
            .then(|| spoken_for(&claim.key.target, &via.settings.name, via.settings.language)),
    }
}

/// Whom one of the waiting snapshots wants mentioned for an alert that is new.
fn to_mention<'c>(claim: &'c Claim, new: &[Alert]) -> BTreeSet<&'c String> {
    let new: BTreeSet<&Fingerprint> = new.iter().map(|alert| &alert.fingerprint).collect();
    let is_new = |name: &Fingerprint| new.contains(name);
    let mentions = claim.deliveries.iter().flat_map(|delivery| &delivery.mentions);
    mentions.filter(|(_, alerts)| alerts.iter().any(is_new)).map(|(name, _)| name).collect()
}

fn spoken_for(dead: &str, via: &str, language: Language) -> String {
    match language {
        Language::ZhCn => format!("目标 {dead} 当前无法送达，本条由备用目标 {via} 代发"),
        Language::En => format!("The target {dead} cannot be reached; its fallback {via} brings this"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::DeliveryKey;
    use crate::outbox::testing::firing;

    fn fingerprints(names: &str) -> Vec<Fingerprint> {
        names.split_whitespace().map(|name| Fingerprint(name.to_owned())).collect()
    }

    fn pending(mentions: &[(&str, &str)]) -> Pending {
        Pending {
            id: 1,
            accepted_at: Millis(0),
            alerts: Vec::new(),
            quiet: Vec::new(),
            mentions: mentions
                .iter()
                .map(|(name, alerts)| ((*name).to_owned(), fingerprints(alerts)))
                .collect(),
            attempts: 0,
            is_straggling: false,
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn only_who_is_meant_for_a_new_alert_is_mentioned() {
        let key = DeliveryKey { target: "chat".to_owned(), group: "group".to_owned() };
        let deliveries = vec![pending(&[("boss", "a")]), pending(&[("boss", "a"), ("oncall", "a b")])];
        let claim = Claim { key, deliveries, told: Vec::new(), progress: None };
        let check = |new: &[&str], expected: &[&str]| {
            let new: Vec<Alert> = new.iter().map(|name| firing(name, 10)).collect();
            assert_eq!(to_mention(&claim, &new).into_iter().collect::<Vec<_>>(), expected, "{new:?}");
        };
        check(&["a"], &["boss", "oncall"]);
        check(&["b"], &["oncall"]);
        check(&["c"], &[]);
        check(&[], &[]);
    }

    #[test]
    fn a_substitute_says_for_whom_it_speaks() {
        for language in [Language::ZhCn, Language::En] {
            let text = spoken_for("ops-dingtalk", "ops-mail", language);
            assert!(text.contains("ops-dingtalk") && text.contains("ops-mail"), "{text}");
        }
    }
}

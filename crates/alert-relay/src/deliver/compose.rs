//! From a claimed lane to the message for its chat (pure).

use std::collections::BTreeSet;

use crate::clock::Millis;
use crate::deliver::roster::{Roster, Speaker};
use crate::ledger::Snapshot;
use crate::message::{Changes, Language, Links, Message};
use crate::notification::{Alert, Fingerprint, Notification};
use crate::outbox::{Claim, Pending};

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
    roster: &Roster,
    claim: &Claim,
    newest: &Notification,
    changes: &Changes,
    via: &Speaker,
    public_id: String,
    at: Millis,
) -> Message {
    let mut names: Vec<&String> = Vec::new();
    for name in claim.deliveries.iter().flat_map(|delivery| &delivery.mentions) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let links = Links {
        alertmanager: if roster.links.alertmanager.is_empty() {
            newest.external_url.trim_end_matches('/').to_owned()
        } else {
            roster.links.alertmanager.clone()
        },
        ..roster.links.clone()
    };
    Message {
        delivery: public_id,
        time_zone: roster.time_zone.clone(),
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
        mentions: names.into_iter().filter_map(|name| roster.people.get(name)).cloned().collect(),
        links,
        banner: (via.settings.name != claim.lane.target)
            .then(|| spoken_for(&claim.lane.target, &via.settings.name, via.settings.language)),
    }
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

    #[test]
    fn a_substitute_says_for_whom_it_speaks() {
        for language in [Language::ZhCn, Language::En] {
            let text = spoken_for("ops-dingtalk", "ops-mail", language);
            assert!(text.contains("ops-dingtalk") && text.contains("ops-mail"), "{text}");
        }
    }
}

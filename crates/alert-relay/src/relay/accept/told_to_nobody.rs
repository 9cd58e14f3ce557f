//! What the log says of alerts that an accepted webhook brings and nobody is told of now: those that no route matches, and those of a copy.
//!
//! One line each, with the alert's name, its group and why. Labels come from outside: they are bounded, and on one line.

use std::collections::HashSet;

use tracing::{info, warn};

use crate::delivery::Accepted;
use crate::notification::{Alert, Fingerprint};
use crate::render::clean;
use crate::routes::{ReceiverSettings, why_unrouted};
use crate::subject;

/// Alerts of one webhook that have a line each; the others are counted in one more.
const LINES: usize = 100;

/// Characters of a group's name, and of a reason.
const SHOWN: usize = 400;

/// What is said once the webhook is stored.
#[derive(Debug)]
pub(super) struct ToldToNobody {
    group: String,
    /// What the whole webhook is about.
    names: String,
    /// For whom it would be.
    targets: Vec<String>,
    unrouted: Vec<UnroutedAlert>,
    more: usize,
}

/// An alert that no route matches.
#[derive(Debug)]
struct UnroutedAlert {
    name: String,
    labels: String,
    why: String,
}

impl ToldToNobody {
    /// Of a webhook that was routed by these settings.
    pub(super) fn of(accepted: &Accepted, receiver: &ReceiverSettings) -> Self {
        let unrouted: HashSet<&Fingerprint> = accepted.unrouted.iter().collect();
        let alerts = accepted.notification.alerts.iter();
        let nobodys: Vec<&Alert> = alerts.filter(|alert| unrouted.contains(&alert.fingerprint)).collect();
        let line = |alert: &&Alert| UnroutedAlert {
            name: subject::names([*alert]),
            labels: subject::labels([*alert].into_iter()),
            why: clean::line(&why_unrouted(receiver, &alert.labels).unwrap_or_default(), SHOWN),
        };
        Self {
            group: clean::line(&accepted.notification.group_key.0, SHOWN),
            names: subject::names(&accepted.notification.alerts),
            targets: accepted.deliveries.iter().map(|planned| planned.target.clone()).collect(),
            unrouted: nobodys.iter().take(LINES).map(line).collect(),
            more: nobodys.len().saturating_sub(LINES),
        }
    }

    /// A line for each alert that no route matches.
    pub(super) fn log_unrouted(&self, receiver: &str) {
        let group = &self.group;
        for UnroutedAlert { name, labels, why } in &self.unrouted {
            warn!(
                receiver,
                alert = name,
                group,
                "alert {name} for `{receiver}` matches no route and is told to nobody: {labels} of group {group}: {why}"
            );
        }
        if self.more > 0 {
            let more = self.more;
            warn!(
                receiver,
                more,
                group,
                "{more} more alerts for `{receiver}` of group {group} match no route and are told to nobody (hint: a last route without matchers takes \
                 everything)"
            );
        }
    }

    /// A line for each target of a webhook that is the copy of another one.
    pub(super) fn log_copy(&self, receiver: &str, of: i64) {
        let Self { group, names, targets, .. } = self;
        for target in targets {
            info!(
                receiver, %target, group, alerts = names, end = "suppressed", of,
                "{names} of group {group} is not told to {target} again: suppressed (the webhook is the same as notification {of})"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::testing::{accepted, firing};

    #[test]
    fn each_alert_has_a_reason_up_to_a_bound_and_the_rest_is_counted() {
        let alerts: Vec<Alert> = (0..130).map(|number| firing(&format!("a{number}"), 10)).collect();
        let mut webhook = accepted("group\nforged", alerts, &[]);
        webhook.unrouted =
            webhook.notification.alerts.iter().map(|alert| alert.fingerprint.clone()).collect();
        let said = ToldToNobody::of(&webhook, &ReceiverSettings { routes: Vec::new() });
        assert_eq!((said.unrouted.len(), said.more), (LINES, 30));
        assert_eq!(said.group, "group forged");
        let first = &said.unrouted[0];
        assert_eq!((first.name.as_str(), first.why.as_str()), ("a0", "the receiver has no routes"));
        assert_eq!(first.labels, "{alertname=\"a0\"}");
    }
}

//! Which alerts would go elsewhere, or nowhere.

use std::collections::{BTreeMap, HashMap};

use crate::notification::{Alert, Fingerprint, Notification};
use crate::replay::report::RoutingChange;
use crate::routes::{self, Planned, ReceiverSettings};
use crate::story::Received;
use crate::subject;

/// Kinds of changes that are listed.
pub(super) const LISTED: usize = 1_000;

/// Reasons that are given for one of them.
const REASONS: usize = 3;

/// The changes so far, one for each receiver, name of an alert and change.
#[derive(Debug, Default)]
pub(super) struct Routing {
    changes: BTreeMap<Change, Counted>,
    more: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    receiver: String,
    alert: String,
    before: Vec<String>,
    after: Vec<String>,
}

#[derive(Debug)]
struct Counted {
    alerts: u64,
    example: String,
    why: Vec<String>,
}

impl Routing {
    /// One webhook, as it is routed before and after; `receiver` says how after.
    pub(super) fn compare(
        &mut self,
        stored: &Received,
        webhook: &Notification,
        (before, after): (&[Planned], &[Planned]),
        receiver: Option<&ReceiverSettings>,
    ) {
        let (before, after) = (destinations(before), destinations(after));
        for alert in &webhook.alerts {
            let of = |side: &HashMap<&Fingerprint, Vec<String>>| {
                side.get(&alert.fingerprint).cloned().unwrap_or_default()
            };
            let (before, after) = (of(&before), of(&after));
            if before == after {
                continue;
            }
            let change = Change {
                receiver: stored.endpoint.clone(),
                alert: alert.label("alertname").to_owned(),
                before,
                after,
            };
            if let Some(counted) = self.changes.get_mut(&change) {
                counted.alerts += 1;
            } else if self.changes.len() < LISTED {
                let counted = Counted {
                    alerts: 1,
                    example: subject::labels([alert].into_iter()),
                    why: why(&change, alert, receiver),
                };
                self.changes.insert(change, counted);
            } else {
                self.more += 1;
            }
        }
    }

    /// The changes, and of how many alerts they are beyond those that are listed.
    pub(super) fn into_changes(self) -> (Vec<RoutingChange>, u64) {
        let listed = self.changes.into_iter().map(|(change, counted)| RoutingChange {
            receiver: change.receiver,
            alert: change.alert,
            before: change.before,
            after: change.after,
            alerts: counted.alerts,
            example: counted.example,
            why: counted.why,
        });
        (listed.collect(), self.more)
    }
}

/// Which targets are for each alert, in alphabetical order.
fn destinations(shares: &[Planned]) -> HashMap<&Fingerprint, Vec<String>> {
    let mut destinations: HashMap<&Fingerprint, Vec<String>> = HashMap::new();
    for share in shares {
        for alert in &share.alerts {
            destinations.entry(alert).or_default().push(share.target.clone());
        }
        for alert in &share.outside_hours {
            destinations.entry(alert).or_default().push(format!("{} (outside its hours)", share.target));
        }
    }
    for targets in destinations.values_mut() {
        targets.sort_unstable();
    }
    destinations
}

/// Why those who were told before are not told after.
fn why(change: &Change, alert: &Alert, receiver: Option<&ReceiverSettings>) -> Vec<String> {
    let Some(receiver) = receiver else { return Vec::new() };
    if change.after.is_empty() {
        return routes::why_unrouted(receiver, &alert.labels).into_iter().collect();
    }
    let is_lost = |target: &String| change.before.contains(target) && !change.after.contains(target);
    let verdicts = routes::verdicts(receiver, &alert.labels).into_iter();
    let lost = verdicts.filter(|verdict| !verdict.is_match() && verdict.targets.iter().any(is_lost));
    lost.take(REASONS).map(|verdict| verdict.to_string()).collect()
}

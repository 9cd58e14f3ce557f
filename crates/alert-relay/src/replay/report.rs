//! What a comparison has found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::clock::Millis;
use crate::replay::load::Load;

/// The outcome. Names and labels in it come from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    /// What it was made from.
    pub(crate) read: Read,
    /// Compared with what the store has recorded, and not with other settings.
    pub(crate) is_recorded: bool,
    /// Receivers that one side has and the other has not, by name.
    pub(crate) receivers: BTreeMap<String, ReceiverChange>,
    /// Alerts that would go elsewhere, or nowhere.
    pub(crate) routing: Vec<RoutingChange>,
    /// How many further alerts would, beyond those listed.
    pub(crate) routing_more: u64,
    /// Every target of either side, by name.
    pub(crate) targets: Vec<TargetChange>,
    /// How many messages would have another text, by target.
    pub(crate) texts_changed: BTreeMap<String, u64>,
    /// The first of them.
    pub(crate) texts: Vec<TextChange>,
    /// Groups whose ledger had to be forgotten: their alerts are counted as new once more.
    pub(crate) forgotten: u64,
}

/// The webhooks of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Read {
    /// How many.
    pub(crate) webhooks: u64,
    /// Alerts in them.
    pub(crate) alerts: u64,
    /// When the first was accepted.
    pub(crate) from: Option<Millis>,
    /// When the last was.
    pub(crate) until: Option<Millis>,
    /// Older ones of the span that were left out.
    pub(crate) older: u64,
    /// Those that cannot be read by this version.
    pub(crate) unreadable: u64,
}

/// A receiver that only one side has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ReceiverChange {
    /// It was there before, so its webhooks would be refused.
    pub(crate) is_lost: bool,
    /// Webhooks posted to it.
    pub(crate) webhooks: u64,
    /// Alerts in them.
    pub(crate) alerts: u64,
}

/// Alerts of one name that would go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoutingChange {
    /// What they were posted to.
    pub(crate) receiver: String,
    /// `alertname`
    pub(crate) alert: String,
    /// The targets before; none: nobody.
    pub(crate) before: Vec<String>,
    /// The targets after.
    pub(crate) after: Vec<String>,
    /// How often such an alert stood in a webhook.
    pub(crate) alerts: u64,
    /// The labels of one of them.
    pub(crate) example: String,
    /// Why that one is not told any more to those who lose it.
    pub(crate) why: Vec<String>,
}

/// What a target would be sent, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TargetChange {
    /// Its name.
    pub(crate) target: String,
    /// Before.
    pub(crate) before: Load,
    /// After.
    pub(crate) after: Load,
}

/// A message that would have another text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TextChange {
    /// For whom.
    pub(crate) target: String,
    /// Of which webhook.
    pub(crate) notification: i64,
    /// When that was accepted.
    pub(crate) at: Millis,
    /// The lines that differ.
    pub(crate) diff: String,
}

impl Report {
    /// Whether anything would be different.
    pub(crate) fn is_changed(&self) -> bool {
        !self.receivers.is_empty()
            || !self.routing.is_empty()
            || self.routing_more > 0
            || !self.texts_changed.is_empty()
            || self.targets.iter().any(TargetChange::is_changed)
    }

    pub(super) fn receiver_changed(&mut self, receiver: &str, is_lost: bool, alerts: u64) {
        let change = self.receivers.entry(receiver.to_owned()).or_default();
        change.is_lost = is_lost;
        change.webhooks += 1;
        change.alerts += alerts;
    }
}

impl TargetChange {
    /// Whether it would be sent something else, or has another budget.
    pub(crate) fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// Every target of either side.
pub(super) fn targets(
    mut before: BTreeMap<String, Load>,
    mut after: BTreeMap<String, Load>,
) -> Vec<TargetChange> {
    let names: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let change = |target: String| TargetChange {
        before: before.remove(&target).unwrap_or_default(),
        after: after.remove(&target).unwrap_or_default(),
        target,
    };
    names.into_iter().map(change).collect()
}
